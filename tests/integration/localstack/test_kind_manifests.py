"""The manifests of `make kind`, as far as they can be tried without a container engine."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from kind.__main__ import IMAGES
from localstack.controlplane import ControlPlane
from support.helm import Helm, environment, load, named, pod_specs

ROOT = Path(__file__).parents[3]
KIND = ROOT / "hack" / "kind"
MANIFESTS = ["postgres.yaml", "microsoft.yaml", "prometheus.yaml"]


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(tmp_path_factory.mktemp("helm"))


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


def test_the_api_server_accepts_what_the_chart_makes_of_its_values(
    control_plane: ControlPlane, graphmail_namespace: str, helm: Helm
) -> None:
    rendered = helm.template("--values", KIND / "operator-values.yaml", release="graphmail-operator")
    strictly = ["--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-o", "name"]
    accepted = control_plane.run_kubectl("apply", *strictly, "-f", "-", stdin=yaml.safe_dump_all(rendered))
    assert len(accepted.split()) == len(rendered)


def test_the_chart_and_the_manifests_speak_of_the_same_things(helm: Helm) -> None:
    rendered = helm.template("--values", KIND / "operator-values.yaml", release="graphmail-operator")
    secret, *others = yaml.safe_load_all((KIND / "postgres.yaml").read_text())
    settings = load(environment(rendered, {"GRAPHMAIL_DATABASE_URL": secret["stringData"]["url"]}))
    others += yaml.safe_load_all((KIND / "microsoft.yaml").read_text())
    services = {
        f"{each['metadata']['name']}.{each['metadata']['namespace']}.svc:{port['port']}"
        for each in others
        if each["kind"] == "Service"
        for port in each["spec"]["ports"]
    }
    assert settings.database_url is not None
    urls = [settings.database_url.get_secret_value(), settings.graph_base_url, str(settings.application_url)]
    assert {urlsplit(url).netloc.rpartition("@")[2] for url in urls} <= services
    open_ports = {
        port["port"]
        for rule in named(rendered, "NetworkPolicy", "operator")["spec"]["egress"]
        for port in rule["ports"]
    }
    assert {int(service.rpartition(":")[2]) for service in services} <= open_ports
    for _, spec in pod_specs(rendered):
        assert all(each["image"] == "graphmail-operator:dev" for each in spec["containers"])


def test_prometheus_asks_for_the_service_and_the_port_of_the_chart(helm: Helm) -> None:
    service = named(helm.template("--values", KIND / "operator-values.yaml", release="graphmail-operator"), "Service")
    discovery = yaml.safe_load((KIND / "prometheus.yml").read_text())["scrape_configs"][0]["dns_sd_configs"][0]
    assert discovery["names"] == [f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"]
    assert discovery["port"] == service["spec"]["ports"][0]["port"]


def test_every_series_has_a_namespace_which_the_alerts_compare() -> None:
    [scrape] = yaml.safe_load((KIND / "prometheus.yml").read_text())["scrape_configs"]
    assert {"target_label": "namespace", "replacement": "graphmail"} in scrape["relabel_configs"]
    assert scrape["honor_labels"], "a mailbox's own namespace comes first"


def test_the_images_are_built_under_the_names_that_kubernetes_reads(helm: Helm) -> None:
    """podman takes a short name for one of `localhost`, Kubernetes for one of `docker.io/library`."""
    rendered = helm.template("--values", KIND / "operator-values.yaml", release="graphmail-operator")
    rendered += yaml.safe_load_all((KIND / "microsoft.yaml").read_text())
    used = {
        container["image"]
        for _, spec in pod_specs(rendered)
        for container in (*spec["containers"], *spec.get("initContainers", ()))
    }
    assert {f"docker.io/library/{image}" for image in used} == set(IMAGES.values())
