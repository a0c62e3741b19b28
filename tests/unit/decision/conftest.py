"""One well-covered mailbox, from which each test departs where it matters."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from graphmail.resource import GraphMailSubscription
from graphmail.resource.moments import write_time
from graphmail.resource.names import LABEL_MANAGED_BY, MIRROR
from support.deciding import NOW

Mailbox = Callable[..., GraphMailSubscription]

SPEC = {
    "tenant": "t1",
    "providerID": "p1",
    "mailbox": "ann@example.com",
    "notificationURL": "https://app.example.com/hook",
}
STATUS = {
    "observedGeneration": 3,
    "subscriptionID": "sub-1",
    "expirationTime": timedelta(hours=125, minutes=40),
    "lastRenewalTime": timedelta(hours=-41),
    "lastAttemptTime": timedelta(hours=-2),
    "observedCredential": "fp-1",
}


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def mailbox(now: datetime) -> Mailbox:
    """Makes a resource as the API server returns it.

    Without arguments it is covered: granted 166h40m of life 41 hours ago, everything written down, nothing due. Dates are given as
    offsets to `now`; a field that is given as None is left out.
    """

    def dated(fields: dict[str, Any]) -> dict[str, Any]:
        return {
            name: write_time(now + value) if isinstance(value, timedelta) else value
            for name, value in fields.items()
            if value is not None
        }

    def make(
        *,
        spec: dict[str, Any] | None = None,
        status: dict[str, Any] | None = None,
        conditions: list[tuple[str, str, str]] | None = None,
        annotations: dict[str, str] | None = None,
        mirrored: bool = False,
        granted: timedelta | None = timedelta(hours=-41),
        url: str | None = None,
        row: dict[str, Any] | None = None,
        rows: list[dict[str, Any]] | None = None,
        deleted: bool = False,
        generation: int = 3,
        uid: str = "0c9f3c44",
    ) -> GraphMailSubscription:
        told = {**STATUS, **(status or {})}
        held = {name: told[name] for name in ("subscriptionID", "expirationTime")}
        first = {
            "folder": "inbox",
            "state": "Active",
            "grantedTime": granted,
            "notificationURL": url,
            **held,
            **(row or {}),
        }
        shown = [
            {"type": kind, "status": state, "reason": reason, "message": "", "lastTransitionTime": write_time(now)}
            for kind, state, reason in (conditions or [("Ready", "True", "Subscribed")])
        ]
        metadata = {
            "name": "ann-1",
            "namespace": "mail",
            "uid": uid,
            "generation": generation,
            "labels": {LABEL_MANAGED_BY: MIRROR} if mirrored else {},
            "annotations": {"graphmail.dev/credential": "fp-1", **(annotations or {})},
            "deletionTimestamp": timedelta() if deleted else None,
        }
        lists = {"subscriptions": [dated(first), *(dated(other) for other in (rows or []))], "conditions": shown}
        return GraphMailSubscription.parse(
            {
                "metadata": dated(metadata),
                "spec": {**SPEC, **(spec or {})},
                "status": {**dated(told), **lists},
            }
        )

    return make
