"""How urgent a piece of work is among all that spends Graph's quota (design, rule 8). Pure."""

from datetime import datetime

from graphmail.decision import Decision, Policy, Reason, renewal_time
from graphmail.graph import Priority
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import ANNOTATION_RENEW, BULK_PREFIX


def urgency(resource: GraphMailSubscription, decision: Decision, *, now: datetime, policy: Policy) -> Priority:
    """A person's request for one mailbox goes first, a request for many goes last.

    A mailbox that is not covered, or whose renewal is due anyway, never loses its place by having been asked for among many.
    """
    if decision.reason is not Reason.RENEWAL_REQUESTED:
        return Priority.NORMAL
    if not resource.metadata.annotations.get(ANNOTATION_RENEW, "").startswith(BULK_PREFIX):
        return Priority.FORCED
    due = renewal_time(resource, policy)
    return Priority.NORMAL if due is None or due <= now else Priority.BULK


def covered_until(resource: GraphMailSubscription, decision: Decision) -> datetime | None:
    """The expiry that its place among equals goes by; None: it is not covered. What Graph has removed covers nothing."""
    return None if decision.reason is Reason.SUBSCRIPTION_REMOVED else resource.status.expiration_time
