"""The end of a resource: what must be gone at Graph before its finalizer may go (design, rule 10)."""

from datetime import datetime, timedelta

import structlog

from graphmail.cluster import ClusterError
from graphmail.database import RETAINED, Database, DatabaseError
from graphmail.decision import Action, Reason, adoption_pending
from graphmail.fleet import Entry, key_of
from graphmail.observability.events import EventReason
from graphmail.observability.metrics import Metrics
from graphmail.provider import ProviderState
from graphmail.reconciler.journal import Announcer, Journal
from graphmail.reconciler.later import Later
from graphmail.reconciler.result import Verdict
from graphmail.reconciler.verdicts import awaiting_credentials
from graphmail.reconciler.work import Reconciler
from graphmail.resource import GraphMailSubscription
from graphmail.resource.conditions import ConditionType

_log = structlog.get_logger("graphmail.farewell")

_MOST_STEPS = 3
"""Look up what the row names, delete it, and see that nothing is left."""


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
            for _ in range(_MOST_STEPS):
                step = self._reconciler.decide(entry)
                if step.decision.action is Action.RELEASE:
                    retained = step.decision.reason is Reason.RETAINED
                    return await self._remembered(entry) if retained else True
                if step.decision.action is Action.NOTHING:
                    return await self._given_up(entry, _told_before(entry.resource), now)
                try:
                    if await self._comes_back(entry.resource):
                        _log.info("deleted while its provider is active: it comes back, and nothing happens at Graph")
                        return True
                    result = await self._reconciler.perform(entry, step)
                except (Later, DatabaseError):
                    return await self._given_up(entry, _told_before(entry.resource), now)
                if result is not None and result.verdict is not None:
                    return await self._given_up(entry, result.verdict, now)
            return False

    async def overlooked(self, entry: Entry) -> None:
        """A deletion that the watch did not tell of, or the resource would have no timer any more: it is made to tell again."""
        try:
            await self._journal.show_again(entry.resource)
        except ClusterError as error:
            _log.warning("a deletion that was overlooked waits for the API server", error=str(error))

    async def _remembered(self, entry: Entry) -> bool:
        """What is left on purpose is put on record, or the sweep would take it for an orphan. Without Postgres it leaves such alone."""
        try:
            if await self._comes_back(entry.resource):
                return True
        except DatabaseError:
            return False
        return await self._journal.abandon(entry, _left(entry.resource), RETAINED)

    async def _comes_back(self, resource: GraphMailSubscription) -> bool:
        if self._database is None or not self._journal.has_row(resource):
            return False
        state = await self._database.provider_state(key_of(resource))
        return state is not None and _still_wanted(resource, state)

    async def _given_up(self, entry: Entry, verdict: Verdict | None, now: datetime) -> bool:
        """Nobody can delete it without a credential: after a while the resource goes, and what is left at Graph is on record."""
        resource = entry.resource
        deleted = resource.metadata.deletion_timestamp or now
        if verdict is None or verdict.pace is not None or now - deleted < self._abandon_after:
            return False
        left = _left(resource)
        named = adoption_pending(resource)
        if not left and named is not None:
            left = {named: None}
        if not await self._journal.abandon(entry, left, verdict.in_full):
            return False
        ids = ", ".join(left) or "of unknown id"
        message = f"subscription {ids} is left at Graph until it expires: {verdict.in_full}"
        self._announce(resource, EventReason.ABANDONED, message)
        self._metrics.abandoned()
        _log.warning(
            "abandoned",
            subscription=ids,
            expires=[str(expires_at) for expires_at in left.values()],
            reason=verdict.reason,
        )
        return True


def _left(resource: GraphMailSubscription) -> dict[str, datetime | None]:
    """The subscriptions of all folders, with their expiry."""
    rows = resource.status.subscriptions
    return {row.subscription_id: row.expiration_time for row in rows if row.subscription_id is not None}


def _told_before(resource: GraphMailSubscription) -> Verdict | None:
    """What stops the work for good, as the conditions tell; None: nothing does, it is only to be tried again."""
    status = resource.status
    stalled, authorized = status.condition(ConditionType.STALLED), status.condition(ConditionType.AUTHORIZED)
    if stalled is not None:
        return Verdict(stalled.reason, stalled.message, pace=None)
    if authorized is not None and authorized.reason == Reason.AWAITING_CREDENTIALS.value:
        return awaiting_credentials(authorized.message)
    return None


def _still_wanted(resource: GraphMailSubscription, state: ProviderState) -> bool:
    return state.active and state.mailbox.casefold() == resource.spec.mailbox.casefold()
