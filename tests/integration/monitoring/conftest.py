"""The stage that the operator plays on while Prometheus looks on."""

from support.fixtures import crd, endpoint, simulator, stage

__all__ = ["crd", "endpoint", "simulator", "stage"]
