import asyncio
import contextlib
import ssl
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web

from graphsim.client import SimulatorControl
from graphsim.directory import App, Mailbox, Tenant
from graphsim.server import ServerOptions, Simulator
from graphsim.timestamps import graph_timestamp

NOON = 1_795_521_600.0  # 2026-11-24T12:00:00Z


@pytest.fixture(autouse=True)
def _no_foreign_certificates(monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def simulator(tmp_path):
    """A simulator whose clock stands at noon."""
    options = ServerOptions(start=NOON, seed=7)
    async with Simulator(tmp_path / "state", options=options, real_clock=lambda: 0.0) as running:
        running.clock.pause()
        yield running


@dataclass
class Answer:
    """What Graph answered."""

    status: int
    body: dict
    headers: dict

    @property
    def code(self) -> str:
        return self.body["error"]["code"]

    @property
    def message(self) -> str:
        return self.body["error"]["message"]


class Graph:
    """A client of the simulated Graph, with a token of its own."""

    def __init__(self, simulator: Simulator, session: aiohttp.ClientSession, token: str) -> None:
        self.simulator, self.session, self.token = simulator, session, token

    async def call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        url = path if path.startswith("https:") else self.simulator.graph_url + path
        sent = ({"Authorization": f"Bearer {self.token}"} if self.token else {}) | headers
        async with self.session.request(method, url, json=body, headers=sent) as answer:
            raw = await answer.read()
            return Answer(answer.status, await answer.json() if raw else {}, dict(answer.headers))

    def as_caller(self, token: str) -> "Graph":
        return Graph(self.simulator, self.session, token)

    async def subscribe(self, resource: str, url: str, *, minutes: float = 1_440, **fields: object) -> Answer:
        body = {
            "changeType": "created",
            "notificationUrl": url,
            "resource": resource,
            "expirationDateTime": self.after(minutes),
        }
        return await self.call("POST", "/subscriptions", {**body, **fields})

    async def renew(self, subscription_id: str, minutes: float) -> Answer:
        return await self.call(
            "PATCH", f"/subscriptions/{subscription_id}", {"expirationDateTime": self.after(minutes)}
        )

    def after(self, minutes: float) -> str:
        return graph_timestamp(self.simulator.clock.now() + minutes * 60)


@dataclass
class House:
    """One tenant with an app and two mailboxes."""

    tenant: Tenant
    app: App
    ann: Mailbox
    bob: Mailbox

    @property
    def inbox(self) -> str:
        return f"/users/{self.ann.user_id}/mailFolders('inbox')/messages"

    @property
    def bobs_inbox(self) -> str:
        return f"/users/{self.bob.user_id}/mailFolders('inbox')/messages"


@pytest.fixture
def house(simulator) -> House:
    world = simulator.world
    tenant = world.add_tenant("Contoso")
    app = world.add_app("product")
    ann = world.add_mailbox(tenant.id, "ann@contoso.example.com", folders=["Invoices"])
    return House(tenant, app, ann, world.add_mailbox(tenant.id, "bob@contoso.example.com"))


@pytest.fixture
async def session(simulator):
    trust = ssl.create_default_context(cafile=str(simulator.ca_path))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as made:
        yield made


@pytest.fixture
def graph(simulator, house, session) -> Graph:
    """Graph as the app by itself sees it."""
    return Graph(simulator, session, simulator.world.app_token(house.app, house.tenant.id)[0])


@pytest.fixture
def ann(simulator, house, graph) -> Graph:
    """Graph as Ann sees it, signed in to the app."""
    grant = simulator.world.consent(house.ann, house.app)
    return graph.as_caller(simulator.world.delegated_token(grant)[0])


class Webhook:
    """An endpoint over TLS that notes what it gets; `on_handshake` and `on_notification` decide what it answers."""

    def __init__(self) -> None:
        self.base = ""
        self.handshakes: list[web.Request] = []
        self.received: list[dict] = []
        self.queries: list[str] = []
        self.hold = asyncio.Event()

    @property
    def url(self) -> str:
        return f"{self.base}/graph?gms=one.two%2Fthree"

    async def on_handshake(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=request.query["validationToken"])

    async def on_notification(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(status=202)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if "validationToken" in request.query:
            self.handshakes.append(request)
            return await self.on_handshake(request)
        self.received.append(await request.json())
        self.queries.append(request.rel_url.raw_query_string)
        return await self.on_notification(request)


@pytest.fixture
async def webhook(simulator):
    hook = Webhook()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", hook.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    context = simulator.runtime.authority.server_context("localhost")
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    hook.base = f"https://localhost:{runner.addresses[0][1]}"
    try:
        yield hook
    finally:
        hook.hold.set()
        with contextlib.suppress(asyncio.CancelledError):
            await runner.cleanup()


@pytest.fixture
async def control(simulator):
    """Runs a function with a client of the control API, beside the event loop that serves it."""

    def run(work):
        with SimulatorControl(simulator.control_url) as client:
            return work(client)

    return lambda work: asyncio.to_thread(run, work)
