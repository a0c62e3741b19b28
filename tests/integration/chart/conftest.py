"""Helm without a cluster, and what the Prometheus operator would bring to one."""

import pytest

from localstack.controlplane import ControlPlane
from support.helm import ROOT, Helm


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Renders, and reaches no cluster."""
    return Helm(tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def monitoring_crds(control_plane: ControlPlane) -> None:
    """The API server knows what the Prometheus operator would bring."""
    control_plane.run_kubectl("apply", "--server-side", "-f", str(ROOT / "tests" / "fixtures" / "monitoring_crds.yaml"))
    control_plane.await_definitions("servicemonitors.monitoring.coreos.com", "prometheusrules.monitoring.coreos.com")
