"""Posts Kubernetes events in the background: bounded, merged, and never in anybody's way."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import datetime

import structlog

from graphmail.cluster import Cluster, ClusterError
from graphmail.observability.events import Ended, EventBook, EventCall, EventReason
from graphmail.observability.metrics import Metrics
from graphmail.resource import GraphMailSubscription

_log = structlog.get_logger("graphmail.events")

MOST_WAITING = 1000
"""More would be told long after they happened; the log and the metrics have them all."""
ROUTINE_AT_ONCE = 100
ROUTINE_A_SECOND = 1.0
"""20,000 mailboxes renew one in 25 seconds. Where thousands are due at once, nobody reads an event of each, and etcd keeps them all."""


class Allowance:
    """So many at once, and so many a second in the long run (a token bucket).

    Args:
        monotonic: seconds.
    """

    def __init__(self, at_once: int, a_second: float, monotonic: Callable[[], float]) -> None:
        self._at_once = at_once
        self._a_second = a_second
        self._monotonic = monotonic
        self._left, self._counted_at = float(at_once), monotonic()

    def take(self) -> bool:
        """One more; False when it is one too many."""
        now = self._monotonic()
        self._left = min(self._left + (now - self._counted_at) * self._a_second, self._at_once)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Poster:
    """An announcer that posts to the API server.

    Args:
        book: merges repeats.
        clock: the time now.
        monotonic: seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        book: EventBook,
        metrics: Metrics,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._book = book
        self._metrics = metrics
        self._clock = clock
        self._routine = Allowance(ROUTINE_AT_ONCE, ROUTINE_A_SECOND, monotonic)
        self._refused: set[str] = set()
        """Verbs that the API server has refused since it last let one through: each is told of once, not with every event."""
        self._queue: asyncio.Queue[tuple[GraphMailSubscription, EventReason, str]] = asyncio.Queue(MOST_WAITING)

    def __call__(
        self, resource: GraphMailSubscription, reason: EventReason, message: str, *, routine: bool = False
    ) -> None:
        """Tell about a resource; when too much waits already, or too much of the routine came, the event is dropped and counted."""
        if routine and not self._routine.take():
            self._metrics.event_dropped()
            return
        try:
            self._queue.put_nowait((resource, reason, message))
        except asyncio.QueueFull:
            self._metrics.event_dropped()

    async def run(self) -> None:
        """Post until cancelled."""
        while True:
            resource, reason, message = await self._queue.get()
            await self._post(resource, reason, message)
            self._queue.task_done()

    async def drain(self, seconds: float) -> None:
        """Wait, while `run` goes on, until all is posted; an API server that is away ends it after `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._queue.join()

    async def _post(self, resource: GraphMailSubscription, reason: EventReason, message: str) -> None:
        call = self._book.say(resource, reason, message, self._clock())
        while call is not None:
            call = self._book.done(call, await self._send(call))

    async def _send(self, call: EventCall) -> Ended:
        try:
            if call.verb == "create":
                await self._cluster.post_event(call.body)
            else:
                await self._cluster.patch_event(call.name, call.body)
        except ClusterError as error:
            if error.status == 409:
                return Ended.POSTED
            if error.status == 404 and call.verb == "patch":
                return Ended.GONE
            self._tell(call, error)
            return Ended.FAILED
        self._refused.discard(call.verb)
        return Ended.POSTED

    def _tell(self, call: EventCall, error: ClusterError) -> None:
        tell = _log.warning
        if error.missing_right is not None:
            tell = _log.debug if call.verb in self._refused else _log.error
            self._refused.add(call.verb)
        tell("an event could not be posted", name=call.name, error=str(error), remedy=error.grant)
