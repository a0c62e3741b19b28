"""What can be changed about the simulated Graph while it runs."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from graphsim.quotas import DEFAULT_LIMITS, QuotaLimit

_Seconds = Annotated[float, Field(ge=0)]
Delay = tuple[_Seconds, _Seconds]
"""A stretch of simulated seconds that is drawn by chance: at least, and at most."""


class SimulatorSettings(BaseModel):
    """The behaviour of the simulated Graph; the defaults are what Graph is known to do.

    The control API changes single fields; an assignment is validated, so a wrong value raises `ValidationError`.
    """

    model_config = ConfigDict(validate_assignment=True, extra="forbid")

    ceiling_minutes: int = Field(10_070, ge=45, description="Longest life of a mail subscription; more is an error")
    floor_minutes: int = Field(45, ge=1, description="A shorter life than this is raised to it")
    grant_at_most_minutes: int | None = Field(None, ge=1, description="Clip what is granted, without an error")
    duplicates: Literal["accept", "refuse"] = Field("accept", description="refuse: 409 ObjectIdentifierInUse")
    mailbox_subscription_limit: int = Field(1_000, ge=1, description="Live subscriptions of one mailbox, over all apps")
    page_size: int = Field(100, ge=1, description="Subscriptions on a page of the list")
    empty_pages: int = Field(0, ge=0, description="Empty pages, each with a nextLink, before every page of the list")
    list_omits_share: float = Field(0.0, ge=0, le=1, description="Share of the subscriptions that the list leaves out")
    access_token_minutes: int = Field(60, ge=1, description="Life of an access token, by the simulated clock")
    refresh_token_idle_days: int = Field(90, ge=1, description="A refresh token dies when it is older than this")
    handshake: bool = Field(default=True, description="Call the endpoint on create and on a changed notificationUrl")
    handshake_limit_seconds: float = Field(
        10.0, gt=0, description="Real seconds that an endpoint has for the handshake"
    )
    notification_limit_seconds: float = Field(
        10.0, gt=0, description="Real seconds that an endpoint has for a notification"
    )
    notification_retry_seconds: tuple[float, ...] = Field(
        (10, 30, 60, 300, 900, 3_600, 9_000), description="Simulated waits between deliveries of one notification"
    )
    delivery_delay_seconds: Delay = Field(
        (0, 0), description="Simulated seconds from a message to its notification, at least and at most"
    )
    deliveries: Literal["post", "account"] = Field(
        "post", description="account: call no webhook, only note when each notification would have been taken"
    )
    takes_notifications: bool = Field(
        default=True, description="With deliveries=account: false while the product is away, and each is tried again"
    )
    slow_answer_seconds: float = Field(10.0, gt=0, description="Real seconds beyond which an answer is slow")
    slow_share: float = Field(0.15, ge=0, le=1, description="A larger share of slow answers starts the dropping")
    slow_window_minutes: float = Field(10.0, gt=0, description="Simulated minutes over which answers are counted")
    slow_least_answers: int = Field(10, ge=1, description="Fewer answers within the window never start the dropping")
    drop_minutes: float = Field(10.0, gt=0, description="Simulated minutes for which notifications are then dropped")
    silent_share: float = Field(0.0, ge=0, le=1, description="Share of new subscriptions that never deliver anything")
    reauthorize_before_minutes: float | None = Field(
        None, ge=0, description="Send reauthorizationRequired so long before the expiry"
    )
    reauthorize_at_share: float | None = Field(
        None, ge=0, le=1, description="Send reauthorizationRequired at this share of the life"
    )
    reauthorize_token_minutes: float | None = Field(
        None, ge=0, description="Send reauthorizationRequired so long before the access token ends"
    )
    revocation_removes: bool = Field(
        default=False, description="A revoked grant ends the user's subscriptions, with subscriptionRemoved"
    )
    allow_http: bool = Field(
        default=False, description="Accept http:// notification URLs on this machine (never at Graph)"
    )
    graph_latency_ms: float = Field(0.0, ge=0, description="Real milliseconds added to every call of Graph")
    signin_latency_ms: float = Field(0.0, ge=0, description="Real milliseconds added to every call of sign-in")
    quotas_enforced: bool = Field(default=False, description="Answer 429 above the quotas below")
    quotas: tuple[QuotaLimit, ...] = Field(DEFAULT_LIMITS, description="Sliding windows, in real time")
    mailbox_concurrency: int = Field(
        4, ge=1, description="Mail reads at once per app and mailbox, when quotas are enforced"
    )
