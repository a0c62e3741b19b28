"""Suspending a mailbox by hand, and undoing it, so that neither the mirror nor a person undoes what the other wants.

`spec.suspend` may have several owners (Kubernetes, "Server-Side Apply"). The mirror applies it while the provider's row is paused, and
names it no more when the row is not; this command applies it under a manager of its own. So a mailbox that was suspended by hand stays
suspended when its row is resumed, and one whose row is paused stays suspended when somebody takes the hand's word back.
"""

from enum import StrEnum
from typing import Any

from graphmail.cluster import Cluster, ClusterError
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import ANNOTATION_PAUSED, API_VERSION, KIND

MANAGER = "graphmail-suspend"
"""Field manager of what this applies."""


class Change(StrEnum):
    """What became of a mailbox."""

    SUSPENDED = "suspended"
    RESUMED = "resumed"
    UNCHANGED = "unchanged"
    PAUSED = "still suspended"
    """Its provider's row asks for it."""
    GONE = "gone"


async def suspend(cluster: Cluster, resource: GraphMailSubscription) -> Change:
    """Suspend it by hand; also while its row is paused, so that it stays suspended afterwards.

    Raises:
        ClusterError: the API server refuses, or cannot be reached.
    """
    before = resource.spec.suspend
    body = await _apply(cluster, resource, {"suspend": True})
    if body is None:
        return Change.GONE
    return Change.UNCHANGED if before and ANNOTATION_PAUSED not in resource.metadata.annotations else Change.SUSPENDED


async def resume(cluster: Cluster, resource: GraphMailSubscription) -> Change:
    """Take back what anybody has suspended by hand; what the row asks for stays.

    Raises:
        ClusterError: the API server refuses, or cannot be reached.
    """
    if not resource.spec.suspend:
        return Change.UNCHANGED
    body = await _apply(cluster, resource, {})
    if body is None:
        return Change.GONE
    if not body["spec"].get("suspend"):
        return Change.RESUMED
    if ANNOTATION_PAUSED in body["metadata"].get("annotations", {}):
        return Change.PAUSED
    # Somebody else has set it, such as `kubectl patch`.
    return Change.RESUMED if await cluster.merge(resource.metadata.name, {"spec": {"suspend": False}}) else Change.GONE


async def _apply(cluster: Cluster, resource: GraphMailSubscription, spec: dict[str, bool]) -> dict[str, Any] | None:
    """The resource as it is now; None: it is gone. The uid keeps an apply from making a resource that is not there any more."""
    metadata = {"name": resource.metadata.name, "uid": resource.metadata.uid}
    body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}
    try:
        return await cluster.apply(body, manager=MANAGER)
    except ClusterError as error:
        if error.status in {404, 409}:
            return None
        raise
