"""The stage that the tests of the whole operator play on."""

from datetime import timedelta

import pytest

from support.apiproxy import proxy
from support.fixtures import crd, endpoint, older_stage, simulator, stage

__all__ = ["crd", "endpoint", "no_retry", "older_stage", "proxy", "simulator", "stage"]


@pytest.fixture
def no_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has failed is tried again only when somebody asks: its own time, after ten seconds, may come before a test has looked."""
    monkeypatch.setattr("graphmail.backoff.LEAST", timedelta(minutes=30))
