"""When each mailbox is looked at: by its timer, at once when something has changed, and exactly when a decision asked for it.

One look at a time for each mailbox; a change that comes in while one runs leads to one more look, never to two at once.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog

from graphmail.decision import Action
from graphmail.fleet import Entry, Fleet, Unreadable
from graphmail.observability.health import Ticking
from graphmail.observability.logs import bind
from graphmail.observability.metrics import DEFECT, Metrics
from graphmail.reconciler import Farewell, Reconciler
from graphmail.resource.conditions import ConditionType

_log = structlog.get_logger("graphmail.engine")

AFTER_A_DEFECT_SECONDS = 60.0


class Engine:
    """Looks at mailboxes.

    Args:
        now: the time at Graph.
        rate: seconds of that time in a real second; other than 1 only in a simulation.
        tick_seconds: how often a timer looks anyway, in real time; earlier looks are planned here.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        reconciler: Reconciler,
        farewell: Farewell,
        metrics: Metrics,
        ticking: Ticking,
        now: Callable[[], datetime],
        tick_seconds: float,
        rate: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._fleet = fleet
        self._reconciler = reconciler
        self._farewell = farewell
        self._metrics = metrics
        self._ticking = ticking
        self._now = now
        self._tick_seconds = tick_seconds
        self._rate = rate
        self._running: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._planned: dict[str, asyncio.TimerHandle] = {}
        self._farewells: set[asyncio.Task[bool]] = set()
        self._stopping = False

    # --- what the handlers call --------------------------------------------------------------------------------------

    def observe(self, body: Mapping[str, Any], *, deleted: bool) -> None:
        """The API server shows a resource, or that one is gone."""
        metadata = body["metadata"]
        if deleted:
            self._fleet.forget(metadata["name"], metadata["uid"])
            self._cancel(metadata["name"])
            return
        try:
            entry, news = self._fleet.observe(body, now=self._now())
        except Unreadable as error:
            _log.error(
                "a resource is not what the CRD promises, and is left alone", name=error.name, fields=error.fields
            )
            return
        if news:
            self.wake(entry)

    def first_delay(self, name: str) -> float:
        """Seconds until the timer's first tick: none where something is due, else spread by what is planned."""
        entry = self._fleet.get(name)
        if entry is None:
            return 0.0
        decision = self._reconciler.decide(entry).decision
        if decision.action is not Action.NOTHING:
            return 0.0
        return min(self._tick_seconds, max(0.0, self._seconds_until(decision.again_at)))

    async def tick(self, name: str) -> None:
        """A timer's tick: a look, unless one is running. Where nothing is due, it calls nobody and logs nothing."""
        self._ticking.tick()
        entry = self._fleet.get(name)
        if entry is not None and entry.resource.metadata.deletion_timestamp is not None:
            await self._farewell.overlooked(entry)
        elif entry is not None and name not in self._running:
            self.wake(entry)
        if name in self._running:
            await asyncio.shield(self._running[name])

    def excuse_timers(self) -> None:
        """Called every few seconds: where no mailbox has a timer, none is late, also when the first mailbox comes after hours."""
        if not self._fleet.any_timer:
            self._ticking.tick()

    async def say_farewell(self, body: Mapping[str, Any]) -> bool:
        """Whether a deleted resource's finalizer may go. A body without spec is one that was observed already."""
        if "spec" in body:
            self.observe(body, deleted=False)
        entry = self._fleet.get(body["metadata"]["name"])
        if entry is None or entry.resource.metadata.uid != body["metadata"]["uid"]:
            return True
        self._cancel(entry.resource.metadata.name)
        if self._stopping:
            return False
        task = asyncio.create_task(self._released(entry), name=f"farewell to {entry.resource.metadata.name}")
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)
        return await asyncio.shield(task)

    async def _released(self, entry: Entry) -> bool:
        with bind(**_context(entry)):
            return await self._farewell.released(entry, self._now())

    def wake(self, entry: Entry) -> None:
        """Look at that mailbox now, or once more when the running look is over."""
        name = entry.resource.metadata.name
        if self._stopping:
            return
        if name in self._running:
            self._again.add(name)
            entry.hurry()
            return
        self._cancel(name)
        task = asyncio.create_task(self._look(entry), name=f"look at {name}")
        self._running[name] = task
        task.add_done_callback(lambda _: self._done(entry))

    def store_is_back(self) -> None:
        """What could not be written down is written now, and not at the next tick."""
        for entry in self._fleet:
            if (
                (entry.unwritten and entry.status_pause.lasts_until(self._now()) is None)
                or entry.unsynced is not None
                or entry.resource.status.says(ConditionType.SYNCED, "False")
            ):
                self.wake(entry)

    async def stop(self, seconds: float) -> None:
        """Begin nothing more, and let what runs finish; after `seconds` it is abandoned."""
        self._stopping = True
        for name in list(self._planned):
            self._cancel(name)
        self._again.clear()
        self._reconciler.stop()
        running = [*self._running.values(), *self._farewells]
        if running:
            _, late = await asyncio.wait(running, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # --- one look ----------------------------------------------------------------------------------------------------

    async def _look(self, entry: Entry) -> None:
        try:
            with bind(**_context(entry)):
                again_at = await self._reconciler.reconcile(entry)
        except Exception:
            # A defect of ours must not end the care for a mailbox: it is told, counted, and tried again.
            _log.exception("a look at a mailbox failed unexpectedly; it is tried again")
            self._metrics.reconcile_error(DEFECT)
            self._plan(entry, AFTER_A_DEFECT_SECONDS)
        else:
            self._plan(entry, self._seconds_until(again_at))

    def _done(self, entry: Entry) -> None:
        name = entry.resource.metadata.name
        self._running.pop(name, None)
        if entry.gone:
            self._fleet.forget(name, entry.resource.metadata.uid)
        if name in self._again:
            self._again.discard(name)
            current = self._fleet.get(name)
            if current is not None:
                self.wake(current)

    def _seconds_until(self, moment: datetime) -> float:
        """Real seconds until a moment at Graph."""
        return (moment - self._now()).total_seconds() / self._rate()

    def _plan(self, entry: Entry, seconds: float) -> None:
        """What is due before the next tick is looked at exactly then."""
        if self._stopping or entry.gone or seconds >= self._tick_seconds:
            return
        name = entry.resource.metadata.name
        self._cancel(name)
        self._planned[name] = asyncio.get_running_loop().call_later(max(0.1, seconds), self.wake, entry)

    def _cancel(self, name: str) -> None:
        planned = self._planned.pop(name, None)
        if planned is not None:
            planned.cancel()


def _context(entry: Entry) -> dict[str, str]:
    spec = entry.resource.spec
    return {
        "tenant": spec.tenant,
        "provider": spec.provider_id,
        "mailbox": spec.mailbox,
        "resource": entry.resource.metadata.name,
    }
