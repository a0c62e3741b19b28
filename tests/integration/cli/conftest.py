"""The stage of the whole operator's tests, and the command as a person types it."""

from functools import partial

import pytest

from support.command import Graphmail, run
from support.fixtures import crd, endpoint, simulator, stage
from support.stage import Stage

__all__ = ["crd", "endpoint", "simulator", "stage"]


@pytest.fixture
def graphmail(stage: Stage) -> Graphmail:
    """Types a command, with the stage's environment and further variables."""
    return partial(run, stage)
