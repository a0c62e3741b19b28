"""One operator among real parts: API server, Postgres with the product's tables, and Graph's simulator over TLS."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from graphmail.resource.names import ANNOTATION_RENEW, GROUP, PLURAL, VERSION, resource_name
from graphmail.runtime import serve
from graphmail.settings import Settings
from graphsim.directory import App, Mailbox, Tenant
from graphsim.grants import Grant
from graphsim.server import Simulator
from graphsim.subscriptions import Subscription
from localstack.controlplane import ControlPlane
from support.product import Endpoint, Product
from support.waiting import eventually

LIVE_HOURS = 60.0
"""What the product's own loop asks for."""


@dataclass
class Row:
    """A provider, on both sides: its row, and its mailbox at Microsoft."""

    id: str
    tenant: str
    address: str
    mailbox: Mailbox
    grant: Grant | None = None

    @property
    def name(self) -> str:
        """The name of its resource."""
        return resource_name(self.tenant, self.id, self.address)


@dataclass
class Stage:
    """The parts, and what tests do with them."""

    control_plane: ControlPlane
    namespace: str
    product: Product
    simulator: Simulator
    endpoint: Endpoint
    environment: dict[str, str]
    entra: Tenant
    app: App
    tenant: str
    _count: int = field(default=0)

    # --- the operator ------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def operator(self, **variables: str) -> AsyncIterator[asyncio.Task[None]]:
        """The operator at work, with further variables in its environment."""
        stop = asyncio.Event()
        task = self.start(stop, **variables)
        try:
            yield task
        finally:
            stop.set()
            await task

    def start(self, stop: asyncio.Event, **variables: str) -> asyncio.Task[None]:
        """The operator, begun; it works until `stop` is set."""
        return asyncio.create_task(serve(Settings.load(self.environment | variables), stop))

    # --- providers ---------------------------------------------------------------------------------------------------

    def add_delegated(self, config: dict[str, Any] | None = None, **columns: Any) -> Row:
        """A provider whose user has consented; no subscription yet."""
        address, mailbox = self._mailbox()
        grant, refresh_token = self._consent(mailbox)
        row = self._add(address, mailbox, {"refresh_token": refresh_token} | (config or {}), columns)
        row.grant = grant
        return row

    def add_app_only(self, config: dict[str, Any] | None = None, **columns: Any) -> Row:
        """A provider that signs in with the app's own secret; no subscription yet."""
        address, mailbox = self._mailbox()
        return self._add(address, mailbox, {"tenant_id": self.entra.id} | (config or {}), columns)

    def add_unconsented(self, **columns: Any) -> Row:
        """A provider that nobody has consented to yet."""
        address, mailbox = self._mailbox()
        return self._add(address, mailbox, {}, columns)

    def share(self, row: Row, tenant: str) -> Row:
        """The same mailbox, as a provider of another tenant of the product."""
        refresh_token = self._consent(row.mailbox)[1]
        provider = self.product.add_provider(tenant, row.address, self._credential() | {"refresh_token": refresh_token})
        return Row(provider, tenant, row.address, row.mailbox)

    def consent_anew(self, row: Row) -> None:
        """The mailbox's user signs in again in the product."""
        row.grant, refresh_token = self._consent(row.mailbox)
        self.product.set_config(row.id, refresh_token=refresh_token, access_token=None, token_expires_at=None)

    def _consent(self, mailbox: Mailbox) -> tuple[Grant, str]:
        world = self.simulator.world
        grant = world.consent(mailbox, self.app)
        return grant, world.grants.refresh_token(grant, world.clock.now())

    def _credential(self) -> dict[str, Any]:
        return {"client_id": self.app.client_id, "client_secret": self.app.secrets[0].value}

    def _mailbox(self) -> tuple[str, Mailbox]:
        self._count += 1
        address = f"support{self._count}@{self.entra.domain}"
        return address, self.simulator.world.add_mailbox(self.entra.id, address)

    def _add(self, address: str, mailbox: Mailbox, config: dict[str, Any], columns: dict[str, Any]) -> Row:
        provider = self.product.add_provider(self.tenant, address, self._credential() | config, **columns)
        return Row(provider, self.tenant, address, mailbox)

    # --- Graph -------------------------------------------------------------------------------------------------------

    def subscribe(self, row: Row, *, hours: float = LIVE_HOURS, url: str | None = None) -> Subscription:
        """A live subscription at Graph, as the product made it, and its id in the row."""
        subscription = self.simulator.world.add_subscription(
            row.mailbox,
            self.app,
            notification_url=url or self.endpoint.url + self.endpoint.path,
            minutes=hours * 60,
            delegated=row.grant is not None,
        )
        expires = datetime.now(UTC) + timedelta(hours=hours)
        self.product.set_config(row.id, webhook_subscription_id=subscription.id, webhook_expires_at=expires)
        return subscription

    def live(self, row: Row) -> list[Subscription]:
        """What Graph holds for that mailbox now."""
        self.simulator.world.settle()
        return self.simulator.world.subscriptions.of_mailbox(row.mailbox.user_id)

    async def arrive(self, row: Row) -> None:
        """A message arrives in that mailbox."""
        async with httpx.AsyncClient(base_url=self.simulator.control_url) as control:
            (await control.post("/messages", json={"mailbox": row.address})).raise_for_status()

    def calls(self, row: Row, *routes: str) -> int:
        """How many calls of these routes Graph has had for that mailbox."""
        return sum(call.mailbox == row.address and call.route in routes for call in self.simulator.log.newest_first())

    # --- Kubernetes --------------------------------------------------------------------------------------------------

    def path(self, name: str = "") -> str:
        """Of our resources at the API server."""
        return f"/apis/{GROUP}/{VERSION}/namespaces/{self.namespace}/{PLURAL}" + (f"/{name}" if name else "")

    def resource(self, row: Row | str) -> dict[str, Any] | None:
        """The resource of a provider, if there is one."""
        name = row if isinstance(row, str) else row.name
        items = self.control_plane.request("GET", self.path())["items"]
        return next((item for item in items if item["metadata"]["name"] == name), None)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints, in our namespace."""
        return self.control_plane.run_kubectl("-n", self.namespace, *arguments, stdin=stdin)

    def condition(self, row: Row | str, kind: str) -> dict[str, Any]:
        """A condition of a provider's resource; empty when there is none."""
        status = (self.resource(row) or {}).get("status", {})
        return next((found for found in status.get("conditions", []) if found["type"] == kind), {})

    def events(self, row: Row | str) -> list[dict[str, Any]]:
        """The events about a provider's resource."""
        name = row if isinstance(row, str) else row.name
        items = self.control_plane.request("GET", f"/api/v1/namespaces/{self.namespace}/events")["items"]
        return [item for item in items if item["involvedObject"]["name"] == name]

    def event_reasons(self, row: Row | str) -> set[str]:
        """Their reasons."""
        return {event["reason"] for event in self.events(row)}

    def request_renewal(self, row: Row | str, value: str) -> None:
        """What a person does to force a renewal."""
        name = row if isinstance(row, str) else row.name
        self.kubectl("annotate", "--overwrite", PLURAL, name, f"{ANNOTATION_RENEW}={value}")

    async def status_of(self, row: Row | str, check: Callable[[dict[str, Any]], Any], what: str) -> dict[str, Any]:
        """The status, once it satisfies the check."""

        async def satisfied() -> dict[str, Any] | None:
            resource = await asyncio.to_thread(self.resource, row)
            status = (resource or {}).get("status", {})
            with contextlib.suppress(KeyError):
                return status if check(status) else None
            return None

        return await eventually(satisfied, f"{row}: {what}")

    async def ready(self, row: Row | str) -> dict[str, Any]:
        """The status, once the subscription is alive."""
        return await self.status_of(row, lambda status: condition_status(status, "Ready") == "True", "Ready")


def condition_status(status: dict[str, Any], kind: str) -> str | None:
    """The status of a condition; None when it is absent."""
    return next((found["status"] for found in status.get("conditions", []) if found["type"] == kind), None)


def condition_reason(status: dict[str, Any], kind: str) -> str | None:
    """The reason of a condition; None when it is absent."""
    return next((found["reason"] for found in status.get("conditions", []) if found["type"] == kind), None)
