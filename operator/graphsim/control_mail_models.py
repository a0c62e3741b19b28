"""The bodies of the control API about what reaches endpoints: traffic, deliveries, lifecycle notifications, silent death.

References and times are as in `control_models`.
"""

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, Field

from graphsim.control_models import AttemptView, MailboxFilter, Model
from graphsim.deliveries import DeliveryState
from graphsim.lifecycle import LifecycleEvent
from graphsim.reauthorization import Satisfaction
from graphsim.rhythms import Profile
from graphsim.silence import SilenceEnd


class LifecycleOrder(Model):
    """A lifecycle notification to send: to one subscription, or to each of a mailbox that named a URL for it."""

    event: LifecycleEvent
    subscription: str | None = None
    mailbox: str | None = None


class NewLifecycle(Model):
    """Lifecycle notifications to send now; those to one URL go together, whatever their kinds."""

    items: list[LifecycleOrder] = Field(min_length=1)


class LifecycleItemView(Model):
    """One item of a lifecycle notification; its clientState is never shown."""

    event: LifecycleEvent
    subscription_id: str
    mailbox: str
    expires_at: datetime


class LifecycleDeliveryView(Model):
    """A lifecycle notification on its way to an endpoint."""

    url: str
    state: DeliveryState
    items: list[LifecycleItemView]
    attempts: list[AttemptView]


class ReauthorizationView(Model):
    """A reauthorization that was asked for: when first, how often, and what satisfied it (`ended`: the subscription went first)."""

    subscription_id: str
    mailbox: str
    asked_at: datetime
    times: int
    satisfied_at: datetime | None
    by: Satisfaction | None


class DoubledView(Model):
    """A subscription that was both renewed and reauthorized within ten minutes."""

    subscription_id: str
    mailbox: str
    at: datetime


class ReauthorizationsView(Model):
    """The account of reauthorizations, the oldest first."""

    requests: list[ReauthorizationView]
    doubled: list[DoubledView]

    @property
    def outstanding(self) -> int:
        """How many were asked for and not satisfied yet."""
        return sum(1 for request in self.requests if request.by is None)


class SubscriptionChoice(MailboxFilter):
    """Which live subscriptions are meant: one by its id, or those of mailboxes and apps; None: all."""

    subscription: str | None = None
    client_id: str | None = None


class NewSilence(SubscriptionChoice):
    """Subscriptions that are to fall silent: a share of the chosen ones, now or at random moments of the next hours.

    One that is gone by its moment is stood in for by whichever took its place.
    """

    share: float = Field(1.0, ge=0, le=1)
    seed: int | None = Field(None, description="The same seed chooses the same of the same subscriptions")
    within_hours: float = Field(0.0, ge=0)


class PlannedSilenceView(Model):
    """A subscription that falls silent, and when."""

    subscription_id: str
    mailbox: str
    at: datetime


class SilentDeathView(Model):
    """One silent death; `ended_at` is when mail was told of again, or when the subscription was gone without a successor."""

    subscription_id: str
    mailbox: str
    user_id: str
    client_id: str
    folder: str
    began_at: datetime
    ended_at: datetime | None
    how: SilenceEnd | None
    replaced_by: str | None
    gone_at: datetime | None
    undelivered: int
    first_undelivered_at: datetime | None
    last_undelivered_at: datetime | None

    @property
    def minutes(self) -> float | None:
        """For how many simulated minutes it lasted; None while it lasts."""
        return None if self.ended_at is None else (self.ended_at - self.began_at).total_seconds() / 60


class ReplacementView(Model):
    """A subscription that a client deleted for another one; `healthy` is what it was when it went."""

    old_id: str
    new_id: str
    mailbox: str
    client_id: str
    folder: str
    at: datetime
    healthy: bool


class SilenceView(Model):
    """The account of silent deaths and of replacements, the oldest first."""

    deaths: list[SilentDeathView]
    replacements: list[ReplacementView]


class StreamView(Model):
    """The mail that arrives in a folder by itself."""

    mailbox: str
    user_id: str
    folder: str
    profile: Profile
    per_week: float
    utc_offset_hours: float
    next_at: datetime | None
    arrived: int


class DeliveredFilter(MailboxFilter):
    """Which mailboxes an answer is about, and only what was delivered after `since`."""

    since: AwareDatetime | None = None


class DeliveredView(Model):
    """The newest notification that an app's endpoint took of a folder: when, and for a message received when."""

    mailbox: str
    user_id: str
    tenant_id: str
    client_id: str
    folder: str
    subscription_id: str
    delivered_at: datetime
    received_at: datetime
    count: int


class EndpointView(Model):
    """An endpoint as Graph judges it: its answers within the window, and how many notifications were dropped in all."""

    endpoint: str
    state: Literal["well", "dropping"]
    answers: int
    slow: int
    dropping_until: datetime | None
    dropped: int
