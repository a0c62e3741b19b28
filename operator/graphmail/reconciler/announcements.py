"""Which events tell of a piece of work. Pure."""

from graphmail.decision import Reason, Step
from graphmail.graph import Meaning
from graphmail.observability.events import EventReason
from graphmail.reconciler.result import Deed, Result
from graphmail.reconciler.verdicts import REASONS
from graphmail.resource.lifecycle import LifecycleEvent
from graphmail.resource.moments import write_time

_GOOD = {
    Deed.CREATE: EventReason.CREATED,
    Deed.RENEW: EventReason.RENEWED,
    Deed.RECREATE: EventReason.RECREATED,
    Deed.REPLACE: EventReason.REPLACED,
    Deed.ADOPT: EventReason.ADOPTED,
    Deed.DELETE: EventReason.DELETED,
}
_FROM_GRAPH = {
    LifecycleEvent.REAUTHORIZATION_REQUIRED: (
        EventReason.RENEWAL_ASKED_BY_GRAPH,
        "Graph asks for a renewal of subscription {}",
    ),
    LifecycleEvent.SUBSCRIPTION_REMOVED: (
        EventReason.SUBSCRIPTION_REMOVED,
        "Graph says that it has removed subscription {}: another one takes its place",
    ),
    LifecycleEvent.MISSED: (
        EventReason.NOTIFICATIONS_MISSED,
        "Graph says that notifications of subscription {} were missed: what came meanwhile is to be read from the mailbox",
    ),
}
_ORDINARY = frozenset({Reason.WITHIN_LOOK_AHEAD, Reason.RENEWAL_INTERVAL, Reason.RENEWAL_ASKED_BY_GRAPH})
"""Why a whole fleet may be renewed within a minute."""


def is_routine(step: Step, result: Result) -> bool:
    """A renewal that went as planned, or as Graph asked: no person did, and nothing had failed before it."""
    planned = step.decision.reason in _ORDINARY and step.resource.status.consecutive_failures == 0
    return planned and result.deed is Deed.RENEW and result.success


def announcement(result: Result) -> tuple[EventReason, str] | None:
    """The event for a piece of work; None where nobody needs one: a verification, or a wait that the conditions tell of."""
    verdict = result.verdict
    if verdict is None:
        reason = _GOOD.get(result.deed)
        return None if reason is None or result.refused else (reason, _tell(result))
    if verdict.awaits_credentials:
        return None
    if verdict.reason == REASONS[Meaning.ENDPOINT]:
        return EventReason.NOTIFICATION_ENDPOINT_FAILED, f"{result.deed} failed: {verdict.message}"
    if verdict.terminal and verdict.authorized is False:
        return EventReason.REAUTHORIZATION_REQUIRED, verdict.message
    return EventReason.RENEWAL_FAILED, f"{result.deed} failed: {verdict.message}"


def told_by_graph(event: LifecycleEvent, subscription_id: str | None) -> tuple[EventReason, str]:
    """The event for a lifecycle notification."""
    reason, words = _FROM_GRAPH[event]
    return reason, words.format(subscription_id)


def _tell(result: Result) -> str:
    if result.held is None:
        return "there is no subscription at Graph any more"
    told = f"subscription {result.held.subscription_id}, covered until {write_time(result.held.expires_at)}"
    if result.gap is not None:
        told = (
            f"{told}; Graph refused both beside each other, and there was none for {result.gap.total_seconds():.1f} s"
        )
    return f"{told} ({result.note})" if result.note else told
