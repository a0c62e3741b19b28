"""The custom resource `GraphMailSubscription`: typed models, names, durations, conditions, and the CRD made from them."""

from graphmail.resource.model import (
    Condition,
    Credentials,
    CredentialSource,
    DeletionPolicy,
    FolderState,
    FolderSubscription,
    GraphMailSubscription,
    LifecycleTimes,
    Metadata,
    Spec,
    Status,
    SuspendPolicy,
)

__all__ = [
    "Condition",
    "CredentialSource",
    "Credentials",
    "DeletionPolicy",
    "FolderState",
    "FolderSubscription",
    "GraphMailSubscription",
    "LifecycleTimes",
    "Metadata",
    "Spec",
    "Status",
    "SuspendPolicy",
]
