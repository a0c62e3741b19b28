"""One stage a test, as the operator's own tests have it."""

from support.fixtures import crd, endpoint, simulator, stage

__all__ = ["crd", "endpoint", "simulator", "stage"]
