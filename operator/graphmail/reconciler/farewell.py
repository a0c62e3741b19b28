"""The end of a resource: what must be gone at Graph before its finalizer may go (design, rule 10)."""

from datetime import datetime, timedelta

import structlog

from graphmail.database import Database, DatabaseError
from graphmail.decision import Action
from graphmail.fleet import Entry
from graphmail.observability.events import EventReason
from graphmail.observability.metrics import Metrics
from graphmail.provider import ProviderState
from graphmail.reconciler.journal import Announcer, Journal, key_of
from graphmail.reconciler.result import Verdict
from graphmail.reconciler.work import Later, Reconciler
from graphmail.resource import GraphMailSubscription

_log = structlog.get_logger("graphmail.farewell")


class Farewell:
    """Lets go of deleted resources.

    Args:
        abandon_after: without a usable credential, the finalizer is released after this, and the subscription is recorded as abandoned.
    """

    def __init__(
        self,
        *,
        reconciler: Reconciler,
        journal: Journal,
        database: Database | None,
        announce: Announcer,
        metrics: Metrics,
        abandon_after: timedelta,
    ) -> None:
        self._reconciler = reconciler
        self._journal = journal
        self._database = database
        self._announce = announce
        self._metrics = metrics
        self._abandon_after = abandon_after

    async def released(self, entry: Entry, now: datetime) -> bool:
        """Whether the finalizer may go; what stands in the way is worked on first."""
        async with entry.lock:
            decision = self._reconciler.decide(entry)
            if decision.action is not Action.DELETE:
                return decision.action is Action.RELEASE
            try:
                if await self._comes_back(entry.resource):
                    _log.info(
                        "deleted while its provider is active: it comes back and is adopted; nothing happens at Graph"
                    )
                    return True
                result = await self._reconciler.perform(entry, decision)
            except (Later, DatabaseError):
                return False
            if result is None or result.verdict is None:
                return True
            return await self._given_up(entry.resource, result.verdict, now)

    async def _comes_back(self, resource: GraphMailSubscription) -> bool:
        if self._database is None or not self._journal.has_row(resource):
            return False
        state = await self._database.provider_state(key_of(resource))
        return state is not None and _still_wanted(resource, state)

    async def _given_up(self, resource: GraphMailSubscription, verdict: Verdict, now: datetime) -> bool:
        """Nobody can delete it without a credential: after a while the resource goes, and what is left at Graph is on record."""
        deleted = resource.metadata.deletion_timestamp or now
        if verdict.pace is not None or now - deleted < self._abandon_after:
            return False
        status = resource.status
        if self._database is not None and self._journal.has_row(resource) and status.subscription_id is not None:
            try:
                await self._database.abandon(
                    key_of(resource), status.subscription_id, expires_at=status.expiration_time, reason=verdict.message
                )
            except DatabaseError:
                return False
        message = f"subscription {status.subscription_id} is left at Graph until it expires: {verdict.message}"
        self._announce(resource, EventReason.ABANDONED, message)
        self._metrics.abandoned()
        _log.warning(
            "abandoned", subscription=status.subscription_id, expires=str(status.expiration_time), reason=verdict.reason
        )
        return True


def _still_wanted(resource: GraphMailSubscription, state: ProviderState) -> bool:
    return state.active and state.mailbox == resource.spec.mailbox
