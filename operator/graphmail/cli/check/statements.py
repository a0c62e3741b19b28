"""What only `graphmail check` asks of Postgres: whether the role has its rights, and the write-back of a token that a check fetched."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from graphmail.database import PoolSettings, Schema
from graphmail.database.pool import Pool
from graphmail.database.schema import (
    CONFIG,
    HEALTH,
    HEALTH_COLUMNS,
    OWN_SCHEMA,
    OWN_TABLES,
    PROVIDERS,
    SUBSCRIPTION_COLUMNS,
)
from graphmail.provider import ProviderKey, RotatedTokens

_MISSING = """
SELECT needed.privilege || ' on ' || needed.name || CASE WHEN needed.field = '' THEN '' ELSE '.' || needed.field END
FROM unnest(%(tables)s::text[], %(columns)s::text[], %(privileges)s::text[]) AS needed(name, field, privilege)
WHERE NOT CASE WHEN needed.field = '' THEN has_table_privilege(needed.name, needed.privilege)
               ELSE has_column_privilege(needed.name, needed.field, needed.privilege) END
"""
"""A privilege on the whole table counts for each of its columns."""

_STORE = """
UPDATE microsoft_email_provider_config c
SET access_token = %(access_token)s, token_expires_at = %(expires_at)s, refresh_token = %(refresh_token)s, updated_at = now()
WHERE c.tenant = %(tenant)s AND c.email_provider_id = %(provider)s AND c.refresh_token = %(replaces)s
RETURNING true
"""

Need = tuple[str, str, str]
"""Table, column (or none), privilege."""
_TOKENS = ("access_token", "refresh_token", "token_expires_at")


@asynccontextmanager
async def open_pool(url: str) -> AsyncIterator[Pool]:
    """One connection."""
    pool = Pool(url, PoolSettings(connections=1, application_name="graphmail-check"))
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close()


def needs(schema: Schema) -> Iterator[Need]:
    """What a running operator reads and writes, on the schema that is there."""
    yield f"{OWN_SCHEMA}.migrations", "", "SELECT"
    for table in OWN_TABLES:
        yield from ((f"{OWN_SCHEMA}.{table}", "", privilege) for privilege in ("SELECT", "INSERT", "UPDATE"))
    for table in (PROVIDERS, CONFIG, HEALTH):
        yield from ((table, column, "SELECT") for column in sorted(schema.columns[table]))
    yield from ((PROVIDERS, column, "UPDATE") for column in (schema.status_column, "updated_at"))
    yield from ((CONFIG, column, "UPDATE") for column in (*SUBSCRIPTION_COLUMNS, *_TOKENS))
    for column in HEALTH_COLUMNS:
        yield from ((HEALTH, column, privilege) for privilege in ("INSERT", "UPDATE"))


async def missing_privileges(pool: Pool, schema: Schema) -> list[str]:
    """The privileges that our role lacks, such as `UPDATE on email_providers.status`.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    tables, columns, privileges = map(list, zip(*needs(schema), strict=True))
    rows = await pool.rows(_MISSING, {"tables": tables, "columns": columns, "privileges": privileges})
    return [str(row[0]) for row in rows]


async def store_tokens(pool: Pool, key: ProviderKey, tokens: RotatedTokens) -> bool:
    """Keep the tokens of a refresh if the row's refresh token is still the one that was read (design, rule 7).

    Returns:
        False: the row has another one by now, which counts; ours are discarded.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    values = {
        "tenant": key.tenant,
        "provider": key.provider_id,
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "expires_at": tokens.expires_at,
        "replaces": tokens.replaces,
    }
    return bool(await pool.rows(_STORE, values))
