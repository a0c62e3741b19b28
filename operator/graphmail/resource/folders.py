"""Several folders of one mailbox: one subscription each, and each decided and worked on as if it were the only one.

A view is the resource as one folder sees it: `spec.folders` holds that folder alone, and the status tells of its subscription and its
attempts. What came of the work is then put back into the folder's row. The first folder's attempts stand in the status itself.
"""

from collections.abc import Iterable
from typing import Any

from graphmail.resource.model import FolderState, FolderSubscription, GraphMailSubscription
from graphmail.resource.names import ANNOTATION_ADOPT


def wanted_folders(resource: GraphMailSubscription, *, several: bool) -> list[str]:
    """The folders that are to be subscribed: all of them, or only the first where the consumer would drop the others' notifications."""
    return resource.spec.folders if several else resource.spec.folders[:1]


def unwanted_folders(resource: GraphMailSubscription, *, several: bool) -> list[str]:
    """The folders that still have a subscription, or may have one, and are not to be subscribed any more."""
    wanted = wanted_folders(resource, several=several)
    return [row.folder for row in resource.status.subscriptions if row.folder not in wanted and _held(row)]


def is_first(resource: GraphMailSubscription, folder: str) -> bool:
    """The folder whose subscription the provider's row knows, and of which the status itself tells."""
    return folder == resource.spec.folders[0]


def view(resource: GraphMailSubscription, folder: str) -> GraphMailSubscription:
    """The resource as that folder sees it."""
    if resource.spec.folders == [folder] and all(row.folder == folder for row in resource.status.subscriptions):
        return resource
    row = resource.status.folder(folder) or FolderSubscription.pending(folder)
    seen: dict[str, Any] = {
        "subscription_id": row.subscription_id,
        "expiration_time": row.expiration_time,
        "subscriptions": [row],
    }
    metadata = resource.metadata
    if not is_first(resource, folder):
        seen |= {
            "last_renewal_time": row.granted_time,
            "consecutive_failures": row.consecutive_failures or 0,
            "next_attempt_time": row.next_attempt_time,
            "pending_create_time": row.pending_create_time,
            "last_handled_renewal": row.last_handled_renewal,
        }
        others = {name: value for name, value in metadata.annotations.items() if name != ANNOTATION_ADOPT}
        metadata = metadata.model_copy(update={"annotations": others})
    return resource.model_copy(
        update={
            "metadata": metadata,
            "spec": resource.spec.model_copy(update={"folders": [folder]}),
            "status": resource.status.model_copy(update=seen),
        }
    )


def arranged(
    resource: GraphMailSubscription, rows: Iterable[FolderSubscription], *, several: bool
) -> list[FolderSubscription]:
    """The rows of the status: one for each folder of the spec, in its order, and then those that are still to be taken away."""
    known = {row.folder: row for row in rows}
    wanted = wanted_folders(resource, several=several)
    kept = [known.pop(folder, FolderSubscription.pending(folder)) for folder in resource.spec.folders]
    kept += [row for row in known.values() if _held(row)]
    return [row.model_copy(update={"state": _state(row, wanted)}) for row in kept]


def _state(row: FolderSubscription, wanted: list[str]) -> FolderState:
    if row.subscription_id is not None:
        return FolderState.ACTIVE
    return FolderState.PENDING if row.folder in wanted else FolderState.NOT_DELIVERABLE


def _held(row: FolderSubscription) -> bool:
    return row.subscription_id is not None or row.pending_create_time is not None
