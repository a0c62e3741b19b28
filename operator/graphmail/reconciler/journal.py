"""Where what was done is written down: the provider's row in Postgres, the resource's status, events, metrics and the log.

The record of an id comes before anything else (design, rule 3): first Postgres, then the status, then all the rest.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from graphmail.cluster import Cluster, ClusterError, ClusterUnavailable
from graphmail.database import Claim, Database, DatabaseError, DatabaseUnavailable, Fenced, Refusal
from graphmail.fleet import Entry, key_of
from graphmail.observability.events import EventReason
from graphmail.observability.metrics import Store
from graphmail.provider import FolderRow, Outcome
from graphmail.reconciler.by_hand import correction
from graphmail.reconciler.result import Deed, Result
from graphmail.reconciler.status import status_body
from graphmail.resource import CredentialSource, FolderSubscription, GraphMailSubscription, Status
from graphmail.resource.conditions import ConditionType
from graphmail.resource.moments import write_time
from graphmail.resource.names import ANNOTATION_DELETION, OPERATOR
from graphmail.stores import Stores

_log = structlog.get_logger("graphmail.journal")
_CONFLICT = 409
"""Somebody has written since (Kubernetes API conventions, "Concurrency control and consistency")."""
_KEPT = "an outcome; it is kept in memory and tried again"
_TOLD_CONFLICT = 2
"""One conflict is nothing to tell of; the next one in a row is."""


class Announcer(Protocol):
    """Tells people about a resource: a Kubernetes event."""

    def __call__(
        self, resource: GraphMailSubscription, reason: EventReason, message: str, /, *, routine: bool = False
    ) -> None:
        """`message` is for people, and holds no secret; what is `routine` may go untold where thousands of it come at once."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """After more than this many consecutive failures a provider counts as being in error."""

    failures: int = 3

    def exceeded(self, result: Result, failures: int) -> bool:
        """At once for what only a person can mend."""
        verdict = result.verdict
        counted = verdict is None or verdict.counted
        return (verdict is not None and verdict.terminal) or (counted and failures > self.failures)


class Journal:
    """Writes outcomes to both stores.

    Args:
        database: None when the operator runs without Postgres.
        clock: the time now, as rows have it.
        now: the time at Graph.
    """

    def __init__(
        self,
        cluster: Cluster,
        database: Database | None,
        stores: Stores,
        threshold: Threshold,
        *,
        clock: Callable[[], datetime],
        now: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._database = database
        self._stores = stores
        self._threshold = threshold
        self._clock = clock
        self._now = now
        self._told_of = ""
        """The last refusal of Postgres, until it takes something again that it had refused."""

    def has_row(self, resource: GraphMailSubscription) -> bool:
        """The resource mirrors a provider's row."""
        return self._database is not None and resource.spec.credentials.source is CredentialSource.PROVIDER_ROW

    async def shown(self, resource: GraphMailSubscription) -> dict[str, Any] | None:
        """The resource as the API server has it now; None when it is gone. Raises ClusterError."""
        return await self._cluster.subscription(resource.metadata.name)

    async def show_again(self, resource: GraphMailSubscription) -> None:
        """Change a deleted resource, so that whoever watches hears of it. Raises ClusterError."""
        annotations = {ANNOTATION_DELETION: write_time(self._clock())}
        metadata = {"uid": resource.metadata.uid, "annotations": annotations}
        await self._cluster.merge(resource.metadata.name, {"metadata": metadata})

    def outcome(self, resource: GraphMailSubscription, after: Status, result: Result, *, several: bool) -> Outcome:
        """The result as Postgres records it: the provider is well when each of its folders is.

        Args:
            after: the status after the work.
            several: every folder is subscribed, and all of them are recorded.
        """
        first = after.subscriptions[0]
        troubled = next((row for row in _troubled(after, several=several)), None)
        failures = max([after.consecutive_failures, *(row.consecutive_failures or 0 for row in after.subscriptions)])
        return Outcome(
            key=key_of(resource),
            at=self._clock(),
            success=troubled is None,
            subscription_id=first.subscription_id,
            expires_at=first.expiration_time,
            renewed=result.granted,
            failure_reason=_reason(troubled, several=len(after.subscriptions) > 1) if troubled else None,
            consecutive_failures=failures,
            provider_error=troubled is not None and self._threshold.exceeded(result, failures),
            tokens=result.tokens,
            only_over=resource.status.subscription_id if result.deed is Deed.DELETE else None,
            counted=result.verdict is None or result.verdict.counted,
            folders=_folders(after) if several else None,
        )

    async def record(self, entry: Entry, claim: Claim | None, outcome: Outcome, *, settled: bool) -> bool:
        """Write an outcome to Postgres, or keep it for later when Postgres is away or refuses it.

        Args:
            claim: the right to write; None when the work was done without one, since Postgres was away.
            settled: nothing that was begun is open any more at Graph.

        Returns:
            False when the claim was taken over meanwhile: nothing was written, and a new subscription must not stay.
        """
        if self._database is None:
            return True
        outcome = _with_the_rows_own(entry, outcome)
        if entry.unsynced is None:
            entry.unsynced_over = entry.resource.status.subscription_id
        outcome = entry.unsynced = _with_what_was_missed(entry.unsynced, outcome)
        if claim is None:
            await self.catch_up(entry)
            return True
        try:
            written = await self._database.record(claim, outcome, credential=entry.credential, settled=settled)
        except DatabaseError as error:
            self.refused(entry, error, _KEPT)
            return True
        self._told(entry)
        entry.unsynced = None
        return not isinstance(written, Fenced)

    async def catch_up(self, entry: Entry) -> bool:
        """Write to Postgres the outcome that it missed; False when that was not possible."""
        if self._database is None:
            return True
        if not self._stores.up(Store.POSTGRES):
            return False
        missed, over = entry.unsynced, entry.unsynced_over
        if missed is None:
            missed, over = _rebuilt(entry.resource, self._clock()), entry.resource.status.subscription_id
        try:
            written = await self._database.record_late(missed, known_subscription_id=over, credential=entry.credential)
        except DatabaseError as error:
            self.refused(entry, error, _KEPT)
            return False
        self._told(entry)
        if isinstance(written, Refusal):
            entry.unsynced = missed
            return False
        entry.unsynced, entry.row_emptied = None, False
        return True

    async def abandon(self, entry: Entry, left: Mapping[str, datetime | None], reason: str) -> bool:
        """Put on record what stays at Graph and belongs to nobody: ids, and their expiry where it is known.

        Returns:
            False when Postgres could not be told. Without Postgres there is no such record.
        """
        if self._database is None:
            return True
        try:
            for subscription_id, expires_at in left.items():
                await self._database.abandon(key_of(entry.resource), subscription_id, expires_at, reason)
        except DatabaseError as error:
            self.refused(entry, error, "to remember what stays at Graph; it is tried again")
            return False
        return True

    def refused(self, entry: Entry, error: DatabaseError, consequence: str) -> None:
        """Postgres did not do what was asked for that mailbox: it is away, or refuses, and is then asked again after a pause.

        Told once: a privilege that is missing, or a table, is missing for the whole fleet.
        """
        if isinstance(error, DatabaseUnavailable):
            self._stores.lost(Store.POSTGRES)
            return
        entry.row_pause.refused(self._now())
        tell = _log.debug if self._told_of == str(error) else _log.error
        self._told_of = str(error)
        tell(f"Postgres refuses {consequence}", error=str(error))

    def _told(self, entry: Entry) -> None:
        self._stores.back(Store.POSTGRES)
        if refused := entry.row_pause.taken():
            self._told_of = ""
            _log.info("Postgres takes the outcome again", refused=refused)

    async def write_status(self, entry: Entry, status: Status) -> None:
        """Write a status, unless it says what the API server has already; keep it in memory while the API server is away."""
        if status == entry.resource.status and not entry.unwritten:
            return
        entry.keep_status(status, unwritten=True)
        await self._taken(
            entry, self._applied(status_body(entry.resource, status)), "it is kept in memory and tried again"
        )

    async def write_unchanged(self, entry: Entry, status: Status) -> bool:
        """Write a status if the resource is still the one that was read last; whether it was written."""
        body = status_body(entry.resource, status)
        write = self._cluster.apply_status(body, manager=OPERATOR, unchanged=True)
        return await self._taken(entry, write, "nothing is created until it takes one") and not entry.gone

    async def _taken(self, entry: Entry, write: Awaitable[dict[str, Any] | None], consequence: str) -> bool:
        """Whether the API server takes a status. What it refuses is tried again after a pause, for this mailbox alone."""
        try:
            body = await write
        except ClusterError as error:
            self._refused(entry, error, consequence)
            return False
        self._stores.back(Store.KUBERNETES)
        if refused := entry.status_pause.taken():
            _log.info("the API server takes the status again", refused=refused)
        entry.unwritten = False
        if body is None:
            entry.gone = True
        else:
            entry.take(body)
        return True

    def _refused(self, entry: Entry, error: ClusterError, consequence: str) -> None:
        """Told once: while a right is missing, a fleet of thousands is refused again and again."""
        told = timedelta()
        if isinstance(error, ClusterUnavailable):
            self._stores.unanswered(error)
            if not error.answered:
                return
            told = timedelta(seconds=error.retry_after)
        entry.status_pause.refused(self._now(), told=told)
        tell = _log.warning if isinstance(error, ClusterUnavailable) else _log.error
        if entry.status_pause.refusals != (_TOLD_CONFLICT if error.status == _CONFLICT else 1):
            tell = _log.debug
        tell(f"the API server refuses the status: {consequence}", error=str(error), remedy=error.grant)

    async def _applied(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """The resource as it is with that status; None when it is gone."""
        answer = await self._cluster.apply_status(body, manager=OPERATOR)
        patch = None if answer is None else correction(body["status"], answer)
        if patch is None:
            return answer
        return await self._cluster.correct_status(patch, manager=OPERATOR) or answer


def _troubled(after: Status, *, several: bool) -> list[FolderSubscription]:
    rows = after.subscriptions if several else after.subscriptions[:1]
    return [row for row in rows if row.reason is not None]


def _reason(row: FolderSubscription, *, several: bool) -> str:
    told = f"{row.reason}: {row.message}"
    return f"folder {row.folder}: {told}" if several else told


def _folders(after: Status) -> tuple[FolderRow, ...]:
    return tuple(
        FolderRow(row.folder, row.subscription_id, row.expiration_time)
        for row in after.subscriptions
        if row.subscription_id is not None
    )


def _with_what_was_missed(missed: Outcome | None, outcome: Outcome) -> Outcome:
    """A later outcome that Postgres misses too still tells of the renewal and the tokens before it."""
    if missed is None:
        return outcome
    return replace(outcome, renewed=outcome.renewed or missed.renewed, tokens=outcome.tokens or missed.tokens)


def _rebuilt(resource: GraphMailSubscription, now: datetime) -> Outcome:
    """What Postgres missed before this process started, or has lost since, as the status tells it."""
    status = resource.status
    stalled = status.condition(ConditionType.STALLED)
    failed = stalled is not None or status.consecutive_failures > 0
    ready = status.condition(ConditionType.READY)
    return Outcome(
        key=key_of(resource),
        at=now,
        success=not failed,
        subscription_id=status.subscription_id,
        expires_at=status.expiration_time,
        failure_reason=f"{ready.reason}: {ready.message}" if failed and ready else None,
        consecutive_failures=status.consecutive_failures,
        provider_error=stalled is not None,
    )


def _with_the_rows_own(entry: Entry, outcome: Outcome) -> Outcome:
    """A failure leaves alone the id that the row names until there is another one: an id is never lost (design, rule 3).

    Graph's replicas have been seen to disagree for hours about what exists, and the product finds a provider by that id.
    """
    access = entry.access
    if outcome.success or outcome.subscription_id or access is None:
        return outcome
    return replace(outcome, subscription_id=access.row_subscription_id, expires_at=access.row_expires_at)
