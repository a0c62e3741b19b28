"""The receiver's server over a real socket, the product that it passes on to, and what Graph would post."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web
from yarl import URL

from graphmail.provider import client_state_fingerprint
from graphmail.receiver.counting import ReceiverMetrics
from graphmail.receiver.server import Bounds, Desk, Server, Take
from graphmail.resource.names import (
    ANNOTATION_CLIENT_STATE,
    API_VERSION,
    KIND,
    LABEL_MANAGED_BY,
    MIRROR,
    resource_name,
)

AT = datetime(2026, 11, 29, 16, 4, 5, 678901, tzinfo=UTC)
TENANT = "11111111-2222-4333-8444-555555555555"


@dataclass
class ProductRoute:
    """The product's webhook route: answers as it is told to, and keeps what it got."""

    status: int = 202
    got: list[bytes] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    waiting: int = 0
    _go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        self._go.set()
        self._runner = web.ServerRunner(web.Server(self._take, access_log=None), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.let_flow()
        await self._runner.cleanup()

    def hold(self) -> None:
        """It is slow: what comes waits, until `let_flow`."""
        self._go.clear()

    def let_flow(self) -> None:
        """It answers again."""
        self._go.set()

    async def _take(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        self.waiting += 1
        await self._go.wait()
        self.waiting -= 1
        self.got.append(body)
        self.queries.append(request.raw_path.partition("?")[2])
        self.headers.append(dict(request.headers))
        return web.Response(
            status=self.status, headers={"Location": "/elsewhere"} if 300 <= self.status < 400 else None
        )


@dataclass
class Ingress:
    """What ends TLS before the receiver, and leads everything to it."""

    certificate: Path
    key: Path
    target: str = ""
    """Base URL of the receiver."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        self._runner = web.ServerRunner(web.Server(self._pass, access_log=None), shutdown_timeout=1.0)
        await self._runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context).start()
        self.url = f"https://localhost:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _pass(self, request: web.BaseRequest) -> web.Response:
        target = URL(self.target + request.raw_path, encoded=True)
        headers = {"Content-Type": request.headers.get("Content-Type", "text/plain")}
        async with self._session.request(request.method, target, data=await request.read(), headers=headers) as answer:
            kind = {"Content-Type": answer.headers["Content-Type"]}
            return web.Response(status=answer.status, body=await answer.read(), headers=kind)


@asynccontextmanager
async def served(
    routes: Mapping[str, Take],
    metrics: ReceiverMetrics | None = None,
    bounds: Bounds | None = None,
    *,
    prefix: str = "",
) -> AsyncIterator[str]:
    """The server with these routes; its base URL."""
    bounds = bounds or Bounds()
    desk = Desk(routes, metrics or ReceiverMetrics(), bounds, prefix=prefix)
    runner = web.ServerRunner(Server(desk.answer, bounds), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def resource(
    mailbox: str,
    subscriptions: Mapping[str, str | None],
    *,
    provider: str = "provider-1",
    tenant: str = TENANT,
    mirrored: bool = True,
    told: str | None = None,
    **annotations: str,
) -> dict[str, Any]:
    """A resource whose status names these subscriptions, each with the clientState that it was made with; None: not known.

    `told`: the clientState whose fingerprint the mirror tells.
    """
    state = {ANNOTATION_CLIENT_STATE: client_state_fingerprint(told)} if told else {}
    rows = [
        {"folder": f"folder-{number}", "state": "Active", "subscriptionID": subscription}
        | ({"clientState": client_state_fingerprint(made_with)} if made_with else {})
        for number, (subscription, made_with) in enumerate(subscriptions.items())
    ]
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": resource_name(tenant, provider, mailbox),
            "namespace": "mail",
            "resourceVersion": "1",
            "labels": {LABEL_MANAGED_BY: MIRROR} if mirrored else {},
            "annotations": state | annotations,
        },
        "spec": {
            "tenant": tenant,
            "providerID": provider,
            "mailbox": mailbox,
            "folders": [row["folder"] for row in rows] or ["inbox"],
            "notificationURL": "https://desk.example.com/hook",
            "credentials": {"source": "ProviderRow"} if mirrored else {"source": "Secret", "secretName": "mail"},
        },
        "status": {"subscriptions": rows} | ({"subscriptionID": rows[0]["subscriptionID"]} if rows else {}),
    }


def change(subscription: str, state: str | None) -> dict[str, Any]:
    """A change notification as Graph posts it."""
    return {
        "subscriptionId": subscription,
        "subscriptionExpirationDateTime": "2026-12-05T18:23:45.9356913Z",
        "changeType": "created",
        "resource": "Users/u/Messages/m",
        "resourceData": {"@odata.type": "#Microsoft.Graph.Message", "id": "m"},
        "clientState": state,
        "tenantId": "84bd8158-6d4d-4958-8b9f-9d6445542f95",
    }


def lifecycle(subscription: str, event: str, state: str | None) -> dict[str, Any]:
    """A lifecycle notification as Graph posts it."""
    return {
        "subscriptionId": subscription,
        "subscriptionExpirationDateTime": "2026-12-05T18:23:45.9356913Z",
        "tenantId": "84bd8158-6d4d-4958-8b9f-9d6445542f95",
        "clientState": state,
        "lifecycleEvent": event,
    }


def posted(*items: Mapping[str, Any]) -> bytes:
    """The body of one POST."""
    return json.dumps({"value": list(items)}).encode()
