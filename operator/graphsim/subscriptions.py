"""The subscriptions that exist, and their end.

Expiry needs no scan: every subscription stands in a heap at a moment no later than its expiry, and only those whose
moment has come are looked at. A renewed one is put back when its old moment passes.
"""

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from graphsim.timestamps import graph_timestamp

EndReason = Literal["expired", "deleted", "dropped", "removed"]
"""`dropped`: Graph lost it without a word; `removed`: Graph ended it and says so to its lifecycle URL."""
WHOLE_MAILBOX = "*"
_KEPT_ENDED = 5_000


@dataclass(slots=True)
class Subscription:
    """One live subscription. `folder` is a folder id, or WHOLE_MAILBOX; moments are simulated seconds.

    `delivers` False means silently dead: alive in every answer. `token_expires_at` is the end of the access token that it was
    last made, renewed or reauthorized with.
    """

    id: str
    serial: int
    tenant_id: str
    client_id: str
    creator_id: str
    user_id: str
    delegated: bool
    folder: str
    resource: str
    change_types: frozenset[str]
    change_type: str
    notification_url: str
    expires_at: float
    created_at: float
    lifecycle_url: str | None = None
    client_state: str | None = field(default=None, repr=False)
    extras: dict[str, Any] = field(default_factory=dict)
    delivers: bool = True
    renewals: int = 0
    renewed_at: float | None = None
    reauthorized_at: float | None = None
    token_expires_at: float | None = None
    queued_at: float = 0.0

    @property
    def combination(self) -> tuple[str, str, str, frozenset[str]]:
        """What Graph compares to tell duplicates: app, mailbox, folder and change types."""
        return (self.client_id, self.user_id, self.folder, self.change_types)

    def body(self, *, with_client_state: bool = False) -> dict[str, Any]:
        """Answer the resource as Graph spells it; only the answer to a POST shows `clientState`."""
        return {
            "id": self.id,
            "resource": self.resource,
            "applicationId": self.client_id,
            "changeType": self.change_type,
            "clientState": self.client_state if with_client_state else None,
            "notificationUrl": self.notification_url,
            "notificationQueryOptions": self.extras.get("notificationQueryOptions"),
            "lifecycleNotificationUrl": self.lifecycle_url,
            "expirationDateTime": graph_timestamp(self.expires_at),
            "creatorId": self.creator_id,
            "includeResourceData": self.extras.get("includeResourceData"),
            "latestSupportedTlsVersion": self.extras.get("latestSupportedTlsVersion", "v1_2"),
            "encryptionCertificate": self.extras.get("encryptionCertificate"),
            "encryptionCertificateId": self.extras.get("encryptionCertificateId"),
            "notificationUrlAppId": self.extras.get("notificationUrlAppId"),
        }


@dataclass(frozen=True, slots=True)
class Ended:
    """A subscription that is gone: when, and why."""

    id: str
    user_id: str
    client_id: str
    ended_at: float
    reason: EndReason


class SubscriptionWatcher(Protocol):
    """Hears of every birth and death of a subscription, in the order of simulated time."""

    def began(self, subscription: Subscription, at: float) -> None:
        """A subscription is live from `at` on."""

    def ended(self, subscription: Subscription, at: float, reason: EndReason) -> None:
        """A subscription is gone from `at` on."""


class Subscriptions:
    """The store of live subscriptions. Call `expire_until` before you read: it settles what time has ended."""

    def __init__(self, *watchers: SubscriptionWatcher) -> None:
        self._watchers = watchers
        self._live: dict[str, Subscription] = {}
        self._by_owner: dict[tuple[str, str], dict[int, Subscription]] = {}
        self._by_mailbox: dict[str, dict[int, Subscription]] = {}
        self._heap: list[tuple[float, int, Subscription]] = []
        self.ended: deque[Ended] = deque(maxlen=_KEPT_ENDED)

    def __len__(self) -> int:
        return len(self._live)

    def get(self, subscription_id: str) -> Subscription | None:
        """Answer the live subscription with this id, or None."""
        return self._live.get(subscription_id)

    def all(self) -> list[Subscription]:
        """Answer every live subscription, oldest first."""
        return list(self._live.values())

    def of_owner(self, tenant_id: str, client_id: str) -> list[Subscription]:
        """Answer the live subscriptions of one app in one tenant, oldest first."""
        return list(self._by_owner.get((tenant_id, client_id), {}).values())

    def of_mailbox(self, user_id: str) -> list[Subscription]:
        """Answer the live subscriptions of one mailbox over all apps, oldest first."""
        return list(self._by_mailbox.get(user_id, {}).values())

    def count_of_mailbox(self, user_id: str) -> int:
        """Answer how many live subscriptions a mailbox has, over all apps."""
        return len(self._by_mailbox.get(user_id, ()))

    def add(self, subscription: Subscription, at: float) -> None:
        """Make a subscription live from `at` on."""
        self._live[subscription.id] = subscription
        owner = (subscription.tenant_id, subscription.client_id)
        self._by_owner.setdefault(owner, {})[subscription.serial] = subscription
        self._by_mailbox.setdefault(subscription.user_id, {})[subscription.serial] = subscription
        self._queue(subscription)
        for watcher in self._watchers:
            watcher.began(subscription, at)

    def move_expiry(self, subscription: Subscription, expires_at: float) -> None:
        """Give a live subscription another expiry, later or earlier."""
        subscription.expires_at = expires_at
        if expires_at < subscription.queued_at:
            self._queue(subscription)

    def end(self, subscription: Subscription, at: float, reason: EndReason) -> None:
        """End a live subscription at a moment."""
        del self._live[subscription.id]
        del self._by_owner[subscription.tenant_id, subscription.client_id][subscription.serial]
        del self._by_mailbox[subscription.user_id][subscription.serial]
        self.ended.append(Ended(subscription.id, subscription.user_id, subscription.client_id, at, reason))
        for watcher in self._watchers:
            watcher.ended(subscription, at, reason)

    def expire_until(self, now: float) -> None:
        """End every subscription whose expiry has come, each at its own expiry and in the order of time."""
        while self._heap and self._heap[0][0] <= now:
            queued_at, _serial, subscription = heapq.heappop(self._heap)
            if self._live.get(subscription.id) is not subscription or queued_at != subscription.queued_at:
                continue
            if subscription.expires_at <= queued_at:
                self.end(subscription, subscription.expires_at, "expired")
            else:
                self._queue(subscription)

    def _queue(self, subscription: Subscription) -> None:
        subscription.queued_at = subscription.expires_at
        heapq.heappush(self._heap, (subscription.queued_at, subscription.serial, subscription))
