"""What Graph tells of a subscription itself, as the receiver hands it on in the annotation `graphmail.dev/lifecycle`. Pure.

The receiver puts there only what carried the right clientState, but anybody who may write resources can annotate them: what cannot be
read counts as nothing said, and nothing in it is believed that has not happened yet.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from graphmail.resource.model import LifecycleTimes
from graphmail.resource.moments import read_moment
from graphmail.resource.names import ANNOTATION_LIFECYCLE

LONGEST = 16_384
"""Characters; all three kinds of notification for the twenty folders of a mailbox take a third of it."""
AHEAD = timedelta(minutes=5)
"""So much may the receiver's clock be ahead of ours. What is still to come by more than that is not believed."""


class LifecycleEvent(StrEnum):
    """The kinds of lifecycle notification, as Graph names them."""

    REAUTHORIZATION_REQUIRED = "reauthorizationRequired"
    SUBSCRIPTION_REMOVED = "subscriptionRemoved"
    MISSED = "missed"


Told = dict[LifecycleEvent, datetime]
"""What Graph has told of a subscription, and when it last came; in whole seconds, as the status has them."""


def told_of(annotations: Mapping[str, str], subscription_id: str, *, now: datetime) -> Told:
    """What the annotation tells of that subscription; empty where it tells nothing, or nothing that can be read.

    The receiver compares ids in small letters, and may write them so.
    """
    text = annotations.get(ANNOTATION_LIFECYCLE, "")
    named = next((name for name in (subscription_id, subscription_id.lower()) if name and name in text), None)
    if named is None:
        return {}
    entry = _read(text).get(named)
    if not isinstance(entry, dict):
        return {}
    moments = {event: _moment(entry.get(event.value)) for event in LifecycleEvent}
    return {event: moment for event, moment in moments.items() if moment is not None and moment - now <= AHEAD}


def _read(text: str) -> dict[str, Any]:
    if len(text) > LONGEST:
        return {}
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _moment(value: Any) -> datetime | None:
    """A time with its offset, such as `2026-11-29T16:00:00.123456Z`; whoever leaves the offset out is not guessed at."""
    moment = read_moment(value) if isinstance(value, str) else None
    return None if moment is None else moment.replace(microsecond=0)


def times_of(times: LifecycleTimes | None) -> Told:
    """What a status tells of the notifications that were taken up."""
    found = {event: getattr(times, event.name.lower(), None) for event in LifecycleEvent}
    return {event: moment for event, moment in found.items() if moment is not None}


def as_times(told: Told) -> LifecycleTimes | None:
    """For the status; None where there is nothing to tell."""
    return LifecycleTimes(**{event.name.lower(): moment for event, moment in told.items()}) if told else None
