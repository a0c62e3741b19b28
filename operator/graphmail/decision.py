"""What to do next for one mailbox, and why: one pure function over an ordered list of small checks.

Each check answers with a decision, or with nothing; the first that answers wins. Nothing here does I/O or reads a clock.
Only this module decides what is due (design, rule 14): SQL feeds the mirror, and nothing else.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from graphmail.resource import CredentialSource, DeletionPolicy, GraphMailSubscription, SuspendPolicy
from graphmail.resource.conditions import ConditionType
from graphmail.resource.model import write_time
from graphmail.resource.names import ANNOTATION_ADOPT, ANNOTATION_CREDENTIAL, ANNOTATION_RENEW

JITTER_SHARE = 0.1
"""The largest part of a granted lifetime by which jitter makes a renewal earlier."""
_SOON = timedelta(seconds=1)
_NOTIFICATION_NEWS = timedelta(hours=1)
_STORE_PAUSE = timedelta(seconds=30)
_MARKER = "gms="
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""An expiry before this (`0001-01-01` is how .NET writes none) is past anyway, and nothing can be subtracted from it."""


class Action(StrEnum):
    """What can be done for a mailbox."""

    NOTHING = "nothing"
    REPORT = "report"
    """Write the status; call nobody."""
    RECORD = "record"
    """Write to Postgres what it missed; call nobody else."""
    CHECK_CREDENTIAL = "check-credential"
    """Read the Secret, to see whether it has changed."""
    CREATE = "create"
    RENEW = "renew"
    """PATCH; when Graph has lost the subscription, create it anew."""
    VERIFY = "verify"
    """GET, to notice a loss."""
    ADOPT = "adopt"
    DELETE = "delete"
    """Delete the subscription at Graph."""
    RELEASE = "release"
    """Let go of the resource without a call to Graph."""


CALLS_GRAPH = frozenset({Action.CREATE, Action.RENEW, Action.VERIFY, Action.ADOPT, Action.DELETE})
NEEDS_STORES = frozenset({Action.CREATE, Action.ADOPT, Action.DELETE})
"""What must not happen while Postgres or the API server is away (design, rule 5): it could not be written down."""


class Reason(StrEnum):
    """Why. These words also stand in conditions, events, logs and metrics."""

    UP_TO_DATE = "UpToDate"
    DELETED = "Deleted"
    RETAINED = "Retained"
    SUSPENDED = "Suspended"
    RESUMED = "Resumed"
    STALLED = "Stalled"
    AWAITING_CREDENTIALS = "AwaitingCredentials"
    CREDENTIAL_CHANGED = "CredentialChanged"
    SPEC_CHANGED = "SpecChanged"
    RENEWAL_REQUESTED = "RenewalRequested"
    ADOPTION_REQUESTED = "AdoptionRequested"
    BACKING_OFF = "BackingOff"
    STORE_AWAY = "StoreAway"
    NOT_SUBSCRIBED = "NotSubscribed"
    EXPIRY_UNKNOWN = "ExpiryUnknown"
    EXPIRED = "Expired"
    WITHIN_LOOK_AHEAD = "WithinLookAhead"
    RENEWAL_INTERVAL = "RenewalInterval"
    NOTIFICATION_URL_CHANGED = "NotificationURLChanged"
    NOT_SYNCED = "NotSynced"
    VERIFICATION_DUE = "VerificationDue"
    STATUS_OUTDATED = "StatusOutdated"


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's own rules, from its settings."""

    tick: timedelta = timedelta(minutes=15)
    """How often each resource is looked at; a renewal is planned one tick early, so that no tick comes too late."""
    look_ahead: timedelta = timedelta(hours=24)
    """Renew this long before expiry, where the resource does not say."""
    lifetime: timedelta = timedelta(minutes=10_000)
    """The lifetime asked for at Graph, where the resource does not say."""
    verification_interval: timedelta | None = timedelta(hours=1)
    """How often Graph is asked whether the subscription lives; None: never."""
    renewal_interval: timedelta | None = None
    """Renew when the last renewal is older than this, whatever the expiry; None: off."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the process knows beside the resource."""

    verified_at: datetime | None = None
    """When Graph last confirmed the subscription to this process; None: not since the start."""
    seen_at: datetime | None = None
    """When this process first saw the resource: the spread of the first verification starts here."""
    stores_away: bool = False
    """Postgres or the API server cannot be reached."""
    unwritten: bool = False
    """The status in memory is newer than the one that the API server holds."""
    unsynced: bool = False
    """An outcome waits to be written to Postgres."""
    notified_at: datetime | None = None
    """When a notification last arrived, as far as known; told in the status at most hourly."""
    notification_url: str | None = None
    """The URL that Graph should deliver to, with our marker."""


class Decision(NamedTuple):
    """What to do, why, and when to look again at the latest."""

    action: Action
    reason: Reason
    message: str
    again_at: datetime


@dataclass(frozen=True, slots=True)
class _Case:
    resource: GraphMailSubscription
    now: datetime
    policy: Policy
    known: Known

    def decision(self, action: Action, reason: Reason, message: str, again_at: datetime | None = None) -> Decision:
        return Decision(action, reason, message, again_at or self.now + self.policy.tick)

    def annotation(self, name: str) -> str | None:
        return self.resource.metadata.annotations.get(name)

    @property
    def requested(self) -> bool:
        """A person asked for a renewal with a value that was not acted on yet."""
        value = self.annotation(ANNOTATION_RENEW)
        return bool(value) and value != self.resource.status.last_handled_renewal

    @property
    def changed(self) -> bool:
        """A person changed, resumed or deleted the resource since the last attempt: that ends every wait for time to pass."""
        return self.resource.metadata.generation != self.resource.status.observed_generation

    @property
    def backing_off(self) -> bool:
        """An attempt has failed, and the next one is not due yet."""
        again = self.resource.status.next_attempt_time
        return again is not None and again > self.now and not self.changed

    @property
    def held(self) -> bool:
        """Graph holds a subscription of ours, or may hold one."""
        status = self.resource.status
        return status.subscription_id is not None or status.pending_create_time is not None


def decide(resource: GraphMailSubscription, *, now: datetime, policy: Policy, known: Known = Known()) -> Decision:
    """The next thing to do for this mailbox.

    Args:
        resource: the resource, with the newest status that is known.
        now: the time at Graph (the clock, corrected by the offset to Graph's `Date` header).
        policy: the operator's settings.
        known: what this process knows beside the resource.
    """
    case = _Case(resource, now, policy, known)
    for check in CHECKS:
        decision = check(case)
        if decision is not None:
            return _without_stores(case, decision)
    raise AssertionError("the last check always answers")


def renewal_time(resource: GraphMailSubscription, policy: Policy) -> datetime | None:
    """When the subscription is to be renewed: expiry less min(lookAhead, granted ÷ 2), one tick and jitter (design, rule 9).

    Jitter comes from the resource's uid and the expiry, so that it stays the same over a restart, and only makes the renewal earlier. An
    adopted subscription that was never renewed by us has no known grant; its lookAhead counts alone. None: there is no known expiry.
    """
    status = resource.status
    if status.expiration_time is None:
        return None
    margin = resource.spec.look_ahead_time or policy.look_ahead
    tick = policy.tick
    jitter = (resource.spec.lifetime_time or policy.lifetime) * JITTER_SHARE
    granted = _granted(resource)
    if granted is not None:
        margin = min(margin, granted / 2)
        tick = min(tick, granted / 10)
        jitter = min(jitter, granted * JITTER_SHARE)
    due = max(status.expiration_time, _EARLIEST) - margin - tick - jitter * _fraction(resource)
    due = min(due, _interval_end(resource, policy) or due)
    return due.replace(microsecond=0)


def adoption_pending(resource: GraphMailSubscription) -> str | None:
    """The subscription that the provider's row names and that was not looked up at Graph yet; None: there is none."""
    wanted, status = resource.metadata.annotations.get(ANNOTATION_ADOPT), resource.status
    return None if wanted in {None, "", status.subscription_id, status.last_handled_adoption} else wanted


def verification_time(resource: GraphMailSubscription, policy: Policy, known: Known) -> datetime | None:
    """When Graph is to be asked next whether the subscription lives; None: never.

    After a start the whole fleet is unverified: the first verification falls somewhere within one interval, spread by uid.
    """
    interval = policy.verification_interval
    if interval is None or resource.status.subscription_id is None:
        return None
    if known.verified_at is not None:
        return known.verified_at + interval
    start = known.seen_at or resource.status.last_attempt_time or datetime.min.replace(tzinfo=UTC)
    return start + interval * _fraction(resource)


def _interval_end(resource: GraphMailSubscription, policy: Policy) -> datetime | None:
    """When the last renewal becomes too old, if the policy has a limit; jitter spreads what was renewed together here as well."""
    interval, last = policy.renewal_interval, resource.status.last_renewal_time
    if interval is None or last is None:
        return None
    return last + interval * (1 - JITTER_SHARE * _fraction(resource))


def _granted(resource: GraphMailSubscription) -> timedelta | None:
    first = resource.status.folder(resource.spec.folders[0])
    if first is None or first.granted_time is None or resource.status.expiration_time is None:
        return None
    return max(resource.status.expiration_time - first.granted_time, timedelta())


def _fraction(resource: GraphMailSubscription) -> float:
    """A number in [0, 1) that is the mailbox's own for this expiry."""
    expiry = resource.status.expiration_time
    seed = f"{resource.metadata.uid}/{expiry and int(expiry.timestamp())}".encode()
    return int.from_bytes(hashlib.blake2b(seed, digest_size=6).digest(), "big") / 2**48


def _without_stores(case: _Case, decision: Decision) -> Decision:
    if not case.known.stores_away or decision.action not in NEEDS_STORES:
        return decision
    message = f"{decision.action} waits: Postgres or the API server cannot be reached, and what was done could not be written down"
    return case.decision(Action.NOTHING, Reason.STORE_AWAY, message, case.now + min(_STORE_PAUSE, case.policy.tick))


def _deleted(case: _Case) -> Decision | None:
    resource = case.resource
    if resource.metadata.deletion_timestamp is None:
        return None
    if resource.spec.deletion_policy is DeletionPolicy.RETAIN:
        return case.decision(
            Action.RELEASE, Reason.RETAINED, "deleted; deletionPolicy Retain leaves the subscription to expire"
        )
    if not case.held:
        return _named_by_row(case) or case.decision(
            Action.RELEASE, Reason.DELETED, "deleted; there is no subscription at Graph"
        )
    expires_at = resource.status.expiration_time
    if expires_at is not None and expires_at <= case.now and resource.status.pending_create_time is None:
        return case.decision(Action.RELEASE, Reason.EXPIRED, "deleted; the subscription at Graph has expired")
    return _backoff(case) or case.decision(
        Action.DELETE, Reason.DELETED, "deleted; the subscription at Graph is deleted as well"
    )


def _suspended(case: _Case) -> Decision | None:
    spec, status = case.resource.spec, case.resource.status
    if not spec.suspend:
        return None
    if spec.suspend_policy is SuspendPolicy.DELETE and (case.held or adoption_pending(case.resource)):
        return (
            (_blocked(case) if _unblocked_by(case) is None else None)
            or _backoff(case)
            or _named_by_row(case)
            or case.decision(
                Action.DELETE, Reason.SUSPENDED, "suspended; suspendPolicy Delete takes the subscription away"
            )
        )
    ready = status.condition(ConditionType.READY)
    if ready is None or ready.reason != Reason.SUSPENDED.value or case.changed:
        return case.decision(
            Action.REPORT, Reason.SUSPENDED, "suspended: no calls to Graph; the subscription is left to expire"
        )
    return (
        _unsynced(case)
        or _unwritten(case)
        or case.decision(Action.NOTHING, Reason.SUSPENDED, "suspended: no calls to Graph")
    )


def _resumed(case: _Case) -> Decision | None:
    """What happened at Graph meanwhile is not known: it is asked at once."""
    if not suspended_before(case.resource) or case.resource.status.subscription_id is None:
        return None
    if _due(case) is not None:
        return None
    return case.decision(Action.VERIFY, Reason.RESUMED, "resumed: Graph is asked whether the subscription lives")


def suspended_before(resource: GraphMailSubscription) -> bool:
    """The status still tells of a suspension that the spec does not ask for any more."""
    ready = resource.status.condition(ConditionType.READY)
    return ready is not None and ready.reason == Reason.SUSPENDED.value and not resource.spec.suspend


def _unblocked(case: _Case) -> Decision | None:
    """A stall, or a credential that is not there yet, ends by a changed credential or spec (or by force): never by time."""
    reason = _unblocked_by(case) if _blocked_reason(case) else None
    if reason is None:
        return None
    changed = "credential" if reason is Reason.CREDENTIAL_CHANGED else "resource"
    return _attempt(case, reason, f"the {changed} has changed")


def _unblocked_by(case: _Case) -> Reason | None:
    credential = case.annotation(ANNOTATION_CREDENTIAL)
    if credential and credential != case.resource.status.observed_credential:
        return Reason.CREDENTIAL_CHANGED
    return Reason.SPEC_CHANGED if case.changed else None


def _blocked(case: _Case) -> Decision | None:
    reason = _blocked_reason(case)
    if reason is None:
        return None
    if case.resource.spec.credentials.source is CredentialSource.SECRET:
        return case.decision(Action.CHECK_CREDENTIAL, reason, "waiting for the Secret to change")
    return case.decision(Action.NOTHING, reason, "waiting for a person: see the conditions")


def _blocked_reason(case: _Case) -> Reason | None:
    status = case.resource.status
    if status.says(ConditionType.STALLED, "True"):
        return Reason.STALLED
    authorized = status.condition(ConditionType.AUTHORIZED)
    awaiting = authorized is not None and authorized.reason == Reason.AWAITING_CREDENTIALS.value
    return Reason.AWAITING_CREDENTIALS if awaiting else None


def _attempt(case: _Case, reason: Reason, message: str) -> Decision:
    if case.resource.status.subscription_id is not None:
        return case.decision(Action.RENEW, reason, message)
    return _named_by_row(case) or case.decision(Action.CREATE, reason, message)


def _requested(case: _Case) -> Decision | None:
    return _attempt(case, Reason.RENEWAL_REQUESTED, "a renewal was requested by annotation") if case.requested else None


def _adoption(case: _Case) -> Decision | None:
    """The back-fill. It waits while a store is away, so that what is held meanwhile can be renewed."""
    if case.backing_off or (case.known.stores_away and case.resource.status.subscription_id is not None):
        return None
    return _named_by_row(case)


def _named_by_row(case: _Case) -> Decision | None:
    """The row knows an id that the status does not: it is asked for at Graph before anything is created."""
    wanted = adoption_pending(case.resource)
    if wanted is None:
        return None
    return case.decision(Action.ADOPT, Reason.ADOPTION_REQUESTED, f"the row names subscription {wanted}")


def _backoff(case: _Case) -> Decision | None:
    if not case.backing_off:
        return None
    status = case.resource.status
    message = f"failed {status.consecutive_failures} times in a row; tried again later"
    return case.decision(Action.NOTHING, Reason.BACKING_OFF, message, status.next_attempt_time)


def _missing(case: _Case) -> Decision | None:
    if case.resource.status.subscription_id is not None:
        return None
    return case.decision(Action.CREATE, Reason.NOT_SUBSCRIBED, "there is no subscription yet")


def _unknown_expiry(case: _Case) -> Decision | None:
    if case.resource.status.expiration_time is not None:
        return None
    return case.decision(Action.RENEW, Reason.EXPIRY_UNKNOWN, "the subscription's expiry is not known")


def _due(case: _Case) -> Decision | None:
    status, policy = case.resource.status, case.policy
    due = renewal_time(case.resource, policy)
    if due is None or status.expiration_time is None or case.now < due:
        return None
    if status.expiration_time <= case.now:
        return case.decision(Action.RENEW, Reason.EXPIRED, f"expired at {write_time(status.expiration_time)}")
    interval_end = _interval_end(case.resource, policy)
    if interval_end is not None and interval_end <= case.now:
        return case.decision(
            Action.RENEW, Reason.RENEWAL_INTERVAL, "the last renewal is older than the renewal interval"
        )
    return case.decision(Action.RENEW, Reason.WITHIN_LOOK_AHEAD, f"expires at {write_time(status.expiration_time)}")


def _changed_url(case: _Case) -> Decision | None:
    """A changed URL is a PATCH (Graph's contract), but never for an adopted subscription's missing marker alone: that can wait."""
    first = case.resource.status.folder(case.resource.spec.folders[0])
    if first is None or first.notification_url is None or case.known.notification_url is None:
        return None
    if _unmarked(first.notification_url) == _unmarked(case.known.notification_url):
        return None
    return case.decision(Action.RENEW, Reason.NOTIFICATION_URL_CHANGED, "Graph delivers to another URL than the spec's")


def _unmarked(url: str) -> tuple[str, list[str]]:
    base, _, query = url.partition("?")
    return base, [parameter for parameter in query.split("&") if parameter and not parameter.startswith(_MARKER)]


def _unsynced(case: _Case) -> Decision | None:
    missed = case.known.unsynced or case.resource.status.says(ConditionType.SYNCED, "False")
    if missed and not case.known.stores_away and not _pressing(case):
        return case.decision(Action.RECORD, Reason.NOT_SYNCED, "Postgres has not got the outcome yet")
    return None


def _unwritten(case: _Case) -> Decision | None:
    if case.known.unwritten and not case.known.stores_away and not _pressing(case):
        return case.decision(Action.REPORT, Reason.STATUS_OUTDATED, "the status could not be written before")
    return None


def _pressing(case: _Case) -> bool:
    """A renewal that could be made now. A store that refuses what it is told must not cost a mailbox its cover."""
    waits = case.resource.spec.suspend or case.backing_off or _blocked_reason(case) is not None
    held = case.resource.status.subscription_id is not None
    return held and not waits and (_unknown_expiry(case) or _due(case)) is not None


def _verification(case: _Case) -> Decision | None:
    due = verification_time(case.resource, case.policy, case.known)
    if due is None or case.now < due:
        return None
    return case.decision(Action.VERIFY, Reason.VERIFICATION_DUE, "Graph is asked whether the subscription lives")


def _report(case: _Case) -> Decision | None:
    if not case.changed and not notification_is_news(case.resource, case.known.notified_at):
        return None
    return case.decision(Action.REPORT, Reason.STATUS_OUTDATED, "the status describes an older state")


def notification_is_news(resource: GraphMailSubscription, arrived: datetime | None) -> bool:
    """A notification that came so long after the one that the status tells of that it is worth a write."""
    told = resource.status.last_notification_time
    return arrived is not None and (told is None or arrived - told >= _NOTIFICATION_NEWS)


def _nothing(case: _Case) -> Decision:
    planned = (renewal_time(case.resource, case.policy), verification_time(case.resource, case.policy, case.known))
    again_at = min(
        [case.now + case.policy.tick, *(max(moment, case.now + _SOON) for moment in planned if moment is not None)]
    )
    return case.decision(Action.NOTHING, Reason.UP_TO_DATE, "nothing is due", again_at)


CHECKS: tuple[Callable[[_Case], Decision | None], ...] = (
    _deleted,
    _suspended,
    _requested,
    _unblocked,
    _unsynced,
    _unwritten,
    _blocked,
    _adoption,
    _backoff,
    _resumed,
    _missing,
    _unknown_expiry,
    _due,
    _changed_url,
    _verification,
    _report,
    _nothing,
)
"""In this order; the first that answers wins."""
