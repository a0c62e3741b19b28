"""The words of the decision's tables: how a mailbox stands, as far as it differs from one that is well covered."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from graphmail.decision import Action, Reason
from graphmail.resource.names import ANNOTATION_LIFECYCLE

NOW = datetime(2026, 3, 2, 9, 17, 11, tzinfo=UTC)
RENEW_NOW = {"graphmail.dev/renew-requested-at": "2026-03-02T09:00:00Z"}
ADOPT_OTHER = {"graphmail.dev/adopt-subscription-id": "sub-row"}
NEW_CONSENT = {"graphmail.dev/credential": "fp-2"}
NEW_SECRET = {"found_credential": "fp-2"}
NO_CONSENT = {"graphmail.dev/credential": ""}

STALLED = [("Ready", "False", "ReauthorizationRequired"), ("Stalled", "True", "ReauthorizationRequired")]
AWAITING = [("Ready", "False", "AwaitingCredentials"), ("Authorized", "Unknown", "AwaitingCredentials")]
FORBIDDEN = [("Ready", "True", "PermissionMissing"), ("Authorized", "False", "PermissionMissing")]
SUSPENDED = [("Ready", "False", "Suspended")]

NONE_YET = {"subscriptionID": None, "expirationTime": None, "lastRenewalTime": None}
EXPIRED = {"expirationTime": timedelta(minutes=-3)}
ENDING = {"expirationTime": timedelta(hours=23)}
FAILED = {"nextAttemptTime": timedelta(minutes=7), "consecutiveFailures": 2}
IN_SECRET = {"credentials": {"source": "Secret", "secretName": "ann"}}

SUSPEND = {"suspend": True}
SUSPEND_AND_DELETE = {"suspend": True, "suspendPolicy": "Delete"}


@dataclass
class Given:
    """How a mailbox stands, as far as it differs from one that is well covered and was confirmed 20 minutes ago."""

    resource: dict[str, Any]
    known: dict[str, Any]
    known_offsets: dict[str, timedelta]
    policy: dict[str, Any]


def given(
    *,
    known: dict[str, Any] | None = None,
    known_offsets: dict[str, timedelta] | None = None,
    policy: dict[str, Any] | None = None,
    verified: int = 20,
    **resource: Any,
) -> Given:
    """`verified` is in minutes before now; `known_offsets` are offsets to now."""
    offsets = {"verified_at": timedelta(minutes=-verified), "seen_at": timedelta(days=-1), **(known_offsets or {})}
    return Given(resource, known or {}, offsets, policy or {})


def told(*, subscription: str = "sub-1", **minutes: float) -> dict[str, str]:
    """The annotation, as the receiver writes it: lifecycle notifications of a subscription, in minutes from now."""
    moments = {
        event: (NOW + timedelta(minutes=away)).isoformat(timespec="microseconds") for event, away in minutes.items()
    }
    return {ANNOTATION_LIFECYCLE: json.dumps({subscription: moments}, separators=(",", ":"))}


def taken_up(**minutes: float) -> dict[str, Any]:
    """The row of a status that tells of them."""
    return {"lifecycle": {event: (NOW + timedelta(minutes=away)).isoformat() for event, away in minutes.items()}}


AWAY = {"stores_away": True}
UNSYNCED = {"unsynced": True}
UNWRITTEN = {"unwritten": True}
CHANGED = {"generation": 4}

Rows = dict[str, tuple[Given, Action, Reason]]
"""A sentence a row: how a mailbox stands, what is done, and why."""
