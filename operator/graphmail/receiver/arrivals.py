"""When each mailbox last had a notification: kept in memory, and written every few seconds, many at once."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from graphmail.cluster import Cluster, ClusterError
from graphmail.database import Database, DatabaseError
from graphmail.receiver.counting import ANNOTATION, POSTGRES, ReceiverMetrics
from graphmail.receiver.reading import write_moment
from graphmail.receiver.roster import Known, Roster
from graphmail.resource.moments import read_moment
from graphmail.resource.names import ANNOTATION_LAST_NOTIFICATION

_log = structlog.get_logger("graphmail.receiver")

MOST_KEPT = 50_000
"""Mailboxes whose times wait while nothing can be written."""
ANNOTATION_INTERVAL = timedelta(hours=1)
"""An annotation is a write of the whole resource, and an event for everybody who watches."""
_ANNOTATED_AT_ONCE = 8


class Arrivals:
    """The times that wait, by the resource's name.

    Args:
        database: None: there is no Postgres, and annotations have it all.
        most: mailboxes whose times are kept; those beyond are counted and dropped.
    """

    def __init__(
        self,
        cluster: Cluster,
        database: Database | None,
        roster: Roster,
        metrics: ReceiverMetrics,
        *,
        most: int = MOST_KEPT,
    ) -> None:
        self._cluster = cluster
        self._database = database
        self._roster = roster
        self._metrics = metrics
        self._most = most
        self._waiting: dict[str, datetime] = {}
        self._begun: dict[str, datetime] = {}
        """Those that are being written, which takes long where nobody answers."""
        self._failing = False
        self._writing = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._waiting.keys() | self._begun.keys())

    def note(self, known: Known, at: datetime) -> None:
        """The product has taken a notification of that mailbox."""
        self._keep(known.name, at)

    async def run(self, every: float) -> None:
        """Write what waits, every so many seconds, until cancelled."""
        while True:
            await asyncio.sleep(every)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits. What cannot be written waits on."""
        async with self._writing:
            self._begun, self._waiting = self._waiting, {}
            try:
                await self._write(self._begun)
            finally:
                self._begun = {}

    async def _write(self, taken: Mapping[str, datetime]) -> None:
        known = {name: found for name in taken if (found := self._roster.get(name)) is not None}
        times = {name: taken[name] for name in known}
        try:
            without_row = await self._to_postgres(times, known)
            await self._to_annotations({name: times[name] for name in without_row}, known)
        except asyncio.CancelledError:
            self._keep_all(times)  # the last flush, at the end, writes them: again is harmless
            raise

    async def _to_postgres(self, times: Mapping[str, datetime], known: Mapping[str, Known]) -> list[str]:
        """The names of those that have no row to write to; on failure of none, as all of them wait on."""
        if self._database is None:
            return list(times)
        mirrored = [name for name in times if known[name].mirrored]
        others = [name for name in times if not known[name].mirrored]
        try:
            rows = await self._database.note_notifications([(known[name].key, times[name]) for name in mirrored])
        except DatabaseError as error:
            self._fell_behind(error)
            self._metrics.batch(POSTGRES, succeeded=False)
            self._keep_all({name: times[name] for name in mirrored})
            return others
        self._failing = False
        if mirrored:
            self._metrics.batch(POSTGRES, succeeded=True)
        return others + [name for name in mirrored if known[name].key not in rows]

    async def _to_annotations(self, times: Mapping[str, datetime], known: Mapping[str, Known]) -> None:
        due = [name for name, at in times.items() if _is_due(known[name], at)]
        turns = asyncio.Semaphore(_ANNOTATED_AT_ONCE)

        async def write(name: str) -> None:
            async with turns:
                await self._annotate(name, times[name])

        await asyncio.gather(*(write(name) for name in due))

    async def _annotate(self, name: str, at: datetime) -> None:
        patch = {"metadata": {"annotations": {ANNOTATION_LAST_NOTIFICATION: write_moment(at)}}}
        try:
            written = await self._cluster.merge(name, patch)
        except ClusterError as error:
            self._fell_behind(error)
            self._metrics.batch(ANNOTATION, succeeded=False)
            self._keep(name, at)
        else:
            self._metrics.batch(ANNOTATION, succeeded=True)
            if written is not None:
                self._roster.note(name, written)

    def _keep_all(self, times: Mapping[str, datetime]) -> None:
        for name, at in times.items():
            self._keep(name, at)

    def _keep(self, name: str, at: datetime) -> None:
        waiting = self._waiting.get(name)
        if waiting is None and len(self._waiting) >= self._most:
            self._metrics.time_dropped()
        elif waiting is None or waiting < at:
            self._waiting[name] = at

    def _fell_behind(self, error: Exception) -> None:
        """Told once, until it works again."""
        if not self._failing:
            _log.warning("times of last notifications cannot be written now; they are kept", error=str(error))
        self._failing = True


def _is_due(known: Known, at: datetime) -> bool:
    written = read_moment(known.last_notification)
    return written is None or at - written >= ANNOTATION_INTERVAL
