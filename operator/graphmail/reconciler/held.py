"""What Graph holds for a mailbox, from what the status tells and from what Graph answers."""

from dataclasses import replace
from datetime import datetime, timedelta

from graphmail.graph import Subscription, read_marker
from graphmail.reconciler.result import Deed, Held, Result
from graphmail.resource import GraphMailSubscription


def current_held(resource: GraphMailSubscription) -> Held | None:
    """What Graph holds as far as the status knows."""
    status = resource.status
    if status.subscription_id is None or status.expiration_time is None:
        return None
    first = status.folder(resource.spec.folders[0])
    return Held(
        status.subscription_id,
        status.expiration_time,
        first.notification_url if first else None,
        first.granted_time if first else None,
        tuple(first.change_types) if first and first.change_types is not None else None,
        first.lifecycle_notification_url if first else None,
        first.client_state if first else None,
    )


def edited(resource: GraphMailSubscription) -> bool:
    """Somebody has put the subscription's id into the status: we always write down with it where Graph delivers to."""
    first = resource.status.folder(resource.spec.folders[0])
    if first is None or first.subscription_id != resource.status.subscription_id or first.notification_url is None:
        return True
    return marks_another(resource, first.notification_url)


def marks_another(resource: GraphMailSubscription, notification_url: str) -> bool:
    """A subscription that delivers to that URL is another provider's. One without a marker may be adopted, and proves nothing."""
    marker = read_marker(notification_url)
    return marker is not None and marker.provider.casefold() != resource.spec.provider_id.casefold()


def held_of(subscription: Subscription, *, granted_at: datetime | None = None, client_state: str | None = None) -> Held:
    """Whole seconds, as the status has them: what is known and what is found must compare."""
    return Held(
        subscription.id,
        subscription.expires_at.replace(microsecond=0),
        subscription.notification_url or None,
        granted_at,
        tuple(sorted(subscription.change_types)) or None,
        subscription.lifecycle_notification_url,
        client_state,
    )


def replacing(result: Result, old: str, held: Held | None) -> Result:
    """The old one stays until the new one is there, and goes once that one is on record."""
    if result.held is None or result.must_delete_first:
        return replace(result, deed=Deed.REPLACE, held=held)
    return replace(result, deed=Deed.REPLACE, leftovers=(*result.leftovers, old))


def known_state(known: Held | None) -> str | None:
    return known.client_state if known else None


def known_grant(known: Held | None, found: Subscription) -> datetime | None:
    """When the running lifetime was granted, if it is still the one that we know."""
    unchanged = known is not None and abs(known.expires_at - found.expires_at) < timedelta(seconds=2)
    return known.granted_at if known is not None and unchanged else None
