"""Subscriptions left to expire at Graph, on purpose or since nothing could sign in to delete them: the sweep finds them here."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import sql

from graphmail.database.schema import Schema
from graphmail.database.session import Session
from graphmail.provider import ProviderKey

RETAINED = "deletionPolicy Retain: a person wanted it to stay"
"""The reason of a subscription that was left on purpose: nobody is to look for it and delete it."""


@dataclass(frozen=True, slots=True)
class Abandoned:
    """One subscription that nobody could delete."""

    key: ProviderKey
    subscription_id: str
    expires_at: datetime | None
    """When Graph lets it go by itself; None when that is not known."""
    reason: str
    abandoned_at: datetime
    """By the database's clock."""


_ABANDON = """
INSERT INTO graphmail.abandoned (tenant, provider_id, subscription_id, expires_at, reason, abandoned_at)
VALUES (%(tenant)s, %(provider_id)s, %(subscription_id)s, %(expires_at)s, %(reason)s, now())
ON CONFLICT (tenant, provider_id, subscription_id) DO UPDATE SET expires_at = excluded.expires_at, reason = excluded.reason
"""


def abandon_statement(_: Schema) -> sql.SQL:
    """SQL: remember a subscription that nobody could delete."""
    return sql.SQL(_ABANDON + "RETURNING subscription_id")


_ABANDONED = """
SELECT tenant, provider_id, subscription_id, expires_at, reason, abandoned_at FROM graphmail.abandoned
ORDER BY abandoned_at DESC, tenant, provider_id, subscription_id
"""


def abandoned_statement(_: Schema) -> sql.SQL:
    """SQL: all of them."""
    return sql.SQL(_ABANDONED)


async def abandon(
    session: Session, key: ProviderKey, subscription_id: str, expires_at: datetime | None, reason: str
) -> None:
    """Remember a subscription that nobody could delete; said again, the newer expiry and reason count.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    await session.rows(
        abandon_statement,
        {
            "tenant": key.tenant,
            "provider_id": key.provider_id,
            "subscription_id": subscription_id,
            "expires_at": expires_at,
            "reason": reason,
        },
    )


async def abandoned(session: Session) -> list[Abandoned]:
    """All that were abandoned, the latest first.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    rows = await session.rows(abandoned_statement, {})
    return [Abandoned(ProviderKey(tenant, provider_id), *rest) for tenant, provider_id, *rest in rows]
