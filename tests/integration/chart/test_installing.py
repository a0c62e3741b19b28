"""Installed, upgraded and uninstalled by the real Helm on a real API server. No pod runs there, so hooks are left out."""

import base64
import gzip
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from localstack.cache import Cache
from localstack.controlplane import ApiRefusedError, ControlPlane
from localstack.processes import guarded
from localstack.toolchain import HELM, Toolchain
from support.helm import CHART, ROOT, Helm, HelmError, Resource
from support.shell import open_shell, story

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/graphmailsubscriptions.graphmail.dev"
WITH_POSTGRES = ("-f", CHART / "ci" / "postgres-values.yaml")


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One of its own: the definition goes, and with it whatever other tests have left."""
    folder = tmp_path_factory.mktemp("control-plane")
    with guarded(folder), ControlPlane(folder) as running:
        yield running


@pytest.fixture(scope="module")
def helm_at_cluster(tmp_path_factory: pytest.TempPathFactory, control_plane: ControlPlane) -> Helm:
    return Helm(tmp_path_factory.mktemp("helm"), control_plane)


@pytest.fixture
def no_crd(control_plane: ControlPlane) -> None:
    """The API server does not know our resource, whatever an earlier test has left."""
    control_plane.run_kubectl(
        "delete", "crd", "graphmailsubscriptions.graphmail.dev", "--ignore-not-found", "--timeout=5m"
    )


def crd(control_plane: ControlPlane) -> Resource:
    found: Resource = control_plane.request("GET", CRD)
    return found


def deployment(control_plane: ControlPlane, namespace: str) -> Resource:
    found: Resource = control_plane.request(
        "GET", f"/apis/apps/v1/namespaces/{namespace}/deployments/graphmail-operator"
    )
    return found


def install(helm: Helm, namespace: str, *arguments: str | Path, chart: Path = CHART) -> str:
    return helm.run("install", "graphmail-operator", chart, "--namespace", namespace, "--no-hooks", *arguments)


def uninstall(helm: Helm, namespace: str) -> str:
    return helm.run("uninstall", "graphmail-operator", "--namespace", namespace, "--no-hooks")


def changed_chart(folder: Path) -> Path:
    """The chart of a version to come, whose resource has one field more."""
    chart = folder / "graphmail-operator"
    shutil.copytree(CHART, chart)
    path = chart / "files" / "graphmailsubscriptions.yaml"
    definition = yaml.safe_load(path.read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["properties"]["toCome"] = {"type": "string", "description": "A field to come."}
    path.write_text(yaml.safe_dump(definition))
    return chart


def has_the_new_field(definition: Resource) -> bool:
    return (
        "toCome" in definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    )


@pytest.mark.usefixtures("no_crd")
def test_install_upgrade_and_uninstall(
    helm_at_cluster: Helm, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    notes = install(helm_at_cluster, namespace, *WITH_POSTGRES)
    assert f"helm test graphmail-operator --namespace {namespace} --logs" in notes
    assert "Alerts (metrics.prometheusRule.enabled)" in notes
    assert deployment(control_plane, namespace)["spec"]["replicas"] == 2
    assert not has_the_new_field(crd(control_plane))

    chart = changed_chart(tmp_path)
    upgrade = ["upgrade", "graphmail-operator", chart, "--namespace", namespace, "--no-hooks"]
    helm_at_cluster.run(*upgrade, *WITH_POSTGRES, "--set", "replicas=3,log.level=debug")
    assert has_the_new_field(crd(control_plane))
    upgraded = deployment(control_plane, namespace)["spec"]
    assert upgraded["replicas"] == 3
    assert {"name": "GRAPHMAIL_LOG_LEVEL", "value": "debug"} in upgraded["template"]["spec"]["containers"][0]["env"]

    helm_at_cluster.run("rollback", "graphmail-operator", "1", "--namespace", namespace, "--no-hooks")
    assert deployment(control_plane, namespace)["spec"]["replicas"] == 2

    kept = uninstall(helm_at_cluster, namespace)
    assert "graphmailsubscriptions.graphmail.dev" in kept
    with pytest.raises(ApiRefusedError, match="404"):
        deployment(control_plane, namespace)
    assert crd(control_plane)["metadata"].get("deletionTimestamp") is None

    install(helm_at_cluster, namespace, *WITH_POSTGRES)  # again, over the definition that was kept
    uninstall(helm_at_cluster, namespace)


@pytest.mark.usefixtures("no_crd")
def test_a_definition_that_kubectl_made_is_taken_over_when_asked_for(
    helm_at_cluster: Helm, control_plane: ControlPlane, namespace: str
) -> None:
    control_plane.run_kubectl("apply", "-f", str(ROOT / "crds"))
    with pytest.raises(HelmError, match=r"graphmailsubscriptions.*invalid ownership metadata"):
        install(helm_at_cluster, namespace)
    install(helm_at_cluster, namespace, "--take-ownership", "--force-conflicts")
    assert crd(control_plane)["metadata"]["annotations"]["meta.helm.sh/release-namespace"] == namespace
    uninstall(helm_at_cluster, namespace)


@pytest.mark.usefixtures("no_crd")
def test_a_second_release_leaves_the_definition_to_the_first(
    helm_at_cluster: Helm, control_plane: ControlPlane, namespace: str
) -> None:
    second = f"{namespace}-second"
    install(helm_at_cluster, namespace)
    with pytest.raises(HelmError, match="graphmailsubscriptions"):
        install(helm_at_cluster, second, "--create-namespace")
    install(helm_at_cluster, second, "--create-namespace", "--set", "crds.enabled=false")
    for each in (second, namespace):
        uninstall(helm_at_cluster, each)
    assert crd(control_plane)["metadata"]["annotations"]["meta.helm.sh/release-namespace"] == namespace


def test_a_wrong_value_stops_an_installation_before_anything_is_made(
    helm_at_cluster: Helm, control_plane: ControlPlane, namespace: str
) -> None:
    with pytest.raises(HelmError, match="maximum: got 11, want 10"):
        install(helm_at_cluster, namespace, "--set", "replicas=11")
    secrets = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/secrets")["items"]
    assert secrets == []


def test_what_helm_stores_of_a_release_holds_no_secret(
    helm_at_cluster: Helm, control_plane: ControlPlane, namespace: str
) -> None:
    install(helm_at_cluster, namespace, *WITH_POSTGRES, "--set", "crds.enabled=false")
    stored = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/secrets")["items"]
    release = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(stored[0]["data"]["release"]))))
    assert release["config"]["database"] == {"existingSecret": "graphmail-database"}
    assert "postgresql://" not in release["manifest"]
    uninstall(helm_at_cluster, namespace)


HELD = {
    "apiVersion": "graphmail.dev/v1alpha1",
    "kind": "GraphMailSubscription",
    # What the operator holds a resource by while its subscription lives.
    "metadata": {"name": "held", "namespace": "graphmail", "finalizers": ["graphmail.dev/subscription"]},
    "spec": {
        "tenant": "contoso",
        "providerID": "1",
        "mailbox": "billing@contoso.example",
        "notificationURL": "https://desk.example.com/hooks",
        "credentials": {"source": "Secret", "secretName": "billing"},
    },
}


@pytest.mark.usefixtures("no_crd")
async def test_whoever_follows_the_page_is_rid_of_everything(
    helm_at_cluster: Helm, control_plane: ControlPlane, tmp_path: Path
) -> None:
    helm = Toolchain(Cache.default(), os.environ).program(HELM, "helm")
    shell = replace(open_shell(tmp_path / "reader", control_plane, "default", {}, helm=helm), checkout=tmp_path)
    for role in ("operator", "owner"):
        (tmp_path / f"{role}-url.txt").write_text(f"postgresql://{role}@postgres.example.com/desk\n")
    secrets, removal = story("chart.md", "chart")
    (await shell.type(secrets.typed)).check()
    install(helm_at_cluster, "graphmail", *WITH_POSTGRES)
    control_plane.await_definitions("graphmailsubscriptions.graphmail.dev")
    control_plane.run_kubectl("apply", "-f", "-", stdin=yaml.safe_dump(HELD))

    (await shell.type(removal.typed)).check()

    with pytest.raises(ApiRefusedError, match="404"):
        deployment(control_plane, "graphmail")
    with pytest.raises(ApiRefusedError, match="404"):
        crd(control_plane)
