"""Who may own a subscription: every resource of the namespace, and what Postgres knows."""

from collections.abc import Callable, Collection
from datetime import datetime

from pydantic import ValidationError

from graphmail.cluster import Cluster
from graphmail.database import Database
from graphmail.fleet import Fleet
from graphmail.resource import GraphMailSubscription
from graphmail.sweep.judgement import Owners


class Census:
    """Asks all owners. Its methods raise DatabaseError and ClusterError where a store cannot be asked, or refuses.

    Args:
        fleet: the operator's memory, which is newer than what the API server shows; None in a command, which has none.
        database: None where the operator works without Postgres.
        several: every folder is subscribed, not only the first.
        now: the time at Graph.
    """

    def __init__(
        self,
        cluster: Cluster,
        fleet: Fleet | None,
        database: Database | None,
        *,
        several: bool,
        now: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._fleet = fleet
        self._database = database
        self._several = several
        self._now = now

    async def resources(self) -> list[GraphMailSubscription]:
        """Every resource that can be read, in its newest known state."""
        if self._fleet is not None:
            return self._fleet.resources()
        found = []
        async for body in self._cluster.subscriptions():
            try:
                found.append(GraphMailSubscription.parse(body))
            except ValidationError:
                continue
        return found

    async def owners(self, subscriptions: Collection[str], providers: Collection[str]) -> Owners:
        """Whoever may own these subscriptions, and how these providers stand."""
        resources = await self.resources()
        holdings = None if self._database is None else await self._database.holdings(subscriptions, providers)
        return Owners.of(resources, holdings, several=self._several, now=self._now())

    async def overlooked(self) -> set[str]:
        """Providers, in small letters, with a resource that cannot be read, or that the memory does not know (yet)."""
        known = {resource.metadata.uid for resource in await self.resources()}
        return {
            str(body.get("spec", {}).get("providerID", "")).lower()
            async for body in self._cluster.subscriptions()
            if body["metadata"]["uid"] not in known
        }
