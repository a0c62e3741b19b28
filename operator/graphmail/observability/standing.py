"""How a mailbox stands, in one state and one reason: what metrics count, and what alerts ask for. Pure."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from graphmail.decision import Reason, awaits_credentials
from graphmail.resource import FolderState, GraphMailSubscription, Status
from graphmail.resource.conditions import ConditionType
from graphmail.resource.model import Condition


class State(StrEnum):
    """The states that resources are counted by; the first that holds is the one."""

    DELETING = "deleting"
    SUSPENDED = "suspended"
    STALLED = "stalled"
    AWAITING_CREDENTIALS = "awaiting_credentials"
    OBSERVED = "observed"
    READY = "ready"
    NOT_READY = "not_ready"


PENDING = "Pending"
"""The reason of a mailbox that the operator has not looked at yet."""
DELETING = "Deleting"
"""The reason of a mailbox whose resource is deleted, and is being let go."""
OTHERS_MUST_ACT = frozenset({"ReauthorizationRequired", "MailboxNotEnabled"})
"""Stalled for these reasons, a mailbox waits for its owner or its administrator: nobody on call can bring its cover back."""
_UNTRIED = frozenset({PENDING, Reason.NOT_SUBSCRIBED.value, Reason.SUSPENDED.value})
"""Without cover for these reasons, a mailbox waits for its first attempt, mostly for a turn in Graph's quota, and none has failed."""
_LEFT_ALONE = frozenset({State.DELETING, State.SUSPENDED, State.AWAITING_CREDENTIALS, State.OBSERVED})


class Standing(NamedTuple):
    """A mailbox's state, why it is so, and since when."""

    state: State
    reason: str
    """A word of docs/observability.md: of the condition that says most."""
    since: datetime | None
    """When it began to be other than ready; None while it is ready, and where nobody knows."""

    @property
    def expects_cover(self) -> bool:
        """The operator, or whoever is on call, is to keep a subscription alive for it."""
        if self.state is State.STALLED:
            return self.reason not in OTHERS_MUST_ACT
        return self.state not in _LEFT_ALONE


def unheard_since(resource: GraphMailSubscription, standing: Standing) -> datetime | None:
    """Since when it is ready without a notification ever; None for any other, and without a row, which alone tells of notifications."""
    status = resource.status
    if standing.state is not State.READY or status.last_notification_time is not None or not resource.mirrored:
        return None
    ready = status.condition(ConditionType.READY)
    return ready.last_transition_time if ready is not None else None


def uncovered_since(resource: GraphMailSubscription, standing: Standing) -> datetime | None:
    """Since when it is not ready, where it has lost its cover and an attempt to bring that back has failed; None for any other.

    One that has never had a subscription, and whose row never named one, has lost nothing: whoever connects it sees that it fails.
    """
    status = resource.status
    if standing.state is State.READY or not standing.expects_cover or standing.reason in _UNTRIED:
        return None
    return standing.since if _had_cover(status) and _bare(status) else None


def _had_cover(status: Status) -> bool:
    return status.last_renewal_time is not None or status.last_handled_adoption is not None


def _bare(status: Status) -> bool:
    """A folder that is to be watched has no subscription."""
    if len(status.subscriptions) < 2:
        return status.expiration_time is None
    watched = (row for row in status.subscriptions if row.state is not FolderState.NOT_DELIVERABLE)
    return any(row.expiration_time is None for row in watched)


def standing_of(resource: GraphMailSubscription) -> Standing:
    """How that mailbox stands."""
    if resource.metadata.deletion_timestamp is not None:
        return Standing(State.DELETING, DELETING, resource.metadata.deletion_timestamp)
    conditions = {condition.type: condition for condition in resource.status.conditions}
    ready = conditions.get(ConditionType.READY)
    since = ready.last_transition_time if ready is not None else resource.metadata.creation_timestamp
    found = _without_work(resource, conditions)
    if found is not None:
        return Standing(*found, since)
    if ready is None:
        return Standing(State.NOT_READY, PENDING, since)
    if ready.reason == Reason.OBSERVING.value:
        return Standing(State.OBSERVED, ready.reason, since)
    if ready.status == "True":
        return Standing(State.READY, ready.reason, None)
    return Standing(State.NOT_READY, ready.reason, since)


def _without_work(resource: GraphMailSubscription, conditions: Mapping[str, Condition]) -> tuple[State, str] | None:
    """State and reason, where the operator rightly makes no calls for it.

    One that waits for a credential and was covered before has lost that credential: a mount, a Secret, a row. That is for people to know.
    """
    if resource.spec.suspend:
        return State.SUSPENDED, Reason.SUSPENDED.value
    stalled = conditions.get(ConditionType.STALLED)
    if stalled is not None and stalled.status == "True":
        return State.STALLED, stalled.reason
    if awaits_credentials(resource.status) and not _had_cover(resource.status):
        return State.AWAITING_CREDENTIALS, Reason.AWAITING_CREDENTIALS.value
    return None
