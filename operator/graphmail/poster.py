"""Posts Kubernetes events in the background: bounded, merged, and never in anybody's way."""

import asyncio
import contextlib
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


class Poster:
    """An announcer that posts to the API server.

    Args:
        book: merges repeats.
        clock: the time now.
    """

    def __init__(self, cluster: Cluster, book: EventBook, metrics: Metrics, clock: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._book = book
        self._metrics = metrics
        self._clock = clock
        self._queue: asyncio.Queue[tuple[GraphMailSubscription, EventReason, str]] = asyncio.Queue(MOST_WAITING)

    def __call__(self, resource: GraphMailSubscription, reason: EventReason, message: str) -> None:
        """Tell about a resource; when too much waits already, the event is dropped and counted."""
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
            _log.warning("an event could not be posted", name=call.name, error=str(error))
            return Ended.FAILED
        return Ended.POSTED
