"""The stage, and the chart's account on it."""

import pytest

from support.fixtures import crd, endpoint, simulator, stage
from support.rights import Account, rendered
from support.stage import Stage

__all__ = ["account", "crd", "endpoint", "simulator", "stage"]


@pytest.fixture
def account(stage: Stage) -> Account:
    """The chart's, which may read the Secrets `hand` and `late`."""
    secrets = 'rbac.credentialSecrets=["hand", "late"]'
    return Account(stage.control_plane, stage.namespace, rendered(stage.namespace, secrets))
