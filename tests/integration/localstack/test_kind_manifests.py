"""The manifests of `make kind`, as far as they can be tried without a container engine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from localstack.controlplane import ControlPlane

ROOT = Path(__file__).parents[3]
KIND = ROOT / "hack" / "kind"
MANIFESTS = ["postgres.yaml", "microsoft.yaml", "operator.yaml"]


@pytest.fixture
def graphmail_namespace(control_plane: ControlPlane) -> str:
    control_plane.run_kubectl("apply", "-f", str(KIND / "namespace.yaml"))
    return "graphmail"


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_the_api_server_accepts_it_to_the_last_field(
    manifest: str, control_plane: ControlPlane, graphmail_namespace: str
) -> None:
    strictly = ["--dry-run=server", "--validate=strict", "-o", "name"]
    accepted = control_plane.run_kubectl("apply", "-f", str(KIND / manifest), *strictly)
    assert "deployment.apps/" in accepted


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("list graphmailsubscriptions.graphmail.dev", "yes"),
        ("patch graphmailsubscriptions.graphmail.dev --subresource=status", "yes"),
        ("get secrets", "yes"),
        ("create events", "yes"),
        ("create leases.coordination.k8s.io", "yes"),
        ("patch leases.coordination.k8s.io", "yes"),
        ("delete leases.coordination.k8s.io", "no"),
        ("get namespaces/graphmail", "yes"),
        ("list secrets", "no"),
        ("get namespaces/default", "no"),
        ("create pods", "no"),
        ("list graphmailsubscriptions.graphmail.dev --all-namespaces", "no"),
    ],
)
def test_the_operator_may_do_its_work_and_no_more(
    question: str, answer: str, control_plane: ControlPlane, graphmail_namespace: str
) -> None:
    control_plane.run_kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    control_plane.run_kubectl("apply", "-f", str(KIND / "operator.yaml"))
    kubeconfig = control_plane.service_account_kubeconfig(graphmail_namespace, "graphmail-operator")
    asked = subprocess.run(
        [control_plane.kubectl, f"--kubeconfig={kubeconfig}", "auth", "can-i", *question.split()],
        capture_output=True,
        text=True,
        env={**os.environ, "KUBECACHEDIR": str(control_plane.state_dir / "kubectl-cache")},
        check=False,
    )
    assert asked.stdout.strip() == answer, asked.stderr
