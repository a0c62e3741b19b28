"""docs/quickstart.md, as somebody follows it who has nothing but the checkout: all blocks that can be run here, in their order.

API server, Postgres, Helm, Prometheus, Alertmanager and operator are real. A simulator stands for Microsoft, `support.kubelet` for what
would run pods. Of the alert's rule one thing is changed: for how long it must hold before it fires.
"""

import json
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import pytest_asyncio

from graphsim.server import Simulator
from localstack.cache import Cache
from localstack.controlplane import ControlPlane
from localstack.postgres import PostgresServer
from localstack.processes import guarded
from localstack.toolchain import HELM, Toolchain
from support.alerting import example, sooner, to_webhook
from support.documents import ROOT, Block
from support.fixtures import PATIENT, open_endpoint
from support.kubelet import Kubelet, kubelet
from support.monitoring import Labels, Prometheus, Receiver, running
from support.product import Product
from support.shell import Shell, linked_checkout, open_shell, story
from support.stage import Row, Stage
from support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(1800)]

NAMESPACE = "graphmail"
FIRST_ALERT = "GraphMailOperatorAbsent"
SCHEMA = ROOT / "tests" / "fixtures" / "product_schema.sql"


@dataclass(frozen=True)
class World:
    """What the reader has: a cluster, a shell, and a product with two mailboxes."""

    stage: Stage
    shell: Shell
    kubelet: Kubelet
    owner_url: str
    rows: tuple[Row, ...]

    async def follow(self, block: Block, text: str) -> None:
        """Type it, and see that it succeeds."""
        ran = await self.shell.type(text)
        logs = (f"{path.name}:\n{path.read_text()}" for path in sorted(self.kubelet.folder.glob("*.log")))
        assert ran.code == 0, "\n".join([block.where, ran.out, ran.err, *logs])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def beginning(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Before the first step: nothing is installed."""
    folder = tmp_path_factory.mktemp("quickstart")
    server = PostgresServer(folder / "postgres")
    with guarded(folder), ControlPlane(folder / "cluster") as control_plane, pytest.MonkeyPatch.context() as patched:
        try:
            async with (
                Simulator(folder / "graphsim", settings=PATIENT) as simulator,
                open_endpoint(simulator, folder) as endpoint,
            ):
                patched.setenv("SSL_CERT_FILE", str(simulator.ca_path))
                owner_url = server.start().create_database("product")
                with psycopg.connect(owner_url) as connection:
                    connection.execute(SCHEMA.read_bytes())
                product = Product(owner_url)
                stage = Stage(
                    control_plane=control_plane,
                    namespace=NAMESPACE,
                    product=product,
                    simulator=simulator,
                    endpoint=endpoint,
                    environment={},
                    entra=simulator.world.add_tenant("Contoso"),
                    app=simulator.world.add_app("product"),
                    tenant=product.add_tenant(),
                )
                rows = (stage.add_app_only(), stage.add_delegated())
                program = folder / "reader" / "bin" / "graphmail"
                async with kubelet(control_plane, NAMESPACE, node(folder), program) as working:
                    helm = Toolchain(Cache.default(), os.environ).program(HELM, "helm")
                    shell = open_shell(
                        folder / "reader", control_plane, "default", {}, kubectl=working.kubectl(), helm=helm
                    )
                    checkout = linked_checkout(folder / "checkout")
                    yield World(stage, replace(shell, checkout=checkout), working, owner_url, rows)
                product.close()
        finally:
            server.delete()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installed(beginning: World) -> World:
    """After the steps as far as the first look."""
    for block in story("quickstart.md", "quickstart", "quickstart values", "quickstart as the owner"):
        assert block.mark
        if block.mark.what == "quickstart as the owner":
            beginning.stage.product.run(block.typed)
        elif block.mark.what == "quickstart values":
            await beginning.follow(block, values_of_the_reader(beginning, block.typed))
        else:
            typed = microsoft_is_simulated(block.typed, beginning.stage.simulator)
            await beginning.follow(block, no_node_serves_logs(typed))
    return beginning


def node(folder: Path) -> Path:
    made = folder / "node"
    made.mkdir()
    return made


def microsoft_is_simulated(text: str, simulator: Simulator) -> str:
    """What the page's first file of values needs besides, where a simulator stands for Microsoft."""
    graph = f"microsoft: {{graphBaseURL: '{simulator.graph_url}', loginBaseURL: '{simulator.login_url}'}}"
    trust = f"extraEnv: [{{name: SSL_CERT_FILE, value: '{simulator.ca_path}'}}]"
    return text.replace("\nEND\n", f"\n{graph}\n{trust}\nEND\n")


def no_node_serves_logs(text: str) -> str:
    """The same without a look at a pod's log, for which the API server asks the pod's node."""
    return text.replace(" --logs", "")


def values_of_the_reader(world: World, text: str) -> str:
    """The page's variables, with values that lead to what is here."""
    password = re.search(r"graphmail_operator:([\w-]+)@", text)
    assert password
    values = {
        "APPLICATION_URL": world.stage.endpoint.url,
        "OWNER_URL": world.owner_url,
        "OPERATOR_URL": re.sub(r"//[^@]*@", f"//graphmail_operator:{password[1]}@", world.owner_url),
        "REGISTRY": "registry.example.com",
    }
    assert re.findall(r"export (\w+)=", text) == list(values)
    return "\n".join(f"export {name}='{value}'" for name, value in values.items())


async def test_whoever_follows_the_quickstart_ends_with_covered_mailboxes(installed: World) -> None:
    for row in installed.rows:
        await installed.stage.covered_once(row)
    pods = installed.kubelet.replicas["graphmail-operator"]
    assert len(pods) == 2
    assert {pod.environment["GRAPHMAIL_DATABASE_URL"] for pod in pods}.isdisjoint({installed.owner_url})


async def test_the_first_alert_fires_reaches_somebody_and_clears(installed: World, tmp_path: Path) -> None:
    for name, plural in {"ServiceMonitor": "servicemonitors", "PrometheusRule": "prometheusrules"}.items():
        installed.stage.kubectl("apply", "-f", "-", stdin=json.dumps(any_resource(name, plural)))
        installed.stage.control_plane.await_definitions(f"{plural}.monitoring.coreos.com")
    [monitoring] = story("quickstart.md", "quickstart monitoring")
    await installed.follow(monitoring, monitoring.typed)
    labels = "-l", "release=kube-prometheus-stack"
    [rules] = json.loads(installed.stage.kubectl("get", "prometheusrules", *labels, "-o", "json"))["items"]
    groups = {"groups": rules["spec"]["groups"]}
    assert len(json.loads(installed.stage.kubectl("get", "servicemonitors", *labels, "-o", "json"))["items"]) == 1
    assert installed.stage.kubectl("get", "configmaps", "-l", "grafana_dashboard=1", "-o", "name").strip()
    [drill], [recovery] = story("quickstart.md", "quickstart drill"), story("quickstart.md", "quickstart recovery")
    async with Receiver() as receiver, running(tmp_path) as (prometheus, alertmanager):
        await alertmanager.start(to_webhook(example("slack"), receiver.url))
        await prometheus.start(scraped(installed.kubelet), groups, alertmanager.url)
        await eventually(lambda: sees(prometheus, 2), "Prometheus scrapes both")
        await prometheus.take_rules(sooner(groups, FIRST_ALERT))
        await installed.follow(drill, drill.typed)
        alert = await receiver.alert(FIRST_ALERT)
        assert alert["annotations"]["runbook_url"] == f"{runbook_of(monitoring.typed)}#graphmailoperatorabsent"
        assert receiver.receivers(FIRST_ALERT) == {"graphmail-on-call"}
        assert alert["labels"]["namespace"] == NAMESPACE  # by which an AlertmanagerConfig routes
        await installed.follow(recovery, recovery.typed)
        await prometheus.scrape(scraped(installed.kubelet))
        resolved = await receiver.alert(FIRST_ALERT, "resolved")
        assert resolved["labels"] == alert["labels"]


def runbook_of(typed: str) -> str:
    """Where the page's values say that the runbook is."""
    found = re.search(r"runbookURL: (\S+)", typed)
    assert found, "the page names a runbook that can be read"
    return found[1]


def scraped(node: Kubelet) -> list[tuple[str, Labels]]:
    """What runs on that node."""
    pods = node.replicas["graphmail-operator"]
    return [(urlsplit(pod.metrics_url).netloc, {"namespace": NAMESPACE}) for pod in pods]


async def sees(prometheus: Prometheus, number: int) -> bool:
    """Whether so many operators tell of themselves."""
    answer = await prometheus.query("count(graphmail_build_info)")
    return bool(answer) and float(answer[0]["value"][1]) == number


def any_resource(kind: str, plural: str) -> dict[str, Any]:
    """A definition of the Prometheus operator's, without its schema."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "names": {"kind": kind, "plural": plural},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
