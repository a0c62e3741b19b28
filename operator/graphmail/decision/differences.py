"""What a subscription was made with and what is wanted of it now, where PATCH cannot change the one into the other. Pure."""

from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import ANNOTATION_CLIENT_STATE

_LIFECYCLE_URL = "lifecycleNotificationURL"


def differences(seen: GraphMailSubscription) -> list[str]:
    """What needs a replacement, by the names of the fields. What Graph never told of an adopted subscription is no difference."""
    spec, row = seen.spec, seen.status.folder(seen.spec.folders[0])
    if row is None or row.subscription_id is None:
        return []
    wanted = seen.metadata.annotations.get(ANNOTATION_CLIENT_STATE)
    found = {
        "changeTypes": row.change_types is not None and set(row.change_types) != set(spec.change_types),
        _LIFECYCLE_URL: row.change_types is not None
        and row.lifecycle_notification_url != spec.lifecycle_notification_url,
        "clientState": bool(wanted) and row.client_state not in {None, wanted},
    }
    return [name for name, differs in found.items() if differs]


def can_wait(seen: GraphMailSubscription, different: list[str]) -> bool:
    """The lifecycle URL changes for all that the mirror has made at once: the fleet is replaced as it is renewed, within one lifetime."""
    return different == [_LIFECYCLE_URL] and seen.mirrored
