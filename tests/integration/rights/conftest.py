"""The stage, and the chart's account on it."""

from support.fixtures import crd, endpoint, simulator, stage

__all__ = ["crd", "endpoint", "simulator", "stage"]
