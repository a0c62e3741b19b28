"""When notifications usually arrive in each mailbox: read once, and written for many at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from graphmail.database.keys import as_uuid
from graphmail.database.schema import Schema
from graphmail.database.session import Session
from graphmail.decision import Kept
from graphmail.provider import ProviderKey


@dataclass(frozen=True, slots=True)
class KeptRhythm:
    """The rhythm of one mailbox."""

    key: ProviderKey
    mailbox: str
    rhythm: Kept


_READ = "SELECT tenant::text, provider_id::text, mailbox, weights, since, last_at, counted FROM graphmail.rhythms"
_WRITE = """
INSERT INTO graphmail.rhythms AS r (tenant, provider_id, mailbox, weights, since, last_at, counted, updated_at)
SELECT told.*, statement_timestamp()
FROM unnest(%(tenants)s::uuid[], %(providers)s::uuid[], %(mailboxes)s::text[], %(weights)s::bytea[], %(since)s::timestamptz[],
            %(last)s::timestamptz[], %(counted)s::smallint[]) AS told
ON CONFLICT (tenant, provider_id, mailbox) DO UPDATE
SET weights = excluded.weights, since = excluded.since, last_at = excluded.last_at, counted = excluded.counted,
    updated_at = excluded.updated_at
RETURNING 1
"""


def read_statement(_: Schema) -> sql.SQL:
    """SQL: every rhythm."""
    return sql.SQL(_READ)


def write_statement(_: Schema) -> sql.SQL:
    """SQL: keep some rhythms."""
    return sql.SQL(_WRITE)


async def read(session: Session) -> list[KeptRhythm]:
    """Every rhythm that was kept.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    rows = await session.rows(read_statement, {})
    return [
        KeptRhythm(ProviderKey(tenant, provider), mailbox, Kept(bytes(weights), *rest))
        for tenant, provider, mailbox, weights, *rest in rows
    ]


async def write(session: Session, rhythms: Sequence[KeptRhythm]) -> None:
    """Keep these rhythms, of each mailbox at most one.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    values = {
        "tenants": [as_uuid(one.key.tenant) for one in rhythms],
        "providers": [as_uuid(one.key.provider_id) for one in rhythms],
        "mailboxes": [one.mailbox.replace("\x00", "") for one in rhythms],
        "weights": [one.rhythm.weights for one in rhythms],
        "since": [one.rhythm.since for one in rhythms],
        "last": [one.rhythm.last for one in rhythms],
        "counted": [one.rhythm.counted for one in rhythms],
    }
    await session.rows(write_statement, values)
