"""What a notification that arrived says about a provider."""

from collections.abc import Collection
from datetime import datetime

from psycopg import sql

from graphmail.database.keys import as_uuid
from graphmail.database.schema import CONFIG, Schema
from graphmail.database.session import Session
from graphmail.provider import ProviderKey

_DELIVERING = """
UPDATE microsoft_email_provider_config c SET delivery_mode = 'webhook', updated_at = now()
FROM unnest(%(tenants)s::uuid[], %(providers)s::uuid[]) AS k(tenant, provider_id)
WHERE c.tenant = k.tenant AND c.email_provider_id = k.provider_id AND c.delivery_mode = 'polling'
RETURNING c.tenant::text, c.email_provider_id::text
"""


def delivering_statement(schema: Schema) -> sql.SQL:
    """SQL: polling rows become webhook rows; nothing where this generation has no such column."""
    return sql.SQL(_DELIVERING if schema.has(CONFIG, "delivery_mode") else "SELECT NULL, NULL WHERE false")


async def mark_delivering(session: Session, keys: Collection[ProviderKey]) -> list[ProviderKey]:
    """Set `delivery_mode` to webhook where it is polling, never back; returns the providers that were changed.

    For providers whose notification has really arrived: until then the product must go on polling.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    if not keys:
        return []
    ordered = sorted(set(keys))
    rows = await session.rows(
        delivering_statement,
        {
            "tenants": [as_uuid(key.tenant) for key in ordered],
            "providers": [as_uuid(key.provider_id) for key in ordered],
        },
    )
    return [ProviderKey(tenant, provider_id) for tenant, provider_id in rows]


# A provider may have several health rows, or none yet. Nothing else of them is written, and no time goes back.
_NOTIFIED = """
WITH told AS (
  SELECT * FROM unnest(%(tenants)s::uuid[], %(providers)s::text[], %(times)s::timestamptz[])
                WITH ORDINALITY AS t(tenant, provider_id, at, number)
), written AS (
  UPDATE email_provider_health h SET last_notification_received_at = told.at
  FROM told
  WHERE h.tenant = told.tenant AND h.provider_id = told.provider_id
    AND (h.last_notification_received_at IS NULL OR h.last_notification_received_at < told.at)
)
SELECT told.number FROM told
WHERE EXISTS (SELECT FROM email_provider_health h WHERE h.tenant = told.tenant AND h.provider_id = told.provider_id)
"""


def notified_statement(_: Schema) -> sql.SQL:
    """SQL: the times of last notifications; the numbers of those that have a row."""
    return sql.SQL(_NOTIFIED)


async def note_notifications(session: Session, arrivals: Collection[tuple[ProviderKey, datetime]]) -> set[ProviderKey]:
    """Write when these providers last had a notification; returns those that have a health row at all.

    In the order of their keys, so that two who write at once do not wait for each other in a ring. Of two times of one provider, as
    while it moves to another mailbox, the later counts.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    if not arrivals:
        return set()
    ordered = list(dict(sorted(arrivals)).items())
    rows = await session.rows(
        notified_statement,
        {
            "tenants": [as_uuid(key.tenant) for key, _ in ordered],
            "providers": [str(as_uuid(key.provider_id)) for key, _ in ordered],
            "times": [at for _, at in ordered],
        },
    )
    return {ordered[number - 1][0] for (number,) in rows}
