"""What is known of the notifications that arrive: of each mailbox its rhythm, and of all of them whether anything arrives at all.

The mirror tells of arrivals. Rhythms are kept in Postgres: read once at the start, and written seldom, since an hour of what was learned
is no loss.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from graphmail.database import Database, DatabaseError, DatabaseUnavailable, KeptRhythm
from graphmail.decision import Heard, Rhythm, minute_of
from graphmail.fleet import Entry, Fleet, key_of
from graphmail.observability.metrics import Store
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import resource_name
from graphmail.stores import Stores

_log = structlog.get_logger("graphmail.arrivals")

WRITE_SECONDS = 3600.0
AGAIN_SECONDS = 60.0
AT_ONCE = 5000
"""Rhythms in one statement: less than two megabytes."""
TOLD_LATE = timedelta(hours=1)
"""An annotation tells of an arrival so much later at most: whoever writes it does so hourly."""
TOLD_IN_BATCHES = timedelta(minutes=5)
"""A row tells of an arrival so much later at most: the receiver writes many at once, and no more seldom than this may be set."""
MANY = 4
"""Mailboxes that are found silent while nothing arrives anywhere: it is not their subscriptions."""
MOST = 10
MOST_SHARE = 0.05
"""Mailboxes, and the share of all, that may be found silent although others are not."""
REMEMBERED = timedelta(hours=2)
MOST_MINUTES = 3600
"""In which something arrived. Half of them are left when they are too many: thirty hours, which is longer than until the next look."""
_AHEAD = timedelta(hours=1)
"""What is told to have arrived later than this from now is a mistake, and teaches nothing."""


class Arrivals:
    """Listens.

    Args:
        database: None where there are no rows to tell of arrivals.
        now: the time at Graph.
        rate: seconds of that time in a real second; other than 1 only in a simulation.
    """

    def __init__(
        self,
        fleet: Fleet,
        *,
        database: Database | None = None,
        stores: Stores | None = None,
        now: Callable[[], datetime],
        rate: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._fleet = fleet
        self._database = database
        self._stores = stores or Stores({})
        self._now = now
        self._rate = rate
        self._latest: datetime | None = None
        """When a notification last arrived in any mailbox."""
        self._minutes: set[int] = set()
        """Minutes in which one arrived in any mailbox; those long ago go now and then."""
        self._silent: dict[str, tuple[datetime, datetime]] = {}
        """Resources that were found silent: when, and the message that proved it."""
        self._unkept: set[str] | None = None
        """Resources whose rhythm has changed since it was written; None: what was kept is not read yet, and nothing is learned."""

    # --- what tells, and what is asked -------------------------------------------------------------------------------

    def heard(self, entry: Entry) -> None:
        """Another arrival in that mailbox is known of than before."""
        arrived = entry.arrived_at
        if arrived is None or arrived > self._now() + _AHEAD:
            return
        self._latest = max(self._latest or arrived, arrived)
        self._note(arrived)
        if self._unkept is not None:
            self._learn(entry, arrived)

    def of(self, entry: Entry) -> Heard | None:
        """What tells of notifications of that mailbox; None: nothing does.

        A product that has never told of any arrival may be one that never does.
        """
        if not entry.has_row:
            told = entry.arrived_at is not None
            return Heard(self._now(), delay=TOLD_LATE, taken=self._minutes, way_down=self.way_down) if told else None
        if entry.heard_until is None or self._latest is None:
            return None
        until = entry.heard_until - TOLD_IN_BATCHES
        delay = TOLD_LATE if entry.told_by_annotation else timedelta()
        return Heard(until, entry.rhythm, delay=delay, taken=self._minutes, way_down=self.way_down)

    def found_silent(self, resource: GraphMailSubscription) -> None:
        """That mailbox was found to be silent."""
        message = resource.status.newest_message_time
        if message is not None:
            self._silent[resource.metadata.name] = (self._now(), message)

    @property
    def way_down(self) -> bool:
        """So many mailboxes are silent that it is the way from Graph to the product, and no use to replace subscriptions."""
        if len(self._silent) < MANY:
            return False
        forgotten = self._now() - REMEMBERED
        self._silent = {name: found for name, found in self._silent.items() if found[0] > forgotten}
        if len(self._silent) < MANY:
            return False
        earliest = min(message for _, message in self._silent.values())
        return (
            self._latest is None
            or self._latest < earliest
            or len(self._silent) > max(MOST, MOST_SHARE * len(self._fleet))
        )

    def _note(self, arrived: datetime) -> None:
        self._minutes.add(minute_of(arrived))
        if len(self._minutes) > MOST_MINUTES:
            since = minute_of(self._now()) - MOST_MINUTES // 2
            self._minutes = {minute for minute in self._minutes if minute > since}

    def _learn(self, entry: Entry, arrived: datetime) -> None:
        if entry.rhythm is None:
            entry.rhythm, news = Rhythm(arrived), True
        else:
            news = entry.rhythm.saw(arrived)
        if news and self._unkept is not None:
            self._unkept.add(entry.resource.metadata.name)

    # --- what is kept ------------------------------------------------------------------------------------------------

    async def run(self, *, write_seconds: float = WRITE_SECONDS) -> None:
        """Read what was kept, and write what was learned, until cancelled. Begun once every resource is known.

        Args:
            write_seconds: between two times of writing, at Graph: in a simulation, weeks may pass in an hour of the machine.
        """
        while True:
            pause = AGAIN_SECONDS
            if self._stores.up(Store.POSTGRES):
                try:
                    await (self.read() if self._unkept is None else self.write())
                    pause = write_seconds / self._rate()
                except DatabaseUnavailable:
                    self._stores.lost(Store.POSTGRES)
                except DatabaseError as error:
                    _log.error("Postgres refuses the rhythms of mailboxes, and is asked again", error=str(error))
            await asyncio.sleep(pause)

    async def read(self) -> None:
        """Take up what was learned before this process.

        Raises:
            DatabaseError: Postgres could not be asked, or refused.
        """
        if self._database is None:
            return
        for number, kept in enumerate(await self._database.rhythms(), start=1):
            entry = self._fleet.get(resource_name(kept.key.tenant, kept.key.provider_id, kept.mailbox))
            if entry is not None and entry.rhythm is None:
                entry.rhythm = Rhythm.of(kept.rhythm)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        self._unkept = set()
        for entry in self._fleet:
            if entry.heard_until is not None:
                self.heard(entry)

    async def write(self) -> int:
        """Keep what was learned since the last time. Returns of how many mailboxes.

        Raises:
            DatabaseError: Postgres could not be asked, or refused.
        """
        if self._database is None or not self._unkept:
            return 0
        count, names = 0, sorted(self._unkept)
        for start in range(0, len(names), AT_ONCE):
            batch = names[start : start + AT_ONCE]
            changed = [kept for name in batch if (kept := self._kept(name)) is not None]
            self._unkept.difference_update(batch)
            try:
                await self._database.keep_rhythms(changed)
            except DatabaseError:
                self._unkept.update(batch)
                raise
            count += len(changed)
        return count

    def _kept(self, name: str) -> KeptRhythm | None:
        entry = self._fleet.get(name)
        if entry is None or entry.rhythm is None:
            return None
        return KeptRhythm(key_of(entry.resource), entry.resource.spec.mailbox, entry.rhythm.kept())
