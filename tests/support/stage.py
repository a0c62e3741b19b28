"""One operator among real parts: API server, Postgres with the product's tables, and Graph's simulator over TLS."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from graphmail.resource.names import ANNOTATION_RENEW, GROUP, PLURAL, VERSION, resource_name
from graphmail.runtime import serve
from graphmail.settings import Settings
from graphsim.calls import Call
from graphsim.directory import App, Mailbox, Tenant
from graphsim.faults import FaultRule
from graphsim.grants import Grant
from graphsim.graph_answers import GRAPH_ANSWERS
from graphsim.server import Simulator
from graphsim.subscriptions import Subscription
from graphsim.world import DEFAULT_ROLES
from localstack.controlplane import ApiRefusedError, ControlPlane
from localstack.processes import free_port
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


@dataclass(frozen=True)
class Running:
    """An operator at work, as one sees it from outside."""

    metrics_url: str

    async def metric(self, series: str, /, **labels: str) -> float | None:
        """The value of a series; None while there is none."""
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            try:
                text = (await client.get(self.metrics_url)).text
            except httpx.TransportError:
                return None
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        found = (one for one in samples if one.name == series and labels.items() <= one.labels.items())
        return next((one.value for one in found), None)

    async def metric_is(self, value: float, series: str, /, **labels: str) -> None:
        """Return once the series has that value."""

        async def reached() -> bool:
            return await self.metric(series, **labels) == value

        await eventually(reached, f"{series} {labels} is {value}")


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
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    # --- the operator ------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def operator(self, **variables: str) -> AsyncIterator[Running]:
        """The operator at work, with further variables in its environment."""
        stop = asyncio.Event()
        metrics_url = f"http://127.0.0.1:{free_port()}/metrics"
        task = self.start(stop, **{"GRAPHMAIL_METRICS_URL": metrics_url} | variables)
        try:
            yield Running(metrics_url)
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
        grant, refresh_token = self.consent(mailbox)
        row = self._add(address, mailbox, {"refresh_token": refresh_token} | (config or {}), columns)
        row.grant = grant
        return row

    def add_app_only(self, config: dict[str, Any] | None = None, *, entra: Tenant | None = None, **columns: Any) -> Row:
        """A provider that signs in with the app's own secret, in an Entra tenant; no subscription yet."""
        entra = entra or self.entra
        address, mailbox = self._mailbox(entra)
        return self._add(address, mailbox, {"tenant_id": entra.id} | (config or {}), columns)

    def add_entra(self, name: str) -> Tenant:
        """One more Entra tenant, where an administrator has consented to the app."""
        entra = self.simulator.world.add_tenant(name)
        self.simulator.world.allow_app(self.app, entra.id, DEFAULT_ROLES)
        return entra

    def add_unconsented(self, **columns: Any) -> Row:
        """A provider that nobody has consented to yet."""
        address, mailbox = self._mailbox()
        return self._add(address, mailbox, {}, columns)

    def share(self, row: Row, tenant: str) -> Row:
        """The same mailbox, as a provider of another tenant of the product."""
        grant, refresh_token = self.consent(row.mailbox)
        provider = self.product.add_provider(tenant, row.address, self._credential() | {"refresh_token": refresh_token})
        return Row(provider, tenant, row.address, row.mailbox, grant=grant)

    def consent_anew(self, row: Row) -> None:
        """The mailbox's user signs in again in the product."""
        row.grant, refresh_token = self.consent(row.mailbox)
        self.product.set_config(row.id, refresh_token=refresh_token, access_token=None, token_expires_at=None)

    def withdraw_consent(self, row: Row) -> FaultRule:
        """The mailbox's user withdraws the consent, and Graph refuses the access token that is out as well, until the rule is lifted."""
        assert row.grant is not None
        self.simulator.world.revoke(row.grant)
        return self.fault("get", "patch", answer="token-expired", mailbox=row.address)

    def consent(self, mailbox: Mailbox) -> tuple[Grant, str]:
        world = self.simulator.world
        grant = world.consent(mailbox, self.app)
        return grant, world.grants.refresh_token(grant, world.clock.now())

    def _credential(self) -> dict[str, Any]:
        return {"client_id": self.app.client_id, "client_secret": self.app.secrets[0].value}

    def _mailbox(self, entra: Tenant | None = None) -> tuple[str, Mailbox]:
        entra = entra or self.entra
        self._count += 1
        address = f"support{self._count}@{entra.domain}"
        return address, self.simulator.world.add_mailbox(entra.id, address)

    def _add(self, address: str, mailbox: Mailbox, config: dict[str, Any], columns: dict[str, Any]) -> Row:
        provider = self.product.add_provider(self.tenant, address, self._credential() | config, **columns)
        return Row(provider, self.tenant, address, mailbox)

    # --- Graph -------------------------------------------------------------------------------------------------------

    def subscribe(self, row: Row, *, hours: float = LIVE_HOURS, url: str | None = None, **fields: Any) -> Subscription:
        """A live subscription at Graph, as the product made it or with other fields, and its id in the row."""
        subscription = self.simulator.world.add_subscription(
            row.mailbox,
            self.app,
            notification_url=url or self.endpoint.url + self.endpoint.path,
            minutes=hours * 60,
            delegated=row.grant is not None,
            **fields,
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
        await self.order("/messages", {"mailbox": row.address})

    def log(self, row: Row, *routes: str) -> list[Call]:
        """The calls of these routes that Graph or sign-in has had for that mailbox, the earliest first."""
        calls = reversed(list(self.simulator.log.newest_first()))
        return [call for call in calls if call.mailbox == row.address and call.route in routes]

    def calls(self, row: Row, *routes: str) -> int:
        """How many."""
        return len(self.log(row, *routes))

    def fault(self, *routes: str, answer: str | None = None, **fields: Any) -> FaultRule:
        """From now on calls of these routes go wrong: by an answer of Graph, by its name, or as the fields of a fault rule say."""
        error = GRAPH_ANSWERS[answer].error() if answer else None
        rule = FaultRule(id=f"fault-{next(self._numbers)}", routes=frozenset(routes), error=error, **fields)
        self.simulator.faults.add(rule)
        return rule

    async def order(self, path: str, order: dict[str, Any]) -> Any:
        """Have the simulator do something by its control API; what it says."""
        async with httpx.AsyncClient(base_url=self.simulator.control_url, trust_env=False, timeout=60) as control:
            answer = await control.post(path, json=order)
        answer.raise_for_status()
        return answer.json()

    # --- Kubernetes --------------------------------------------------------------------------------------------------

    def path(self, name: str = "") -> str:
        """Of our resources at the API server."""
        return f"/apis/{GROUP}/{VERSION}/namespaces/{self.namespace}/{PLURAL}" + (f"/{name}" if name else "")

    def resource(self, row: Row | str) -> dict[str, Any] | None:
        """The resource of a provider, if there is one."""
        try:
            found: dict[str, Any] = self.control_plane.request(
                "GET", self.path(row if isinstance(row, str) else row.name)
            )
        except ApiRefusedError as refused:
            if refused.status == 404:
                return None
            raise
        return found

    def resources(self) -> list[dict[str, Any]]:
        """All resources there are."""
        items: list[dict[str, Any]] = self.control_plane.request("GET", self.path())["items"]
        return items

    def version(self) -> str:
        """Of our resources as they are now, to ask for what changes from here on."""
        return str(self.control_plane.request("GET", self.path())["metadata"]["resourceVersion"])

    def changes(self, row: Row, since: str) -> list[dict[str, Any]]:
        """Every change of a provider's resource since that version, as a watch shows it."""
        query = f"watch=true&resourceVersion={since}&timeoutSeconds=5&fieldSelector=metadata.name%3D{row.name}"
        lines = self.control_plane.run_kubectl("get", "--raw", f"{self.path()}?{query}").splitlines()
        return [json.loads(line) for line in lines]

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

    async def covered_once(self, row: Row) -> str:
        """The only subscription of that mailbox, known alike to Graph, to the row and to the status."""
        status = await self.ready(row)
        [subscription] = self.live(row)
        assert subscription.id == status["subscriptionID"] == self.product.config(row.id)["webhook_subscription_id"]
        return subscription.id


def condition_status(status: dict[str, Any], kind: str) -> str | None:
    """The status of a condition; None when it is absent."""
    return next((found["status"] for found in status.get("conditions", []) if found["type"] == kind), None)


def condition_reason(status: dict[str, Any], kind: str) -> str | None:
    """The reason of a condition; None when it is absent."""
    return next((found["reason"] for found in status.get("conditions", []) if found["type"] == kind), None)
