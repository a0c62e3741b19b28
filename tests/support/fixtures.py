"""The fixtures of the stage. A folder's conftest takes them over by importing them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from graphmail.database import migrate
from graphmail.resource.names import GROUP, PLURAL
from graphsim.server import Simulator
from graphsim.settings import SimulatorSettings
from localstack.controlplane import ControlPlane
from support.product import Endpoint, Product
from support.stage import Stage

__all__ = ["crd", "endpoint", "older_stage", "open_endpoint", "serve_crd", "set_stage", "simulator", "stage"]

CRD = Path(__file__).parents[2] / "crds" / "graphmailsubscriptions.yaml"
PATIENT = SimulatorSettings(handshake_limit_seconds=60, notification_limit_seconds=60, slow_answer_seconds=60)
"""A Graph to which a slow machine is no endpoint that fails."""


@pytest.fixture(scope="session")
def crd(control_plane: ControlPlane) -> None:
    """The API server knows our resource."""
    serve_crd(control_plane)


def serve_crd(control_plane: ControlPlane) -> None:
    """Let the API server know our resource."""
    control_plane.run_kubectl("apply", "--server-side", "-f", str(CRD))
    control_plane.await_definitions(f"{PLURAL}.{GROUP}")


@pytest.fixture
async def simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulator]:
    """Graph and sign-in, trusted through SSL_CERT_FILE as an operator would."""
    async with Simulator(tmp_path / "graphsim", settings=PATIENT) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.ca_path))
        yield running


@pytest.fixture
async def endpoint(simulator: Simulator, tmp_path: Path) -> AsyncIterator[Endpoint]:
    """The product's webhook route."""
    async with open_endpoint(simulator, tmp_path) as serving:
        yield serving


@asynccontextmanager
async def open_endpoint(simulator: Simulator, folder: Path) -> AsyncIterator[Endpoint]:
    """The product's webhook route, over TLS that the simulator trusts."""
    issued = simulator.runtime.authority.issue("localhost", "127.0.0.1")
    certificate, key = folder / "webhook.pem", folder / "webhook.key"
    certificate.write_text(issued.certificate)
    key.write_text(issued.private_key)
    async with Endpoint(certificate, key) as serving:
        yield serving


@pytest.fixture
async def stage(
    control_plane: ControlPlane,
    crd: None,
    namespace: str,
    product_database_url: str,
    simulator: Simulator,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Stage]:
    """All parts but the operator, with one tenant of the product, one Entra tenant and one app."""
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    async with set_stage(control_plane, namespace, product_database_url, simulator, endpoint) as ready:
        yield ready


@pytest.fixture
async def older_stage(
    control_plane: ControlPlane,
    crd: None,
    namespace: str,
    older_product_database_url: str,
    simulator: Simulator,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Stage]:
    """The same with the product's tables as they were in November 2025."""
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    async with set_stage(control_plane, namespace, older_product_database_url, simulator, endpoint) as ready:
        yield ready


@asynccontextmanager
async def set_stage(
    control_plane: ControlPlane, namespace: str, database_url: str, simulator: Simulator, endpoint: Endpoint
) -> AsyncIterator[Stage]:
    """All parts but the operator, with one tenant of the product, one Entra tenant and one app."""
    await migrate(database_url)
    product = Product(database_url)
    entra = simulator.world.add_tenant("Contoso")
    yield Stage(
        control_plane=control_plane,
        namespace=namespace,
        product=product,
        simulator=simulator,
        endpoint=endpoint,
        environment={
            "GRAPHMAIL_DATABASE_URL": database_url,
            "GRAPHMAIL_NAMESPACE": namespace,
            "APPLICATION_URL": endpoint.url,
            "MICROSOFT_GRAPH_BASE_URL": simulator.graph_url,
            "MICROSOFT_LOGIN_BASE_URL": simulator.login_url,
            "GRAPHMAIL_METRICS_URL": "http://127.0.0.1:0/metrics",
            "GRAPHMAIL_LEASE_SECONDS": "30",  # a kubectl of a test holds the event loop up that the operator shares
        },
        entra=entra,
        app=simulator.world.add_app("product"),
        tenant=product.add_tenant(),
    )
    product.close()
