"""The stage of the whole operator's tests, and the command as a person types it."""

from integration.cli.conftest import crd, endpoint, graphmail, simulator, stage

__all__ = ["crd", "endpoint", "graphmail", "simulator", "stage"]
