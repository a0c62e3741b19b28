"""The stage, and a shell for whoever follows a page."""

from pathlib import Path

import pytest

from support.fixtures import crd, endpoint, simulator, stage
from support.shell import Shell, open_shell
from support.stage import Stage

__all__ = ["crd", "endpoint", "simulator", "stage"]


@pytest.fixture
def shell(stage: Stage, tmp_path: Path) -> Shell:
    """In the stage's namespace, with the stage's environment."""
    return open_shell(tmp_path / "reader", stage.control_plane, stage.namespace, stage.environment)
