"""What the sweep asks of Postgres: to whom subscriptions belong, and since when an orphan has been one."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from psycopg import sql

from graphmail.database.abandoned import RETAINED
from graphmail.database.keys import as_uuid
from graphmail.database.schema import LEGACY, Schema
from graphmail.database.session import Session


@dataclass(frozen=True, slots=True)
class Holdings:
    """What Postgres knows of some subscriptions and providers, at one moment."""

    subscriptions: frozenset[str] = frozenset()
    """Those that a provider's row names, or the table of its folders; in small letters."""
    retained: frozenset[str] = frozenset()
    """Those that were left at Graph since a person wanted it so; in small letters."""
    abandoned: Mapping[str, datetime] = field(default_factory=dict)
    """Those that nobody could delete, in small letters, and since when that is on record."""
    providers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Ids of those that have a row, whatever its kind or state, and the tenants of the rows."""
    claimed: frozenset[str] = frozenset()
    """Ids of those that somebody is working on, as UUIDs."""
    unsettled: frozenset[str] = frozenset()
    """Ids of those of which something was begun whose result nobody recorded, as UUIDs."""
    any_provider: bool = False
    """There is a provider at all: a database that has lost its rows proves nothing."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """An orphan, as the sweep has seen it."""

    subscription_id: str
    provider_id: str
    expires_at: datetime
    reason: str


# One statement, so that all of it is of one moment. Ids are compared in small letters: a person may have written one.
_HOLDINGS = """
SELECT 'row', lower(c.webhook_subscription_id), NULL::text, NULL::timestamptz FROM microsoft_email_provider_config c
WHERE lower(c.webhook_subscription_id) = ANY (%(subscriptions)s::text[])
UNION ALL
SELECT 'row', lower(f.subscription_id), NULL, NULL FROM graphmail.folder_subscriptions f
JOIN email_providers p ON p.tenant = f.tenant AND p.id = f.provider_id
WHERE lower(f.subscription_id) = ANY (%(subscriptions)s::text[])
UNION ALL {legacy}
SELECT 'left', lower(a.subscription_id), a.reason, a.abandoned_at FROM graphmail.abandoned a
WHERE lower(a.subscription_id) = ANY (%(subscriptions)s::text[])
UNION ALL
SELECT 'provider', p.id::text, p.tenant::text, NULL FROM email_providers p WHERE p.id = ANY (%(providers)s::uuid[])
UNION ALL
SELECT 'claimed', c.provider_id::text, NULL, NULL FROM graphmail.claims c
WHERE c.provider_id = ANY (%(providers)s::uuid[]) AND c.until > statement_timestamp()
UNION ALL
SELECT 'unsettled', c.provider_id::text, NULL, NULL FROM graphmail.claims c
WHERE c.provider_id = ANY (%(providers)s::uuid[]) AND c.unsettled <> '{{}}'
UNION ALL
SELECT 'any', NULL, NULL, NULL WHERE EXISTS (SELECT FROM email_providers)
"""

_LEGACY_HOLDINGS = """
SELECT 'row', lower(l.webhook_subscription_id), NULL, NULL FROM {table} l
WHERE lower(l.webhook_subscription_id) = ANY (%(subscriptions)s::text[])
UNION ALL"""


def holdings_statement(schema: Schema) -> sql.Composed:
    """SQL: what is known of some subscriptions and providers."""
    legacy = sql.SQL(_LEGACY_HOLDINGS).format(table=sql.Identifier(LEGACY)) if schema.legacy else sql.SQL("")
    return sql.SQL(_HOLDINGS).format(legacy=legacy)


async def holdings(session: Session, subscriptions: Iterable[str], providers: Iterable[str]) -> Holdings:
    """To whom these subscriptions belong, and how these providers stand.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    values = {
        "subscriptions": [name.lower() for name in subscriptions],
        "providers": [as_uuid(name) for name in providers],
    }
    rows = await session.rows(holdings_statement, values)

    def named(kind: str) -> frozenset[str]:
        return frozenset(row[1] for row in rows if row[0] == kind)

    tenants: dict[str, tuple[str, ...]] = {}
    for kind, provider, tenant, _ in rows:
        if kind == "provider":
            tenants[provider] = (*tenants.get(provider, ()), tenant)
    left = [(name, reason, at) for kind, name, reason, at in rows if kind == "left"]
    return Holdings(
        subscriptions=named("row"),
        retained=frozenset(name for name, reason, _ in left if reason == RETAINED),
        abandoned={name: at for name, reason, at in left if reason != RETAINED},
        providers=tenants,
        claimed=named("claimed"),
        unsettled=named("unsettled"),
        any_provider=any(row[0] == "any" for row in rows),
    )


# The first sighting counts, until somebody is seen to own it.
_SEE = """
WITH cleared AS (
  UPDATE graphmail.orphans SET seen_since = NULL WHERE subscription_id = ANY (%(owned)s::text[]) AND seen_since IS NOT NULL
)
INSERT INTO graphmail.orphans AS o (subscription_id, provider_id, expires_at, seen_since, reason)
SELECT seen.subscription_id, seen.provider_id, seen.expires_at, %(at)s::timestamptz, seen.reason
FROM unnest(%(ids)s::text[], %(providers)s::text[], %(expiries)s::timestamptz[], %(reasons)s::text[])
     AS seen (subscription_id, provider_id, expires_at, reason)
ON CONFLICT (subscription_id) DO UPDATE
SET seen_since = coalesce(o.seen_since, excluded.seen_since), expires_at = excluded.expires_at, reason = excluded.reason
RETURNING subscription_id, seen_since
"""


def see_statement(_: Schema) -> sql.SQL:
    """SQL: remember when orphans were first seen, and forget it of what somebody owns."""
    return sql.SQL(_SEE)


async def see(
    session: Session, orphans: Collection[Sighting], owned: Collection[str], at: datetime
) -> dict[str, datetime]:
    """Remember orphans, each by the moment when it was first seen as one.

    Args:
        owned: ids of subscriptions that are none, or are none any more: seen as orphans again, their time begins anew.

    Returns:
        By subscription id: since when it has been seen as an orphan.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    values = {
        "ids": [one.subscription_id for one in orphans],
        "providers": [one.provider_id for one in orphans],
        "expiries": [one.expires_at for one in orphans],
        "reasons": [one.reason for one in orphans],
        "owned": list(owned),
        "at": at,
    }
    return dict(await session.rows(see_statement, values))


_SEEN = "SELECT subscription_id, seen_since FROM graphmail.orphans WHERE seen_since IS NOT NULL AND subscription_id = ANY (%(ids)s::text[])"


def seen_statement(_: Schema) -> sql.SQL:
    """SQL: since when some subscriptions have been seen as orphans."""
    return sql.SQL(_SEEN)


async def seen(session: Session, subscriptions: Collection[str]) -> dict[str, datetime]:
    """Since when these have been seen as orphans; those that have not are absent.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    return dict(await session.rows(seen_statement, {"ids": list(subscriptions)}))
