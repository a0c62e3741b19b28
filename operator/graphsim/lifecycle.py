"""Lifecycle notifications: what Graph tells of a subscription itself, at the URL that was named for it at create."""

from dataclasses import dataclass, field
from typing import Any, Literal

from graphsim.subscriptions import Subscription
from graphsim.timestamps import graph_timestamp

LifecycleEvent = Literal["reauthorizationRequired", "subscriptionRemoved", "missed"]


@dataclass(frozen=True, slots=True)
class LifecycleItem:
    """One event of one subscription, as it stood at that moment."""

    event: LifecycleEvent
    subscription_id: str
    user_id: str
    tenant_id: str
    url: str
    expires_at: float
    client_state: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, subscription: Subscription, event: LifecycleEvent) -> "LifecycleItem | None":
        """Build the item; None for a subscription that named no URL, or that is silently dead and so tells nothing."""
        if not subscription.lifecycle_url or not subscription.delivers:
            return None
        return cls(
            event=event,
            subscription_id=subscription.id,
            user_id=subscription.user_id,
            tenant_id=subscription.tenant_id,
            url=subscription.lifecycle_url,
            expires_at=subscription.expires_at,
            client_state=subscription.client_state,
        )

    def body(self) -> dict[str, Any]:
        """Spell the item as it stands among the `value` of a notification."""
        return {
            "subscriptionId": self.subscription_id,
            "subscriptionExpirationDateTime": graph_timestamp(self.expires_at),
            "tenantId": self.tenant_id,
            "clientState": self.client_state,
            "lifecycleEvent": self.event,
        }
