"""docs/quickstart.md, as somebody follows it who has nothing but the checkout: all blocks that can be run here, in their order.

API server, Postgres, Helm and operator are real. A simulator stands for Microsoft, `support.kubelet` for what would run pods.
"""

import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from graphsim.server import Simulator
from localstack.cache import Cache
from localstack.controlplane import ControlPlane
from localstack.postgres import PostgresServer
from localstack.processes import guarded
from localstack.toolchain import HELM, Toolchain
from support.documents import ROOT
from support.fixtures import open_endpoint
from support.kubelet import Kubelet, kubelet
from support.product import Product
from support.shell import Shell, open_shell, story
from support.stage import Stage

NAMESPACE = "graphmail"
SCHEMA = ROOT / "tests" / "fixtures" / "product_schema.sql"


@dataclass(frozen=True)
class Beginning:
    """What the reader has before the first step: a cluster with nothing in it, and a product with two mailboxes."""

    stage: Stage
    shell: Shell
    kubelet: Kubelet
    owner_url: str


@pytest.fixture
async def beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Beginning]:
    with guarded(tmp_path), ControlPlane(tmp_path / "cluster") as control_plane:
        server = PostgresServer(tmp_path / "postgres")
        try:
            async with Simulator(tmp_path / "graphsim") as simulator:
                monkeypatch.setenv("SSL_CERT_FILE", str(simulator.ca_path))
                async with open_endpoint(simulator, tmp_path) as endpoint:
                    server.start()
                    owner_url = server.create_database("product")
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
                    (tmp_path / "node").mkdir()
                    program = tmp_path / "reader" / "bin" / "graphmail"
                    async with kubelet(control_plane, NAMESPACE, tmp_path / "node", program) as node:
                        helm = Toolchain(Cache.default(), os.environ).program(HELM, "helm")
                        shell = open_shell(
                            tmp_path / "reader", control_plane, "default", {}, kubectl=node.kubectl(), helm=helm
                        )
                        checkout = linked_checkout(tmp_path / "checkout")
                        yield Beginning(stage, replace(shell, checkout=checkout), node, owner_url)
                    product.close()
        finally:
            server.delete()


def linked_checkout(folder: Path) -> Path:
    """A checkout in which the reader may leave files."""
    folder.mkdir()
    for entry in ROOT.iterdir():
        (folder / entry.name).symlink_to(entry)
    return folder


def microsoft_is_simulated(text: str, simulator: Simulator) -> str:
    """What the page's values file needs besides, where a simulator stands for Microsoft."""
    graph = f"microsoft: {{graphBaseURL: '{simulator.graph_url}', loginBaseURL: '{simulator.login_url}'}}\n"
    trust = f"extraEnv: [{{name: SSL_CERT_FILE, value: '{simulator.ca_path}'}}]\n"
    assert text.count("\nEND\n") == 1
    return text.replace("\nEND\n", f"\n{graph}{trust}END\n")


def values_of_the_reader(beginning: Beginning, text: str) -> dict[str, str]:
    """The variables of the page, with values that lead to what is here."""
    password = re.search(r"graphmail_operator:([\w-]+)@", text)
    assert password
    values = {
        "APPLICATION_URL": beginning.stage.endpoint.url,
        "OWNER_URL": beginning.owner_url,
        "OPERATOR_URL": re.sub(r"//[^@]*@", f"//graphmail_operator:{password[1]}@", beginning.owner_url),
        "REGISTRY": "registry.example.com",
    }
    assert re.findall(r"export (\w+)=", text) == list(values)
    return values


async def test_whoever_follows_the_quickstart_ends_with_covered_mailboxes(beginning: Beginning) -> None:
    stage, shell = beginning.stage, beginning.shell
    rows = [stage.add_app_only(), stage.add_delegated()]
    values: dict[str, str] = {}
    for block in story("quickstart.md", "quickstart", "quickstart values", "quickstart as the owner"):
        assert block.mark
        text = block.typed
        if block.mark.what == "quickstart values":
            values = values_of_the_reader(beginning, text)
            text = "\n".join(f"export {name}='{value}'" for name, value in values.items())
        if block.mark.what == "quickstart as the owner":
            stage.product.run(text)
            continue
        if "graphmail.yaml <<END" in text:
            text = microsoft_is_simulated(text, stage.simulator)
        ran = await shell.type(text)
        assert ran.code == 0, f"{block.where}\n{ran.out}\n{ran.err}\n{logs(beginning)}"
    for row in rows:
        await stage.covered_once(row)


def logs(beginning: Beginning) -> str:
    return "\n".join(f"{path.name}:\n{path.read_text()}" for path in sorted(beginning.kubelet.folder.glob("*.log")))
