"""Since when an orphan has been seen as one: in Postgres, where a restart forgets nothing, else in this process."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from graphmail.database import Database, Sighting


class Sightings(Protocol):
    """Remembers orphans from one sweep to the next."""

    async def seen(self, subscriptions: Collection[str]) -> Mapping[str, datetime]:
        """Since when these have been seen as orphans; those that have not are absent."""

    async def see(self, orphans: Collection[Sighting], owned: Collection[str], at: datetime) -> Mapping[str, datetime]:
        """Remember these orphans, and forget those that are none; since when each has been seen as one."""


class RememberedSightings:
    """In Postgres: the command and the operator share them. Raises DatabaseError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def seen(self, subscriptions: Collection[str]) -> Mapping[str, datetime]:
        """As the protocol says."""
        return await self._database.orphans_seen(subscriptions)

    async def see(self, orphans: Collection[Sighting], owned: Collection[str], at: datetime) -> Mapping[str, datetime]:
        """As the protocol says."""
        return await self._database.see_orphans(orphans, owned, at)


class PassingSightings:
    """In memory, where there is no Postgres: the grace time begins anew with the process."""

    def __init__(self) -> None:
        self._since: dict[str, datetime] = {}

    async def seen(self, subscriptions: Collection[str]) -> Mapping[str, datetime]:
        """As the protocol says."""
        return {one: self._since[one] for one in subscriptions if one in self._since}

    async def see(self, orphans: Collection[Sighting], owned: Collection[str], at: datetime) -> Mapping[str, datetime]:
        """As the protocol says. What is not seen as an orphan any more is forgotten: the memory holds no more than there are."""
        del owned
        self._since = {one.subscription_id: self._since.get(one.subscription_id, at) for one in orphans}
        return dict(self._since)
