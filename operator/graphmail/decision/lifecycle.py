"""What Graph has told of a folder's subscription, and what of it is still to be taken up. Pure.

Each function sees the resource as one folder does. A notification is taken up when the status tells of it: once it was acted on, or
told to people where there is nothing to do.
"""

from datetime import datetime, timedelta

from graphmail.resource import FolderSubscription, GraphMailSubscription, LifecycleTimes
from graphmail.resource.lifecycle import LifecycleEvent, Told, as_times, times_of, told_of
from graphmail.resource.names import ANNOTATION_LIFECYCLE

RENEWED_BEFORE = timedelta(minutes=10)
"""A renewal so long before Graph asked for one answers it: the question was under way (Graph's contract: never twice in ten minutes)."""


def told_by_graph(seen: GraphMailSubscription, now: datetime) -> Told:
    """What Graph has told of the subscription that is held, taken up or not."""
    row = _row(seen)
    if row is None:
        return {}
    return told_of(seen.metadata.annotations, row.subscription_id or "", now=now)


def lifecycle_news(seen: GraphMailSubscription, now: datetime) -> Told:
    """What of it came after what the status tells of."""
    row = _row(seen)
    known = times_of(row.lifecycle) if row is not None else {}
    return {
        event: moment
        for event, moment in told_by_graph(seen, now).items()
        if event not in known or known[event] < moment
    }


def renewal_asked(seen: GraphMailSubscription, told: Told) -> bool:
    """Graph asks for a renewal, and there was none since, nor shortly before."""
    asked, row = told.get(LifecycleEvent.REAUTHORIZATION_REQUIRED), _row(seen)
    if asked is None or row is None:
        return False
    return row.granted_time is None or asked - row.granted_time > RENEWED_BEFORE


def taken_up(seen: GraphMailSubscription, held: str | None, now: datetime) -> LifecycleTimes | None:
    """What the status tells of it after work that found or left this subscription at Graph.

    What was told of a subscription ends with it; but of missed notifications the next one cannot make up.
    """
    row = seen.status.folder(seen.spec.folders[0])
    before = row.lifecycle if row is not None else None
    if before is None and ANNOTATION_LIFECYCLE not in seen.metadata.annotations:
        return None
    told = times_of(before) | lifecycle_news(seen, now)
    if row is None or row.subscription_id is None or held != row.subscription_id:
        told = {event: moment for event, moment in told.items() if event is LifecycleEvent.MISSED}
    return as_times(told)


def _row(seen: GraphMailSubscription) -> FolderSubscription | None:
    """None where nothing is held, or somebody has edited the status so that it does not agree with itself."""
    row = seen.status.folder(seen.spec.folders[0])
    held = seen.status.subscription_id
    return row if row is not None and held is not None and row.subscription_id == held else None
