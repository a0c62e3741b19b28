"""What to do next for one folder of a mailbox, and why: one pure function over an ordered list of small checks.

Each check answers with a decision, or with nothing; the first that answers wins.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from graphmail.decision.arrivals import notification_is_news
from graphmail.decision.case import Case, blocked_reason
from graphmail.decision.differences import can_wait, differences
from graphmail.decision.lifecycle import lifecycle_news, renewal_asked, told_by_graph
from graphmail.decision.silence import next_look, silent, suspected
from graphmail.decision.times import interval_end, renewal_time, verification_time
from graphmail.decision.words import NEEDS_STORES, Action, Decision, Known, Mode, Policy, Reason
from graphmail.resource import CredentialSource, DeletionPolicy, GraphMailSubscription, SuspendPolicy
from graphmail.resource.conditions import ConditionType
from graphmail.resource.lifecycle import LifecycleEvent, Told
from graphmail.resource.moments import write_time
from graphmail.resource.names import (
    ANNOTATION_ADOPT,
)

_SOON = timedelta(seconds=1)
_STORE_PAUSE = timedelta(seconds=30)
_MARKER = "gms="
_UNBLOCKED = {
    Reason.CREDENTIAL_CHANGED: "the credential has changed",
    Reason.SPEC_CHANGED: "the resource has changed",
    Reason.ATTEMPT_FAILED: "the last attempt failed, and is made again",
}


def decide(resource: GraphMailSubscription, *, now: datetime, policy: Policy, known: Known | None = None) -> Decision:
    """The next thing to do for this mailbox, as one folder of it sees it.

    Args:
        resource: the resource, with the newest status that is known.
        now: the time at Graph (the clock, corrected by the offset to Graph's `Date` header).
        policy: the operator's settings.
        known: what this process knows beside the resource; None: nothing.
    """
    return _first_answer(CHECKS, Case(resource, now, policy, known or Known()))


def decide_unwanted(resource: GraphMailSubscription, *, now: datetime, policy: Policy, known: Known) -> Decision:
    """The next thing to do for a folder that is not to be watched any more, and whose subscription is still there."""
    return _first_answer(UNWANTED_CHECKS, Case(resource, now, policy, known))


def _first_answer(checks: "Checks", case: Case) -> Decision:
    for check in checks:
        decision = check(case)
        if decision is not None:
            return _without_stores(case, _taking_up(case, decision))
    raise AssertionError("the last check always answers")


def adoption_pending(resource: GraphMailSubscription) -> str | None:
    """The subscription that the provider's row names and that was not looked up at Graph yet; None: there is none."""
    wanted, status = resource.metadata.annotations.get(ANNOTATION_ADOPT), resource.status
    return None if wanted in {None, "", status.subscription_id, status.last_handled_adoption} else wanted


def _without_stores(case: Case, decision: Decision) -> Decision:
    if not case.known.stores_away or decision.action not in NEEDS_STORES:
        return decision
    message = f"{decision.action} waits: Postgres or the API server cannot be reached, and what was done could not be written down"
    return _wait_for_stores(case, message)


def _wait_for_stores(case: Case, message: str) -> Decision:
    return case.decision(Action.NOTHING, Reason.STORE_AWAY, message, case.now + min(_STORE_PAUSE, case.policy.tick))


def _taking_up(case: Case, decision: Decision) -> Decision:
    """Of what was made with another lifecycle URL, a renewal is a replacement: one that is not puts the new URL off by a lifetime.

    Not where the notification URL has changed, for a fleet changes that at once. After a failure, and while it could not be written down,
    what is there is renewed as well.
    """
    status, moves = case.resource.status, decision.reason is Reason.NOTIFICATION_URL_CHANGED
    lives = status.expiration_time is not None and status.expiration_time > case.now
    failed = status.next_attempt_time is not None
    if decision.action is not Action.RENEW or moves or failed or not lives or case.known.stores_away:
        return decision
    different = differences(case.resource)
    if not can_wait(case.resource, different):
        return decision
    return decision._replace(action=Action.REPLACE, message=f"{decision.message}; {_outdated_by(different)}")


def _not_served(case: Case) -> Decision | None:
    """A tenant that is not served (any more): nothing is done for it, and its subscriptions are left as they are."""
    resource = case.resource
    if resource.spec.credentials.source is not CredentialSource.PROVIDER_ROW or case.policy.serves(
        resource.spec.tenant
    ):
        return None
    if resource.metadata.deletion_timestamp is not None:
        return case.decision(
            Action.RELEASE, Reason.NOT_SERVED, "deleted; the subscription of a tenant that is not served stays"
        )
    return case.decision(
        Action.NOTHING, Reason.NOT_SERVED, "GRAPHMAIL_TENANTS does not name the tenant: nothing is done"
    )


def _deleted(case: Case) -> Decision | None:
    resource = case.resource
    if resource.metadata.deletion_timestamp is None:
        return None
    if resource.spec.deletion_policy is DeletionPolicy.RETAIN:
        return case.decision(
            Action.RELEASE, Reason.RETAINED, "deleted; deletionPolicy Retain leaves the subscription to expire"
        )
    if not case.held:
        named = _named_by_row(case)
        return (
            (named and _standstill(case))
            or named
            or case.decision(Action.RELEASE, Reason.DELETED, "deleted; there is no subscription at Graph")
        )
    expires_at = resource.status.expiration_time
    if expires_at is not None and expires_at <= case.now and resource.status.pending_create_time is None:
        return case.decision(Action.RELEASE, Reason.EXPIRED, "deleted; the subscription at Graph has expired")
    return _standstill(case) or case.decision(
        Action.DELETE, Reason.DELETED, "deleted; the subscription at Graph is deleted as well"
    )


def _standstill(case: Case) -> Decision | None:
    """What keeps a subscription that is to go from being deleted."""
    return (_blocked(case) if _unblocked_by(case) is None else None) or _backoff(case)


def _suspended(case: Case) -> Decision | None:
    spec, status = case.resource.spec, case.resource.status
    if not spec.suspend:
        return None
    if spec.suspend_policy is SuspendPolicy.DELETE and (case.held or adoption_pending(case.resource)):
        return (
            _standstill(case)
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


def _resumed(case: Case) -> Decision | None:
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


def _observed_before(case: Case) -> Decision | None:
    """The status still tells what would be done: now Graph is asked how the subscription stands, if nothing else is due."""
    ready = case.resource.status.condition(ConditionType.READY)
    if ready is None or ready.reason != Reason.OBSERVING.value or case.resource.status.subscription_id is None:
        return None
    if _due(case) is not None or case.policy.mode is Mode.OBSERVE:
        return None
    return case.decision(
        Action.VERIFY, Reason.VERIFICATION_DUE, "no longer observing: Graph is asked whether the subscription lives"
    )


def _unblocked(case: Case) -> Decision | None:
    """A stall, or a credential that is not there yet, ends by a changed credential or spec (or by force). By time only where the last
    attempt said so: what refused it may have changed unseen."""
    reason = _unblocked_by(case) if blocked_reason(case.resource.status) else None
    if reason is None:
        return None
    if reason is Reason.CREDENTIAL_CHANGED and case.known.stores_away:
        return _wait_for_stores(case, "the changed credential is read once Postgres and the API server are back")
    return _attempt(case, reason, _UNBLOCKED[reason])


def _unblocked_by(case: Case) -> Reason | None:
    if case.credential_changed:
        return Reason.CREDENTIAL_CHANGED
    if case.changed:
        return Reason.SPEC_CHANGED
    return Reason.ATTEMPT_FAILED if case.resource.status.next_attempt_time and not case.backing_off else None


def _missed_at_a_standstill(case: Case) -> Decision | None:
    """That Graph has dropped some is told also while nothing can be done: it needs no credential, and no call."""
    if blocked_reason(case.resource.status) is None or case.policy.mode is Mode.OBSERVE:
        return None
    return _missed(case) if LifecycleEvent.MISSED in lifecycle_news(case.resource, case.now) else None


def _blocked(case: Case) -> Decision | None:
    reason = blocked_reason(case.resource.status)
    if reason is None:
        return None
    if case.in_secret and not case.credential_changed:
        return case.decision(Action.CHECK_CREDENTIAL, reason, "waiting for the Secret to change")
    return case.decision(Action.NOTHING, reason, "waiting for a person: see the conditions")


def _attempt(case: Case, reason: Reason, message: str) -> Decision:
    if case.resource.status.subscription_id is not None:
        return case.decision(Action.RENEW, reason, message)
    named = _named_by_row(case)
    return named._replace(reason=reason) if named is not None else case.decision(Action.CREATE, reason, message)


def _requested(case: Case) -> Decision | None:
    return _attempt(case, Reason.RENEWAL_REQUESTED, "a renewal was requested by annotation") if case.requested else None


def _adoption(case: Case) -> Decision | None:
    """The back-fill. It waits while a store is away, so that what is held meanwhile can be renewed."""
    if case.backing_off or (case.known.stores_away and case.resource.status.subscription_id is not None):
        return None
    return _named_by_row(case)


def _named_by_row(case: Case) -> Decision | None:
    """The row knows an id that the status does not: it is asked for at Graph before anything is created."""
    wanted = adoption_pending(case.resource)
    if wanted is None:
        return None
    return case.decision(Action.ADOPT, Reason.ADOPTION_REQUESTED, f"the row names subscription {wanted}")


def _told_by_graph(case: Case) -> Decision | None:
    """What Graph says of the subscription ends a wait, once: what was taken up and failed is tried again as any failure is."""
    told = told_by_graph(case.resource, case.now)
    if not told:
        return None
    news = lifecycle_news(case.resource, case.now)
    if news or not case.backing_off:
        decision = _gone_at_graph(case, told) or _asked_by_graph(case, told)
        if decision is not None:
            return decision
    if not news or _pressing(case):
        return None
    if LifecycleEvent.MISSED in news:
        return _missed(case)
    return case.decision(Action.REPORT, Reason.STATUS_OUTDATED, "what Graph asks for was done already")


def _missed(case: Case) -> Decision:
    return case.decision(Action.REPORT, Reason.NOTIFICATIONS_MISSED, "Graph says that notifications were missed")


def _gone_at_graph(case: Case, told: Told) -> Decision | None:
    """While a store is away nothing can be made anew; a renewal that is due shows whether it is true."""
    if LifecycleEvent.SUBSCRIPTION_REMOVED not in told or (case.known.stores_away and _pressing(case)):
        return None
    return case.decision(Action.REPLACE, Reason.SUBSCRIPTION_REMOVED, "Graph says that it has removed the subscription")


def _asked_by_graph(case: Case, told: Told) -> Decision | None:
    if not renewal_asked(case.resource, told):
        return None
    return case.decision(Action.RENEW, Reason.RENEWAL_ASKED_BY_GRAPH, "Graph asks for a renewal")


def _backoff(case: Case) -> Decision | None:
    if not case.backing_off:
        return None
    status = case.resource.status
    message = f"failed {status.consecutive_failures} times in a row; tried again later"
    action = Action.CHECK_CREDENTIAL if case.unauthorized and case.in_secret else Action.NOTHING
    return case.decision(action, Reason.BACKING_OFF, message, status.next_attempt_time)


def _missing(case: Case) -> Decision | None:
    if case.resource.status.subscription_id is not None:
        return None
    return case.decision(Action.CREATE, Reason.NOT_SUBSCRIBED, "there is no subscription yet")


def _unknown_expiry(case: Case) -> Decision | None:
    if case.resource.status.expiration_time is not None:
        return None
    return case.decision(Action.RENEW, Reason.EXPIRY_UNKNOWN, "the subscription's expiry is not known")


def _due(case: Case) -> Decision | None:
    status, policy = case.resource.status, case.policy
    due = renewal_time(case.resource, policy)
    if due is None or status.expiration_time is None or case.now < due:
        return None
    if status.expiration_time <= case.now:
        return case.decision(Action.RENEW, Reason.EXPIRED, f"expired at {write_time(status.expiration_time)}")
    last_moment = interval_end(case.resource, policy)
    if last_moment is not None and last_moment <= case.now:
        return case.decision(
            Action.RENEW, Reason.RENEWAL_INTERVAL, "the last renewal is older than the renewal interval"
        )
    return case.decision(Action.RENEW, Reason.WITHIN_LOOK_AHEAD, f"expires at {write_time(status.expiration_time)}")


def _changed_url(case: Case) -> Decision | None:
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


def _interrupted(case: Case) -> Decision | None:
    """A replacement that had to delete first was begun: whether the old one still lives is asked at once."""
    status = case.resource.status
    if status.pending_create_time is None or status.subscription_id is None:
        return None
    return case.decision(Action.VERIFY, Reason.OUTCOME_UNKNOWN, "a replacement was begun, and its end is not known")


def _outdated(case: Case) -> Decision | None:
    """What PATCH cannot change needs a replacement (Graph's contract): it changes expiry and notification URL only."""
    different = differences(case.resource)
    if not different or can_wait(case.resource, different):
        return None
    return case.decision(Action.REPLACE, Reason.SUBSCRIPTION_OUTDATED, _outdated_by(different))


def _outdated_by(different: list[str]) -> str:
    return f"the subscription was made with another {' and '.join(different)}"


def _removed(case: Case) -> Decision:
    folder = case.resource.spec.folders[0]
    return case.decision(Action.DELETE, Reason.FOLDER_REMOVED, f"folder {folder} is not to be watched any more")


def _left_to_expire(case: Case) -> Decision | None:
    spec = case.resource.spec
    if not spec.suspend or spec.suspend_policy is SuspendPolicy.DELETE:
        return None
    return case.decision(Action.NOTHING, Reason.SUSPENDED, "suspended: no calls to Graph")


def _unsynced(case: Case) -> Decision | None:
    missed = case.known.unsynced or case.resource.status.says(ConditionType.SYNCED, "False")
    if missed and not case.known.unsyncable and not case.known.stores_away and not _pressing(case):
        return case.decision(Action.RECORD, Reason.NOT_SYNCED, "Postgres has not got the outcome yet")
    return None


def _unwritten(case: Case) -> Decision | None:
    if case.known.unwritten and not case.known.stores_away and not _pressing(case):
        return case.decision(Action.REPORT, Reason.STATUS_OUTDATED, "the status could not be written before")
    return None


def _pressing(case: Case) -> bool:
    """A renewal that could be made now. A store that refuses what it is told must not cost a mailbox its cover."""
    waits = case.resource.spec.suspend or case.backing_off or blocked_reason(case.resource.status) is not None
    held = case.resource.status.subscription_id is not None
    return held and not waits and (_unknown_expiry(case) or _due(case)) is not None


def _silent(case: Case) -> Decision | None:
    found = silent(case.resource, now=case.now, policy=case.policy, known=case.known)
    return None if found is None else case.decision(*found)


def _suspected(case: Case) -> Decision | None:
    found = suspected(case.resource, now=case.now, policy=case.policy, known=case.known)
    return None if found is None else case.decision(*found)


def _verification(case: Case) -> Decision | None:
    due = verification_time(case.resource, case.policy, case.known)
    if due is None or case.now < due:
        return None
    return case.decision(Action.VERIFY, Reason.VERIFICATION_DUE, "Graph is asked whether the subscription lives")


def _retry(case: Case) -> Decision | None:
    """A renewal that was forced long before its time and failed is made good when it may be tried again; nothing else asks for it."""
    if case.resource.status.next_attempt_time is None or case.backing_off:
        return None
    return case.decision(Action.RENEW, Reason.ATTEMPT_FAILED, "the last attempt failed")


def _report(case: Case) -> Decision | None:
    if not case.changed and not notification_is_news(case.resource, case.known.notified_at):
        return None
    return case.decision(Action.REPORT, Reason.STATUS_OUTDATED, "the status describes an older state")


def _nothing(case: Case) -> Decision:
    planned = (
        renewal_time(case.resource, case.policy),
        verification_time(case.resource, case.policy, case.known),
        next_look(case.resource, now=case.now, policy=case.policy, known=case.known),
    )
    again_at = min(
        [case.now + case.policy.tick, *(max(moment, case.now + _SOON) for moment in planned if moment is not None)]
    )
    return case.decision(Action.NOTHING, Reason.UP_TO_DATE, "nothing is due", again_at)


Checks = tuple[Callable[[Case], Decision | None], ...]

CHECKS: Checks = (
    _not_served,
    _deleted,
    _suspended,
    _requested,
    _unblocked,
    _unsynced,
    _unwritten,
    _missed_at_a_standstill,
    _blocked,
    _adoption,
    _told_by_graph,
    _backoff,
    _resumed,
    _observed_before,
    _missing,
    _interrupted,
    _unknown_expiry,
    _due,
    _outdated,
    _changed_url,
    _silent,
    _verification,
    _retry,
    _report,
    _suspected,
    _nothing,
)
"""In this order; the first that answers wins."""

UNWANTED_CHECKS: Checks = (_not_served, _deleted, _left_to_expire, _blocked, _backoff, _removed)
"""The same for a folder that is not to be watched any more."""
