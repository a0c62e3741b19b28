"""Lifecycle notifications handed to the operator: by an annotation of the resource, which its watch shows at once."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

import structlog

from graphmail.cluster import Cluster, ClusterError
from graphmail.receiver.reading import merged
from graphmail.receiver.roster import Known, Roster
from graphmail.resource.lifecycle import LifecycleEvent
from graphmail.resource.names import ANNOTATION_LIFECYCLE

_log = structlog.get_logger("graphmail.receiver")

HAND_SECONDS = 2.5
"""Graph waits for three."""
_TRIES = 8
"""Each is lost to somebody who wrote in between: the operator, or another replica."""
News = dict[str, dict[LifecycleEvent, datetime]]
"""By subscription: the events, and when each came."""


class NotHanded(Exception):
    """The API server did not take it in time: Graph is to come again."""


class Handing:
    """Writes what came to the resources."""

    def __init__(self, cluster: Cluster, roster: Roster, *, seconds: float = HAND_SECONDS) -> None:
        self._cluster = cluster
        self._roster = roster
        self._seconds = seconds

    async def hand(self, events: Iterable[tuple[Known, str, LifecycleEvent]], at: datetime) -> None:
        """Store these events of these subscriptions; returns once all are stored.

        Raises:
            NotHanded: some could not be. Those that could stand there, and are told once more when Graph comes again.
        """
        news: defaultdict[str, News] = defaultdict(dict)
        for known, subscription, event in events:
            news[known.name].setdefault(subscription, {})[event] = at
        try:
            async with asyncio.timeout(self._seconds), asyncio.TaskGroup() as group:
                for name, what in news.items():
                    group.create_task(self._write(name, what))
        except TimeoutError:
            raise NotHanded(f"not stored within {self._seconds:g} s") from None
        except ExceptionGroup as several:
            raise NotHanded(str(several.exceptions[0])) from several

    async def _write(self, name: str, news: News) -> None:
        """Under the version that is known; where that has changed, what stands there now is merged.

        Raises:
            ClusterError: the API server refused, or cannot be reached.
        """
        known = self._roster.get(name)
        for _ in range(_TRIES):
            wanted = {
                subscription: what for subscription, what in news.items() if known and subscription in known.states
            }
            if known is None or not wanted:
                return  # gone, or served by another subscription by now: there is nothing left to mend
            text = merged(known.lifecycle, wanted, set(known.states))
            patch = {"metadata": {"resourceVersion": known.version, "annotations": {ANNOTATION_LIFECYCLE: text}}}
            try:
                written = await self._cluster.merge(name, patch)
            except ClusterError as error:
                if error.status != 409:
                    raise
                current = await self._cluster.subscription(name)
                known = self._roster.note(name, current) if current is not None else None
            else:
                if written is not None:
                    self._roster.note(name, written)
                return
        raise NotHanded("the resource changed again and again")
