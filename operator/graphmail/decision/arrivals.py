"""What the arrival of a notification proves, and when the status is to tell of it. Pure."""

from datetime import datetime, timedelta

from graphmail.decision.silence import ends_silence
from graphmail.resource import GraphMailSubscription

_NEWS_AFTER = timedelta(hours=1)


def notification_is_news(resource: GraphMailSubscription, arrived: datetime | None) -> bool:
    """Worth a write: it came long after the one that the status tells of, first after some were missed, or ends a silence."""
    if arrived is None:
        return False
    told, missed = resource.status.last_notification_time, resource.status.missed_time
    if missed is not None and arrived_since(missed, arrived) and not arrived_since(missed, told):
        return True
    return told is None or arrived - told >= _NEWS_AFTER or ends_silence(resource, arrived)


def arrived_since(missed: datetime, arrived: datetime | None) -> bool:
    """A notification has arrived after some were missed. Both are compared in whole seconds, as the status has them."""
    return arrived is not None and arrived.replace(microsecond=0) > missed
