"""Demos in folders of their own, ended whatever becomes of the test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.demos import Demo
from localstack.processes import guarded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """A demo's folder. What still runs in it at the end is ended, also when this process is killed."""
    folder = tmp_path / "demo"
    folder.mkdir()
    with guarded(folder):
        yield Demo(folder)
