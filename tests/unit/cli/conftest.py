"""Mailboxes as the API server holds them, for the commands that show them."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from graphmail.resource import GraphMailSubscription
from graphmail.resource.moments import write_time

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)

Mailbox = Callable[..., GraphMailSubscription]


class Terminal(io.StringIO):
    """A terminal that remembers what it was sent."""

    def isatty(self) -> bool:
        """Somebody sits before it."""
        return True


@pytest.fixture
def now() -> datetime:
    """Three in the morning."""
    return NOW


@pytest.fixture
def mailbox() -> Mailbox:
    """A covered mailbox, with what a test changes about it."""

    def make(
        status: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        spec: dict[str, Any] | None = None,
        ready: tuple[str, str, str] | None = ("True", "Subscribed", "covered until tomorrow"),
        **conditions: tuple[str, str, str],
    ) -> GraphMailSubscription:
        told = ({"Ready": ready} if ready else {}) | conditions
        body = {
            "metadata": {
                "name": "ann-1",
                "namespace": "mail",
                "uid": "u1",
                "resourceVersion": "7",
                "creationTimestamp": at(hours=-100),
            }
            | (metadata or {}),
            "spec": {
                "tenant": "acme",
                "providerID": "p1",
                "mailbox": "ann@contoso.example",
                "notificationURL": "https://product.example/hook",
            }
            | (spec or {}),
            "status": {
                "subscriptionID": "s1",
                "expirationTime": at(hours=46),
                "nextRenewalTime": at(hours=22),
                "conditions": [condition(kind, *words) for kind, words in told.items()],
            }
            | (status or {}),
        }
        return GraphMailSubscription.parse(body)

    return make


def at(**span: float) -> str:
    """A moment, from now."""
    return write_time(NOW + timedelta(**span))


def condition(kind: str, status: str, reason: str, message: str) -> dict[str, str]:
    """As the API server holds it."""
    words = {"type": kind, "status": status, "reason": reason, "message": message}
    return words | {"lastTransitionTime": at(hours=-1)}
