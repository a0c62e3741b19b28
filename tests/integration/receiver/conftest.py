"""The receiver among real parts: API server, Postgres with the product's tables, and HTTP sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
from psycopg.rows import dict_row

from graphmail.database import migrate
from graphmail.receiver import receive
from graphmail.receiver.reading import read_entries
from graphmail.receiver.running import Manners
from graphmail.resource.names import ANNOTATION_LIFECYCLE, GROUP, PLURAL, VERSION
from graphmail.settings import Settings
from localstack.controlplane import ControlPlane
from localstack.processes import free_port
from support.fixtures import crd, endpoint, simulator, stage
from support.gate import ClusterGate, PostgresGate
from support.receiving import TENANT, Ingress, ProductRoute, posted, resource
from support.reception import PATIENT, ingress_of
from support.stage import Stage
from support.waiting import eventually

__all__ = ["crd", "endpoint", "simulator", "stage"]


@dataclass
class Receiver:
    """A receiver at work."""

    url: str
    metrics_url: str
    stop: asyncio.Event
    task: asyncio.Task[None]

    async def post(self, path: str, *items: dict[str, Any], query: str = "") -> int:
        """What Graph gets for these items."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url + path + query, data=posted(*items)) as answer,
        ):
            return answer.status

    async def lifecycle(self, *items: dict[str, Any]) -> int:
        return await self.post("/lifecycle", *items)

    async def notify(self, *items: dict[str, Any]) -> int:
        return await self.post("/notifications", *items)

    async def get(self, page: str) -> tuple[int, str]:
        """A page of the probes."""
        async with aiohttp.ClientSession() as session, session.get(self.metrics_url + page) as answer:
            return answer.status, await answer.text()

    async def counted(self, series: str) -> float:
        """The value of a series; 0 while there is none."""
        lines = (await self.get("/metrics"))[1].splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(series)), 0.0)

    async def ready(self) -> None:
        """Return once it has listed all resources."""

        async def says_so() -> bool:
            return (await self.get("/readyz"))[0] == 200

        await eventually(says_so, "the receiver is ready")

    async def end(self) -> None:
        """An orderly stop."""
        self.stop.set()
        await self.task


@dataclass
class Ground:
    """What a receiver stands on, and what tests do with it."""

    control_plane: ControlPlane
    namespace: str
    database_url: str
    product: ProductRoute
    environment: dict[str, str] = field(default_factory=dict)
    manners: Manners = PATIENT

    @asynccontextmanager
    async def receiver(self, **variables: str) -> AsyncIterator[Receiver]:
        """One that has heard of all resources, unless the API server is away."""
        running = await self.start(**variables)
        try:
            await running.ready()
            yield running
        finally:
            await running.end()

    async def start(self, **variables: str) -> Receiver:
        """One that listens, whatever it knows."""
        stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
        metrics = f"http://127.0.0.1:{free_port()}"
        settings = Settings.load(self.environment | {"GRAPHMAIL_METRICS_URL": f"{metrics}/metrics"} | variables)
        task = asyncio.create_task(receive(settings, stop, manners=self.manners, listening=port.set_result))
        await asyncio.wait({task, port}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        return Receiver(f"http://127.0.0.1:{port.result()}", metrics, stop, task)

    # --- Kubernetes --------------------------------------------------------------------------------------------------

    def path(self, name: str = "") -> str:
        return f"/apis/{GROUP}/{VERSION}/namespaces/{self.namespace}/{PLURAL}" + (f"/{name}" if name else "")

    def add(self, mailbox: str, subscriptions: dict[str, str | None], **fields: Any) -> str:
        """A resource as the operator would leave it; its name."""
        body = resource(mailbox, subscriptions, **fields)
        body["metadata"]["namespace"] = self.namespace
        del body["metadata"]["resourceVersion"]
        self.control_plane.request("POST", self.path(), body)
        self.set_status(body["metadata"]["name"], body["status"])
        return str(body["metadata"]["name"])

    def set_status(self, name: str, status: dict[str, Any]) -> None:
        current = self.get(name)
        self.control_plane.request("PUT", self.path(name) + "/status", current | {"status": status})

    def get(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.control_plane.request("GET", self.path(name))
        return found

    def annotations(self, name: str) -> dict[str, str]:
        return dict(self.get(name)["metadata"].get("annotations", {}))

    def told(self, name: str) -> dict[str, set[str]]:
        """The events that were handed over, by subscription."""
        entries = read_entries(self.annotations(name).get(ANNOTATION_LIFECYCLE))
        return {subscription: set(events) for subscription, events in entries.items()}

    def delete(self, name: str) -> None:
        self.control_plane.request("DELETE", self.path(name))

    # --- Postgres ----------------------------------------------------------------------------------------------------

    def run(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.database_url, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def add_health(self, provider: str, rows: int = 1) -> None:
        """Rows of a provider's health."""
        self.run(
            "INSERT INTO tenants (tenant, client_name, email) VALUES (%s, 'client', 'a@example.com') ON CONFLICT DO NOTHING",
            TENANT,
        )
        for _ in range(rows):
            self.run(
                "INSERT INTO email_provider_health (tenant, provider_id, provider_type, updated_at) "
                "VALUES (%s, %s, 'microsoft', '2026-01-01')",
                TENANT,
                provider,
            )

    def health(self, provider: str) -> list[dict[str, Any]]:
        return self.run("SELECT * FROM email_provider_health WHERE provider_id = %s ORDER BY id", provider)

    async def notified(self, provider: str) -> list[dict[str, Any]]:
        """The rows, once all of them say when a notification last came."""

        def found() -> list[dict[str, Any]] | None:
            rows = self.health(provider)
            return rows if rows and all(row["last_notification_received_at"] for row in rows) else None

        rows = await eventually(found, "the time of the last notification stands in Postgres")
        assert rows is not None
        return rows


@pytest.fixture
async def ground(
    control_plane: ControlPlane,
    crd: None,
    namespace: str,
    product_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Ground]:
    """All parts but the receiver."""
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    await migrate(product_database_url)
    async with ProductRoute() as product:
        environment = {
            "GRAPHMAIL_NAMESPACE": namespace,
            "GRAPHMAIL_DATABASE_URL": product_database_url,
            "APPLICATION_URL": "https://desk.example.com",
            "GRAPHMAIL_RECEIVER_URL": "https://mail.example.com",
            "GRAPHMAIL_RECEIVER_FORWARD_URL": product.url,
            "GRAPHMAIL_RECEIVER_ADDRESS": "127.0.0.1:0",
            "GRAPHMAIL_RECEIVER_BATCH_SECONDS": "0.2",
        }
        yield Ground(control_plane, namespace, product_database_url, product, environment)


@pytest.fixture
async def ingress(stage: Stage) -> AsyncIterator[Ingress]:
    """The way to the receiver from outside, over TLS that Graph trusts."""
    async with ingress_of(stage) as serving:
        yield serving


@pytest.fixture
async def cluster_gate(
    control_plane: ControlPlane, ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ClusterGate]:
    """A gate between the receiver and the API server; tests themselves go past it."""
    async with ClusterGate(control_plane) as gate:
        monkeypatch.setenv("KUBECONFIG", str(gate.kubeconfig(tmp_path)))
        yield gate


@pytest.fixture
async def postgres_gate(ground: Ground) -> AsyncIterator[PostgresGate]:
    """A gate between the receiver and Postgres."""
    async with PostgresGate(ground.database_url) as gate:
        ground.environment["GRAPHMAIL_DATABASE_URL"] = gate.url
        yield gate
