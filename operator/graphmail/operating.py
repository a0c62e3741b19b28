"""The operator at work: the parts that run side by side, from the first to the orderly end."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import kopf
import structlog

from graphmail.arrivals import Arrivals
from graphmail.clock import Clock
from graphmail.cluster import Cluster
from graphmail.database import Database
from graphmail.election import Election
from graphmail.engine import Engine
from graphmail.fleet import Fleet
from graphmail.graph import GraphClient, SignIn
from graphmail.handlers import kopf_settings, register
from graphmail.mirror import Changes, Listener, Mirror
from graphmail.observability.health import Readiness, Ticking
from graphmail.observability.metrics import Metrics
from graphmail.pages import Pages
from graphmail.poster import Poster
from graphmail.settings import Settings
from graphmail.stores import Stores
from graphmail.sweep import Rounds

_log = structlog.get_logger("graphmail")

STOP_SECONDS = 20.0
"""What running work gets at the end; below the pod's grace period."""
DRAIN_SECONDS = 3.0
"""What the events that are left get after it."""
_GAUGE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What is opened before the rest is made from it."""

    holder: str
    """This process, in claims and events."""
    clock: Clock
    """Of rows, tokens, and all that is about Graph."""
    fleet: Fleet
    metrics: Metrics
    ticking: Ticking
    readiness: Readiness
    cluster: Cluster
    database: Database | None
    graph: GraphClient
    signin: SignIn
    election: Election | None
    """None: this process acts in any case."""


@dataclass(frozen=True, slots=True)
class Operator:
    """The parts that run."""

    settings: Settings
    parts: Parts
    engine: Engine
    mirror: Mirror | None
    stores: Stores
    poster: Poster
    sweep: Rounds | None
    pages: Pages | None
    """None without Postgres."""
    arrivals: Arrivals | None
    """None where nothing is to be learned of the mailboxes' rhythms."""

    async def run(self, stop: asyncio.Event, claim_signals: Callable[[], None]) -> None:
        """Work until told to stop. A part that ends by a defect ends the whole: the pod's restart is cheap and harmless.

        Cancelled, it stops at once, and abandons running work.
        """
        self.parts.ticking.tick()
        ready, released = asyncio.Event(), asyncio.Event()
        stop_seconds, drain_seconds = STOP_SECONDS, DRAIN_SECONDS
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(part, name=name) for name, part in self._helpers(ready).items()]
            watching = group.create_task(self._watch(released, ready, claim_signals), name="kopf")
            try:
                await _first_of(stop, watching)
                _log.info("stopping: running work is finished, nothing more is begun")
            except asyncio.CancelledError:
                stop_seconds = drain_seconds = 0.0
                raise
            finally:
                await self.engine.stop(stop_seconds)
                await self.poster.drain(drain_seconds)
                for helper in helpers:
                    helper.cancel()
                released.set()

    def _helpers(self, kopf_ready: asyncio.Event) -> dict[str, Coroutine[Any, Any, None]]:
        settings = self.settings
        parts: dict[str, Coroutine[Any, Any, None]] = {
            "stores": self.stores.watch(),
            "events": self.poster.run(),
            "gauges": self._gauges(),
            "ready kubernetes": self._ready("kubernetes", kopf_ready),
        }
        if self.sweep is not None:
            parts["sweep"] = self._once_all_is_known(self.sweep.run, kopf_ready)
        if self.pages is not None:
            parts["pages"] = self._once_all_is_known(self.pages.run, kopf_ready)
        if self.arrivals is not None:
            parts["arrivals"] = self._once_all_is_known(self.arrivals.run, kopf_ready)
        if self.mirror is not None:
            parts["ready mirror"] = self._ready("mirror", self.mirror.compared)
            changes, listens_at = Changes(), settings.listens_at
            parts["mirror"] = self.mirror.run(
                poll_seconds=settings.mirror_poll.total_seconds(),
                compare_seconds=settings.mirror_compare.total_seconds(),
                changes=changes,
            )
            if listens_at is not None:
                parts["listener"] = Listener(listens_at, changes).run()
        return parts

    async def _watch(self, stop: asyncio.Event, ready: asyncio.Event, claim_signals: Callable[[], None]) -> None:
        """Kopf at work. It takes SIGTERM and SIGINT for itself when it starts: they are claimed back."""
        cluster = self.parts.cluster
        async with cluster.new_session() as session:
            connection = kopf.AiohttpSession(server=cluster.server, aiohttp_session=session)
            tasks = await kopf.spawn_tasks(
                registry=register(self.engine, connection, tick_seconds=self.settings.tick.total_seconds()),
                settings=kopf_settings(),
                standalone=True,
                namespaces=[cluster.namespace],
                stop_flag=stop,
                ready_flag=ready,
            )
            claim_signals()
            await kopf.run_tasks(tasks, ignored=_Everyone())

    async def _ready(self, part: str, event: asyncio.Event) -> None:
        await event.wait()
        self.parts.readiness.set_ready(part)

    async def _once_all_is_known(self, run: Callable[[], Awaitable[None]], kopf_ready: asyncio.Event) -> None:
        """For what takes a resource that is not known yet for one that is gone."""
        await kopf_ready.wait()
        if self.mirror is not None:
            await self.mirror.compared.wait()
        await run()

    async def _gauges(self) -> None:
        parts = self.parts
        while True:
            parts.metrics.clock_skew(parts.graph.clock_offset)
            parts.metrics.requests_waiting(parts.graph.budget.waiting)
            parts.metrics.unsynced(sum(entry.unsynced is not None for entry in parts.fleet))
            self.engine.excuse_timers()
            await asyncio.sleep(_GAUGE_SECONDS)


class _Everyone(Collection[asyncio.Task[Any]]):
    """Holds every task, so that Kopf, when it stops, waits for its own root tasks only.

    It takes whatever else was begun after its start for its own, and would cancel it after 5 seconds: running looks among it (Kopf 1.45).
    """

    def __contains__(self, _: object) -> bool:
        return True

    def __iter__(self) -> Iterator[asyncio.Task[Any]]:
        return iter(asyncio.all_tasks())

    def __len__(self) -> int:
        return len(asyncio.all_tasks())


async def _first_of(stop: asyncio.Event, watching: asyncio.Task[None]) -> None:
    """Until told to stop, or until Kopf has ended by itself."""
    told = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({told, watching}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
