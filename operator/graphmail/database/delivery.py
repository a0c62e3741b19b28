"""What a notification that arrived says about a provider."""

from collections.abc import Collection

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
