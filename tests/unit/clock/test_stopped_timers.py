"""/healthz of an operator whose event loop moves, and whose timers have stopped."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import kopf
import pytest

from graphmail.engine import Engine
from graphmail.fleet import Entry, Fleet
from graphmail.handlers import register
from graphmail.observability.health import Heartbeat, Readiness, Ticking
from graphmail.observability.metrics import Metrics
from graphmail.observability.probes import ProbeServer, probe_app
from graphmail.reconciler import Farewell, Reconciler

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TICK = 900.0


class Calm:
    """Finds nothing to do."""

    async def reconcile(self, entry: Entry) -> datetime:
        return NOW + timedelta(days=1)


class House:
    """Engine, timers' handler and probes, in a time of their own."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.ticking = Ticking(TICK, clock=lambda: self.seconds)
        self.engine = Engine(
            fleet=Fleet(),
            reconciler=cast("Reconciler", Calm()),
            farewell=cast("Farewell", None),
            metrics=Metrics(list, version="test"),
            ticking=self.ticking,
            now=lambda: NOW,
            tick_seconds=TICK,
        )
        registry = register(self.engine, cast("kopf.AiohttpSession", None), tick_seconds=TICK)
        (timer,) = registry._spawning.get_all_handlers()
        self.timer = cast("Callable[..., Awaitable[None]]", timer.fn)

    def show(self, name: str, version: str = "7", **metadata: str) -> None:
        """The watch shows a resource."""
        spec = {
            "tenant": "t",
            "providerID": name,
            "mailbox": f"{name}@example.com",
            "notificationURL": "https://desk.example.com/hook",
        }
        body: dict[str, Any] = {
            "metadata": {"name": name, "namespace": "n", "uid": name, "resourceVersion": version, **metadata},
            "spec": spec,
        }
        self.engine.observe(body, deleted=False)

    @contextmanager
    def probes(self) -> Iterator[Callable[[], int]]:
        """Asks /healthz over a socket; the event loop beats all the time."""
        app = probe_app(lambda: b"", Heartbeat(lambda: 0.0), self.ticking, Readiness())
        with ProbeServer(app, ("127.0.0.1", 0), stop_within=0.01) as server:
            url = server.url.replace("/metrics", "/healthz")
            yield lambda: httpx.get(url, trust_env=False).status_code


@pytest.fixture
def house() -> House:
    return House()


async def test_timers_that_have_stopped_make_the_operator_unhealthy_until_one_ticks(house: House) -> None:
    house.ticking.tick()  # the process begins to act
    house.show("anna")
    house.show("bert")
    with house.probes() as healthz:
        house.seconds = TICK
        await house.timer(name="anna")
        house.seconds = 4 * TICK
        assert healthz() == 200
        house.seconds += 1
        assert healthz() == 503
        await house.timer(name="bert")
        assert healthz() == 200


async def test_an_operator_without_mailboxes_is_healthy_and_so_is_the_first_mailbox_after_hours(house: House) -> None:
    house.ticking.tick()
    with house.probes() as healthz:
        house.seconds = 100 * TICK
        house.engine.excuse_timers()
        assert healthz() == 200
        house.show("anna")
        house.engine.excuse_timers()
        house.seconds += TICK
        assert healthz() == 200


async def test_mailboxes_that_are_all_being_deleted_have_no_timer_that_could_be_late(house: House) -> None:
    house.ticking.tick()
    house.show("anna")
    house.show("anna", version="8", deletionTimestamp="2026-03-01T00:00:00Z")
    with house.probes() as healthz:
        house.seconds = 100 * TICK
        house.engine.excuse_timers()
        assert healthz() == 200


async def test_a_mailbox_with_a_timer_is_no_excuse(house: House) -> None:
    house.ticking.tick()
    house.show("anna")
    with house.probes() as healthz:
        house.seconds = 100 * TICK
        house.engine.excuse_timers()
        assert healthz() == 503
