"""The CRD on a real API server."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from localstack.controlplane import ApiRefusedError, ControlPlane
from localstack.messages import LocalStackError

CRD_FILE = Path(__file__).parents[3] / "crds" / "graphmailsubscriptions.yaml"
CRD = "graphmailsubscriptions.graphmail.dev"
PATIENCE = 240.0


@pytest.fixture(scope="session")
def cluster(control_plane: ControlPlane) -> ControlPlane:
    """The control plane, once it serves and documents the custom resource."""
    control_plane.run_kubectl("apply", "--server-side", "-f", str(CRD_FILE))
    control_plane.await_definitions(CRD)
    deadline = time.monotonic() + PATIENCE
    while True:  # the documentation is published a moment after the resource
        try:
            control_plane.run_kubectl("explain", "graphmailsubscriptions.spec")
        except LocalStackError:
            if time.monotonic() > deadline:
                raise
        else:
            return control_plane


class Resources:
    """The resources of one namespace, as plain JSON."""

    def __init__(self, cluster: ControlPlane, namespace: str) -> None:
        self._cluster = cluster
        self.namespace = namespace
        self._path = f"/apis/graphmail.dev/v1alpha1/namespaces/{namespace}/graphmailsubscriptions"

    def body(self, name: str = "ann", **spec: Any) -> dict[str, Any]:
        """A minimal object, with these fields of the spec changed; None leaves one out."""
        wanted = {
            "tenant": "t1",
            "providerID": "p1",
            "mailbox": "ann@example.com",
            "notificationURL": "https://app.example.com/hook",
            **spec,
        }
        return {
            "apiVersion": "graphmail.dev/v1alpha1",
            "kind": "GraphMailSubscription",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {field: value for field, value in wanted.items() if value is not None},
        }

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._call("POST", self._path, body)

    def replace(self, body: dict[str, Any], *, subresource: str = "") -> dict[str, Any]:
        return self._call("PUT", f"{self._path}/{body['metadata']['name']}{subresource}", body)

    def get(self, name: str = "ann") -> dict[str, Any]:
        return self._call("GET", f"{self._path}/{name}", None)

    def refusal(self, body: dict[str, Any], *, replaces: bool = False) -> set[tuple[str, str]]:
        """Why the API server would not take the object, each cause as field and message; empty when it would."""
        method, path = ("PUT", f"{self._path}/{body['metadata']['name']}") if replaces else ("POST", self._path)
        try:
            self._call(method, f"{path}?dryRun=All", body)
        except ApiRefusedError as error:
            text = str(error)
            status = json.loads(text[text.index("{") :])
            assert status["reason"] == "Invalid", text
            return {(cause["field"], cause["message"]) for cause in status["details"]["causes"]}
        return set()

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self._cluster.run_kubectl("--namespace", self.namespace, *arguments, stdin=stdin)

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        answer: dict[str, Any] = self._cluster.request(method, path, body)
        return answer


@pytest.fixture
def resources(cluster: ControlPlane, namespace: str) -> Resources:
    return Resources(cluster, namespace)


@pytest.fixture(scope="session")
def dry(cluster: ControlPlane) -> Resources:
    """For what is only tried, and never kept."""
    return Resources(cluster, "default")
