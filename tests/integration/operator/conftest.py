"""The stage that the tests of the whole operator play on."""

from support.apiproxy import proxy
from support.fixtures import crd, endpoint, older_stage, simulator, stage

__all__ = ["crd", "endpoint", "older_stage", "proxy", "simulator", "stage"]
