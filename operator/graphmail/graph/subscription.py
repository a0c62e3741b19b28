"""A subscription as Graph describes it, and what is asked of Graph to make one."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

MAX_CLIENT_STATE = 128
"""Characters of a clientState that Graph takes (Microsoft Graph, resource type subscription)."""

_ID = re.compile(r"(?!\.+$)[A-Za-z0-9._~-]{1,128}")
"""Graph's ids are GUIDs. What could be anything else than one segment of a path is none, wherever it came from."""


def is_id(value: str) -> bool:
    """Whether a subscription can have this id."""
    return _ID.fullmatch(value) is not None


class UnusableSubscription(ValueError):
    """An answer that should have described a subscription and does not. The id, where one was readable, is never lost."""

    def __init__(self, message: str, subscription_id: str | None = None) -> None:
        super().__init__(message)
        self.subscription_id = subscription_id


@dataclass(frozen=True, slots=True)
class Subscription:
    """What Graph holds. `expires_at` is what Graph granted, which may be less than what was asked for."""

    id: str
    expires_at: datetime
    resource: str = ""
    change_type: str = ""
    notification_url: str = ""
    lifecycle_notification_url: str | None = None
    application_id: str | None = None
    creator_id: str | None = None

    @property
    def change_types(self) -> frozenset[str]:
        """Graph separates them by commas, in any order."""
        return frozenset(part.strip().lower() for part in self.change_type.split(",") if part.strip())

    @classmethod
    def parse(cls, body: Any) -> Self:
        """Read Graph's JSON. Only id and expiry are indispensable; whatever else is missing or of a wrong type counts as absent.

        Raises:
            UnusableSubscription: there is no id or no readable expiry.
        """
        if not isinstance(body, dict):
            raise UnusableSubscription("Graph's answer does not describe a subscription")
        subscription_id = _text(body, "id")
        if not subscription_id or not is_id(subscription_id):
            raise UnusableSubscription("Graph's answer describes a subscription without an id")
        expires_at = read_time(body.get("expirationDateTime"))
        if expires_at is None:
            raise UnusableSubscription(
                "Graph's answer describes a subscription without a readable expiry", subscription_id
            )
        return cls(
            id=subscription_id,
            expires_at=expires_at,
            resource=_text(body, "resource") or "",
            change_type=_text(body, "changeType") or "",
            notification_url=_text(body, "notificationUrl") or "",
            lifecycle_notification_url=_text(body, "lifecycleNotificationUrl"),
            application_id=_text(body, "applicationId"),
            creator_id=_text(body, "creatorId"),
        )


@dataclass(frozen=True, slots=True)
class SubscriptionRequest:
    """What is asked of Graph. The longest life for mail is 10,080 minutes; more is an error and not clipped."""

    resource: str
    notification_url: str
    expires_at: datetime
    change_types: tuple[str, ...] = ("created",)
    lifecycle_notification_url: str | None = None
    client_state: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.client_state and len(self.client_state) > MAX_CLIENT_STATE:
            raise ValueError(f"the clientState has {len(self.client_state)} characters; Graph takes {MAX_CLIENT_STATE}")

    def body(self) -> dict[str, str]:
        """The JSON of a POST."""
        body = {
            "changeType": ",".join(self.change_types),
            "notificationUrl": self.notification_url,
            "resource": self.resource,
            "expirationDateTime": write_time(self.expires_at),
        }
        if self.lifecycle_notification_url:
            body["lifecycleNotificationUrl"] = self.lifecycle_notification_url
        if self.client_state:
            body["clientState"] = self.client_state
        return body


def read_time(value: Any) -> datetime | None:
    """A time as Graph writes it (UTC, up to seven digits of a second), or None when it is none."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def write_time(moment: datetime) -> str:
    """A time as Graph reads it, truncated to milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) and value else None
