"""Inbound mail that is paused in the product's own columns, and taken back only where the pause is ours.

A pause is ours while the product's row has the very moment that we wrote there, and our reason: whoever pauses anew, or for another
reason, has made it theirs.
"""

from psycopg import sql

from graphmail.database.keys import parameters
from graphmail.database.schema import Schema
from graphmail.database.session import Session
from graphmail.provider import ProviderKey

REASON = "auth_failure"
"""The product's word. It never suspends a mailbox: the operator must see the new consent (design, rule 11)."""

_PAUSE = """
WITH paused AS (
  UPDATE email_providers p
  SET inbound_paused_at = now(), inbound_pause_reason = %(reason)s::text, updated_at = now()
  WHERE p.tenant = %(tenant)s AND p.id = %(provider)s AND p.inbound_paused_at IS NULL
  RETURNING p.inbound_paused_at
)
INSERT INTO graphmail.inbound_pauses AS i (tenant, provider_id, paused_at)
SELECT %(tenant)s, %(provider)s, paused.inbound_paused_at FROM paused
ON CONFLICT (tenant, provider_id) DO UPDATE SET paused_at = excluded.paused_at
RETURNING 1
"""
_RESUME = """
WITH resumed AS (
  UPDATE email_providers p
  SET inbound_paused_at = NULL, inbound_pause_reason = NULL, updated_at = now()
  FROM graphmail.inbound_pauses i
  WHERE p.tenant = %(tenant)s AND p.id = %(provider)s AND i.tenant = %(tenant)s AND i.provider_id = %(provider)s
    AND p.inbound_paused_at = i.paused_at AND p.inbound_pause_reason = %(reason)s::text
  RETURNING 1
), forgotten AS (
  UPDATE graphmail.inbound_pauses i SET paused_at = NULL
  WHERE i.tenant = %(tenant)s AND i.provider_id = %(provider)s AND i.paused_at IS NOT NULL
)
SELECT 1 FROM resumed
"""
_NOTHING = "SELECT 1 WHERE false"
_STANDING = "SELECT tenant::text, provider_id::text FROM graphmail.inbound_pauses WHERE paused_at IS NOT NULL"


def pause_statement(schema: Schema) -> sql.SQL:
    """SQL: pause a provider, and remember it; nothing where the product cannot."""
    return sql.SQL(_PAUSE if schema.can_pause else _NOTHING)


def resume_statement(schema: Schema) -> sql.SQL:
    """SQL: take back a pause of ours, and forget it."""
    return sql.SQL(_RESUME if schema.can_pause else _NOTHING)


def standing_statement(_: Schema) -> sql.SQL:
    """SQL: whom we have paused."""
    return sql.SQL(_STANDING)


async def pause(session: Session, key: ProviderKey) -> bool:
    """Pause the provider's inbound mail, unless it is paused; whether it was done.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    return bool(await session.rows(pause_statement, {**parameters(key), "reason": REASON}))


async def resume(session: Session, key: ProviderKey) -> bool:
    """Take back our pause, if it still stands as we wrote it; whether it was done. Either way it is ours no more.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    return bool(await session.rows(resume_statement, {**parameters(key), "reason": REASON}))


async def standing(session: Session) -> list[ProviderKey]:
    """The providers that we have paused, and not resumed.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    return [ProviderKey(*row) for row in await session.rows(standing_statement, {})]
