"""How a mailbox stands, for people: ready or not, why not, and what to do.

The resource's conditions say most of it. What they cannot say is that nobody writes them any more: a subscription that has expired
under a status that still says Ready, or a renewal that is long due, means that the operator is not running.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from graphmail.cli.spans import human
from graphmail.decision import Reason
from graphmail.resource import GraphMailSubscription
from graphmail.resource.answers import SUBSCRIBED
from graphmail.resource.conditions import ConditionType
from graphmail.resource.names import ANNOTATION_PAUSED

OVERDUE = timedelta(minutes=30)
"""A renewal that is due for longer than this, without a failure, was not noticed by anybody: twice the default tick."""
SILENT = timedelta(minutes=2)
"""A resource that stands untouched for longer than this was not noticed either."""
PENDING = "Pending"
"""The reason that is shown while the operator has not looked at a mailbox yet."""
OVERDUE_UNNOTICED = "Overdue"
"""The reason that is shown for a renewal that is long due."""
DELETING = "Deleting"
"""The reason that is shown for a resource that waits for the end of its subscription."""


class Ready(StrEnum):
    """Whether a mailbox is covered, as people ask it. In the order in which they want to see it."""

    NO = "no"
    UNKNOWN = "unknown"
    DELETING = "deleting"
    SUSPENDED = "suspended"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class Situation:
    """One mailbox, as it stands."""

    resource: GraphMailSubscription
    ready: Ready
    reason: str = ""
    message: str = ""
    """Why, and what to do; empty when all is well."""

    @property
    def order(self) -> tuple[int, datetime, str]:
        """Sorts trouble first, then by expiry."""
        status, metadata = self.resource.status, self.resource.metadata
        never = datetime.max.replace(tzinfo=metadata.creation_timestamp.tzinfo if metadata.creation_timestamp else None)
        return (list(Ready).index(self.ready), status.expiration_time or never, metadata.name)


def situation(resource: GraphMailSubscription, now: datetime) -> Situation:
    """How that mailbox stands now: the first check that answers."""
    for check in CHECKS:
        found = check(resource, now)
        if found is not None:
            return Situation(resource, *found)
    return Situation(resource, Ready.YES)


Found = tuple[Ready, str, str]


def _deleting(resource: GraphMailSubscription, now: datetime) -> Found | None:
    deleted = resource.metadata.deletion_timestamp
    if deleted is None:
        return None
    message = f"deleted {human(now - deleted)} ago; it goes when Graph has let go of the subscription"
    return Ready.DELETING, DELETING, _joined(message, _said(resource)[1])


def _suspended(resource: GraphMailSubscription, _: datetime) -> Found | None:
    if not resource.spec.suspend:
        return None
    why = resource.metadata.annotations.get(ANNOTATION_PAUSED)
    message = f"the provider's row says {why}" if why else "suspended by hand"
    return Ready.SUSPENDED, Reason.SUSPENDED.value, message


def _untouched(resource: GraphMailSubscription, now: datetime) -> Found | None:
    if resource.status.condition(ConditionType.READY) is not None:
        return None
    created = resource.metadata.creation_timestamp or now
    asked = ": is the operator running?" if now - created > SILENT else ""
    return (
        Ready.UNKNOWN,
        PENDING,
        f"the operator has not looked at it since it was made {human(now - created)} ago{asked}",
    )


def _expired_unnoticed(resource: GraphMailSubscription, now: datetime) -> Found | None:
    expiry = resource.status.expiration_time
    if expiry is None or expiry > now or not resource.status.says(ConditionType.READY, "True"):
        return None
    message = f"expired {human(now - expiry)} ago, and its status still says Ready: is the operator running?"
    return Ready.NO, Reason.EXPIRED.value, message


def observes(resource: GraphMailSubscription) -> bool:
    """The operator does nothing for it but to say what it would do."""
    ready = resource.status.condition(ConditionType.READY)
    return ready is not None and ready.reason == Reason.OBSERVING.value


def _observed(resource: GraphMailSubscription, _: datetime) -> Found | None:
    ready = resource.status.condition(ConditionType.READY)
    return (Ready.UNKNOWN, ready.reason, ready.message) if ready is not None and observes(resource) else None


def _not_ready(resource: GraphMailSubscription, _: datetime) -> Found | None:
    if resource.status.says(ConditionType.READY, "True"):
        return None
    return Ready.NO, *_said(resource)


def _overdue(resource: GraphMailSubscription, now: datetime) -> Found | None:
    due, again = resource.status.next_renewal_time, resource.status.next_attempt_time
    if due is None or again is not None or now - due < OVERDUE:
        return None
    return Ready.YES, OVERDUE_UNNOTICED, f"its renewal is due since {human(now - due)}: is the operator running?"


def _ready_but(resource: GraphMailSubscription, _: datetime) -> Found | None:
    reason, message = _said(resource)
    return None if reason == SUBSCRIBED else (Ready.YES, reason, message)


CHECKS: tuple[Callable[[GraphMailSubscription, datetime], Found | None], ...] = (
    _deleting,
    _suspended,
    _untouched,
    _expired_unnoticed,
    _observed,
    _not_ready,
    _overdue,
    _ready_but,
)
"""In this order; the first that answers wins."""


def _said(resource: GraphMailSubscription) -> tuple[str, str]:
    """What the conditions say: the one that names a person's next step goes first."""
    status = resource.status
    condition = status.condition(ConditionType.STALLED) or status.condition(ConditionType.READY)
    return (condition.reason, condition.message) if condition is not None else ("", "")


def _joined(*texts: str) -> str:
    return "; ".join(text for text in texts if text)


def sorted_situations(resources: Iterable[GraphMailSubscription], now: datetime) -> list[Situation]:
    """How they stand, trouble first."""
    return sorted((situation(resource, now) for resource in resources), key=lambda one: one.order)
