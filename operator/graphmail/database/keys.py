"""Keys and texts as Postgres has them."""

import uuid
from typing import Any

from graphmail.provider import ProviderKey

_BY_HAND = uuid.UUID("5d1f7a5e-52f1-4c0b-9a53-4d0a1f1b7a66")
"""Namespace of the ids that stand for names which are no UUID."""


def as_uuid(name: str) -> uuid.UUID:
    """The UUID that the name spells; for any other name one that is always the same.

    The product's tenants and providers are UUIDs. A resource written by hand may be named anything: it has no row there, but it is
    claimed like the others.
    """
    try:
        return uuid.UUID(name)
    except ValueError:
        return uuid.uuid5(_BY_HAND, name)


def parameters(key: ProviderKey) -> dict[str, Any]:
    """The parameters `tenant` and `provider` of a statement."""
    return {"tenant": as_uuid(key.tenant), "provider": as_uuid(key.provider_id)}


def bearable(value: Any) -> Any:
    """As Postgres takes it: a text without zero characters."""
    return value.replace("\x00", "") if isinstance(value, str) else value
