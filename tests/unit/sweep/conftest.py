"""Subscriptions as Graph lists them, and whoever may own them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from graphmail.database import Holdings
from graphmail.graph import Marker, Subscription, add_marker
from graphmail.resource import GraphMailSubscription
from graphmail.resource.moments import write_time
from graphmail.sweep import Judgement, Owners, judge

NOW = datetime(2026, 3, 2, 9, 17, 11, tzinfo=UTC)
APP = "11111111-aaaa-4bbb-8ccc-222222222222"
P1 = "0c9f3c44-1111-4222-8333-444444444444"
URL = "https://app.example.com/hook"

Make = Callable[..., Any]


@pytest.fixture(scope="session")
def listed() -> Make:
    """A subscription of ours that is marked for provider P1's inbox; fields that are given stand in."""

    def make(subscription_id: str = "stray", **fields: Any) -> Subscription:
        mark = {"installation": "ours", "provider": P1, "folder": "inbox"}
        marker = Marker(**{name: fields.pop(name, value) for name, value in mark.items()})
        given = {"notification_url": add_marker(URL, marker), "application_id": APP} | fields
        return Subscription(subscription_id, NOW + timedelta(days=2), **given)

    return make


@pytest.fixture(scope="session")
def resource() -> Make:
    """A resource of provider P1 that holds `current` for its inbox."""

    def make(
        *,
        provider: str = P1,
        rows: dict[str, str | None] | None = None,
        expires: timedelta = timedelta(days=5),
        metadata: dict[str, Any] | None = None,
        spec: dict[str, Any] | None = None,
        status: dict[str, Any] | None = None,
        row: dict[str, Any] | None = None,
    ) -> GraphMailSubscription:
        held = {"inbox": "current"} if rows is None else rows
        told = [
            {
                "folder": folder,
                "state": "Active" if known else "Pending",
                "subscriptionID": known,
                "expirationTime": write_time(NOW + expires) if known else None,
                **(row or {}),
            }
            for folder, known in held.items()
        ]
        wanted = {"tenant": "t1", "providerID": provider, "mailbox": "ann@example.com", "notificationURL": URL}
        return GraphMailSubscription.parse(
            {
                "metadata": {"name": "ann", "namespace": "mail", "uid": "u1", **(metadata or {})},
                "spec": wanted | (spec or {}),
                "status": {"subscriptions": told, **(status or {})},
            }
        )

    return make


@pytest.fixture(scope="session")
def known() -> Make:
    """What Postgres knows: provider P1 has a row; fields that are given stand in."""

    def make(**fields: Any) -> Holdings:
        given: dict[str, Any] = {"providers": {P1: ("t1",)}, "any_provider": True}
        return Holdings(**(given | fields))

    return make


@pytest.fixture(scope="session")
def judged() -> Callable[..., Judgement]:
    """How a subscription stands among owners."""

    def make(
        found: Subscription,
        *resources: GraphMailSubscription,
        holdings: Holdings | None,
        several: bool = False,
        client_id: str = APP,
    ) -> Judgement:
        owners = Owners.of(resources, holdings, several=several, now=NOW)
        return judge(found, client_id=client_id, installation="ours", owners=owners)

    return make
