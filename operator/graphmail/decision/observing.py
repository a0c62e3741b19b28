"""What would be done, in the words that the status tells it in, where the operator only observes. Pure."""

from datetime import datetime

from graphmail.decision.times import planned_renewal
from graphmail.decision.words import Action, Decision, Known, Policy, Reason
from graphmail.resource import FolderState, FolderSubscription, GraphMailSubscription
from graphmail.resource.conditions import ConditionType
from graphmail.resource.moments import write_time

_AT_GRAPH = frozenset({Action.CREATE, Action.RENEW, Action.REPLACE, Action.DELETE, Action.ADOPT})
_STANDS = frozenset({Reason.SUSPENDED, Reason.NOT_SERVED, Reason.STALLED, Reason.AWAITING_CREDENTIALS})
"""Why nothing would be done, as the conditions tell it in either mode."""


def as_the_row_says(resource: GraphMailSubscription, known: Known) -> GraphMailSubscription:
    """The resource as if the subscription that the provider's row names were adopted, with the expiry that the row tells."""
    if known.row_subscription_id is None or known.row_expires_at is None:
        return resource
    row = FolderSubscription(
        folder=resource.spec.folders[0],
        state=FolderState.ACTIVE,
        subscription_id=known.row_subscription_id,
        expiration_time=known.row_expires_at,
    )
    named = {"subscription_id": row.subscription_id, "expiration_time": row.expiration_time, "subscriptions": [row]}
    return resource.model_copy(update={"status": resource.status.model_copy(update=named)})


def observed(
    resource: GraphMailSubscription, decided: Decision, later: Decision, *, now: datetime, policy: Policy, known: Known
) -> Decision:
    """In place of what was decided: to tell of it, or nothing where the status tells of it already.

    Args:
        decided: for the resource as it stands.
        later: for the resource as the row says, once its subscription is adopted.
    """
    if resource.metadata.deletion_timestamp is not None:
        message = "deleted while the operator observes: nothing happens at Graph"
        return Decision(Action.RELEASE, Reason.OBSERVING, message, now + policy.tick)
    if decided.reason in _STANDS and decided.action in {Action.NOTHING, Action.REPORT}:
        return decided
    planned = planned_renewal(as_the_row_says(resource, known), policy)
    message = f"observing, nothing is done: {_would(decided, later, planned, known)}"
    looks = [now + policy.tick, *([planned] if planned is not None and planned > now else [])]
    told = _tells(resource, message, planned) and not known.unwritten
    action = Action.NOTHING if told or known.stores_away else Action.REPORT
    would = decided.action if decided.action in _AT_GRAPH else None
    if would is Action.ADOPT and later.action is Action.RENEW:
        would = Action.RENEW
    return Decision(action, Reason.OBSERVING, message, min(looks), would)


def _would(decided: Decision, later: Decision, planned: datetime | None, known: Known) -> str:
    if decided.action is Action.ADOPT:
        text = f"would adopt subscription {known.row_subscription_id}, which the row names"
        if later.action is Action.RENEW:
            return f"{text}, and renew it at once: {later.message}"
        return f"{text}, and renew it at {write_time(planned)}" if planned is not None else text
    if decided.action in _AT_GRAPH:
        return f"would {decided.action} the subscription: {decided.message}"
    return f"would renew the subscription at {write_time(planned)}" if planned is not None else "would do nothing"


def _tells(resource: GraphMailSubscription, message: str, planned: datetime | None) -> bool:
    """The status says so already, and for this state of the spec."""
    status = resource.status
    ready = status.condition(ConditionType.READY)
    current = status.observed_generation == resource.metadata.generation and status.next_renewal_time == planned
    return current and ready is not None and (ready.reason, ready.message) == (Reason.OBSERVING.value, message)
