"""What happened to a provider that others act upon: rows of `graphmail.provider_events`, and notifications on `graphmail_events`."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from psycopg import sql

from graphmail.database.keys import as_uuid, bearable
from graphmail.database.schema import Schema
from graphmail.database.session import Session

CHANNEL = "graphmail_events"
FORGET_AT_ONCE = 5000
"""Rows in one statement; what is left goes with the next one."""


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """One thing that happened to a provider."""

    id: str
    """A UUID: whoever tells of the same again uses the same."""
    tenant: str
    provider_id: str
    mailbox: str
    kind: str
    reason: str
    message: str
    what_to_do: str
    subscription_id: str | None
    resource: str
    occurred_at: datetime


_COLUMNS = tuple(field.name for field in fields(ProviderEvent))
_TYPES = dict.fromkeys(_COLUMNS, "text") | {
    "id": "uuid",
    "tenant": "uuid",
    "provider_id": "uuid",
    "occurred_at": "timestamptz",
}
_UUIDS = frozenset(name for name, kind in _TYPES.items() if kind == "uuid")

# Row and notification are of one statement, so that neither is ever without the other. The columns' texts may be long, and a payload of
# 8,000 bytes is refused: it holds ids, words and times, each cut, and no address. A text of Microsoft's stands in the row alone.
_TELL = """events AS (
  INSERT INTO graphmail.provider_events ({columns}, told_at)
  SELECT {columns}, statement_timestamp() FROM unnest({values}) WITH ORDINALITY AS told ({columns}, ordinality) ORDER BY ordinality
  ON CONFLICT (id) DO NOTHING
  RETURNING position, id, tenant, provider_id, kind, reason, subscription_id, resource, occurred_at
)
SELECT pg_notify({channel}, json_build_object(
  'version', 1,
  'position', position,
  'id', id,
  'kind', kind,
  'tenant', tenant,
  'provider_id', provider_id,
  'reason', left(reason, 200),
  'occurred_at', to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
  'subscription_id', left(subscription_id, 200),
  'resource', left(resource, 253)
)::text)
FROM (SELECT * FROM events ORDER BY position) told
"""
_FORGET = """
DELETE FROM graphmail.provider_events
WHERE id IN (
  SELECT id FROM graphmail.provider_events WHERE told_at < statement_timestamp() - %(age)s::interval ORDER BY told_at LIMIT %(most)s::int
)
RETURNING 1
"""


def tell() -> sql.Composed:
    """SQL: the end of a statement, after `WITH`, that tells of events, each once. Its parameters are those of `told_values`."""
    return sql.SQL(_TELL).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)),
        values=sql.SQL(", ").join(sql.SQL(f"%(event_{name})s::{_TYPES[name]}[]") for name in _COLUMNS),
        channel=sql.Literal(CHANNEL),
    )


def told_values(events: Sequence[ProviderEvent]) -> dict[str, list[Any]]:
    """The parameters of `tell`."""
    return {f"event_{name}": [_value(name, getattr(event, name)) for event in events] for name in _COLUMNS}


def forget_statement(_: Schema) -> sql.SQL:
    """SQL: delete old events."""
    return sql.SQL(_FORGET)


async def forget(session: Session, older_than: timedelta) -> int:
    """Delete events that were told longer ago than that, as many as go at once; how many.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    return len(await session.rows(forget_statement, {"age": older_than, "most": FORGET_AT_ONCE}))


def _value(name: str, value: Any) -> Any:
    return as_uuid(value) if name in _UUIDS else bearable(value)
