"""A simulated Graph, and a client and sign-in of ours that find its certificate by SSL_CERT_FILE alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio

from graphmail.graph import (
    Budget,
    GraphClient,
    SignIn,
    Spender,
    Subscription,
    SubscriptionRequest,
    Timeouts,
    mail_resource,
)
from graphmail.provider import Credential, CredentialKind
from graphsim.client import SimulatorControl
from graphsim.directory import App, Mailbox, Tenant
from graphsim.server import Simulator
from graphsim.settings import SimulatorSettings

T = TypeVar("T")


@dataclass
class Place:
    """A tenant with an app and a mailbox, and ours at the other end."""

    simulator: Simulator
    tenant: Tenant
    app: App
    mailbox: Mailbox
    client: GraphClient
    sign_in: SignIn
    observed: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def app_only(self) -> Credential:
        secret = self.app.secrets[0].value
        return Credential("contoso/p1", self.tenant.id, self.app.client_id, "f", client_secret=secret)

    def delegated(self, **changes: Any) -> Credential:
        world = self.simulator.world
        refresh_token = world.grants.refresh_token(world.consent(self.mailbox, self.app), world.clock.now())
        secret = self.app.secrets[0].value
        known: dict[str, Any] = {"client_secret": secret, "refresh_token": refresh_token} | changes
        return Credential("contoso/p2", "common", self.app.client_id, "f", **known)

    def spender(self) -> Spender:
        return Spender(self.app.client_id, self.tenant.id, self.mailbox.upn)

    async def call(self, method: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """A call of the client's with the app's own token."""
        token = await self.sign_in.token(self.app_only)
        return await method(*arguments, token=token.value, spender=self.spender())

    def wanted(self, *, minutes: float = 1440, **changes: Any) -> SubscriptionRequest:
        resource = mail_resource("inbox", self.mailbox.upn, CredentialKind.APP_ONLY)
        known: dict[str, Any] = {"notification_url": "https://mail.example.com/hook", "resource": resource}
        return SubscriptionRequest(expires_at=later(minutes), **(known | changes))

    async def create(self) -> Subscription:
        return await self.call(self.client.create, self.wanted())

    async def control(self, name: str, *arguments: Any, **named: Any) -> Any:
        """A word to the simulator over its control API."""

        def say() -> Any:
            with SimulatorControl(self.simulator.control_url) as control:
                return getattr(control, name)(*arguments, **named)

        return await asyncio.to_thread(say)


def later(minutes: float) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=minutes)


@pytest_asyncio.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[Simulator]:
    async with Simulator(tmp_path / "state", settings=SimulatorSettings(handshake=False)) as running:
        yield running


@pytest.fixture
def timeouts() -> Timeouts:
    return Timeouts()


@pytest_asyncio.fixture
async def place(
    simulator: Simulator, timeouts: Timeouts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Place]:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(simulator.ca_path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(wrong))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(wrong))
    tenant = simulator.world.add_tenant("Contoso")
    app = simulator.world.add_app("product")
    mailbox = simulator.world.add_mailbox(tenant.id, "ann@contoso.example.com")
    observed: list[tuple[str, str, str]] = []

    def observe(route: str, method: str, code: str, seconds: float) -> None:
        assert 0 <= seconds < 60
        observed.append((route, method, code))

    async with (
        GraphClient(simulator.graph_url, Budget(), observer=observe, timeouts=timeouts) as client,
        SignIn(simulator.login_url, simulator.graph_url) as sign_in,
    ):
        yield Place(simulator, tenant, app, mailbox, client, sign_in, observed)
