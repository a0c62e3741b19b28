"""What was posted to endpoints, and what came of every attempt."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from graphsim.lifecycle import LifecycleItem
from graphsim.subscriptions import Subscription

DeliveryState = Literal["waiting", "delivered", "retrying", "refused", "given-up", "dropped"]
TIMED_OUT = "timed out"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST of a notification: the simulated moment, the HTTP status (None: no answer came) and what went wrong."""

    at: float
    status: int | None
    error: str
    milliseconds: float

    @property
    def timed_out(self) -> bool:
        """True when the answer was not waited for any longer."""
        return self.error == TIMED_OUT


@dataclass(slots=True, kw_only=True)
class Posting:
    """Something that is posted to an endpoint, and every attempt at it."""

    url: str
    state: DeliveryState = "waiting"
    attempts: list[Attempt] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Delivery(Posting):
    """One notification of a message to one endpoint."""

    subscription: Subscription = field(repr=False)
    mailbox: str
    message_id: str
    received_at: float

    @property
    def subscription_id(self) -> str:
        """The id of the subscription that is told."""
        return self.subscription.id

    @property
    def user_id(self) -> str:
        """The object id of the mailbox's user."""
        return self.subscription.user_id


@dataclass(slots=True, kw_only=True)
class LifecycleDelivery(Posting):
    """One lifecycle notification: items of one URL, of any kinds."""

    items: Sequence[LifecycleItem]
