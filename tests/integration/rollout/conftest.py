"""The stage of the whole operator's tests."""

from integration.operator.conftest import crd, endpoint, simulator, stage

__all__ = ["crd", "endpoint", "simulator", "stage"]
