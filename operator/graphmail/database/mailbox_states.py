"""How mailboxes stand, for the product's own pages: what `graphmail.subscriptions` shows."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import sql

from graphmail.database.keys import as_uuid
from graphmail.database.schema import Schema
from graphmail.database.session import Session

REMOVED = "removed"
"""The state of a mailbox that has no resource any more: the view leaves it out."""


class StateKey(NamedTuple):
    """Which mailbox. A provider that moves from one to another has two for a while."""

    tenant: str
    provider_id: str
    mailbox: str


@dataclass(frozen=True, slots=True)
class MailboxState:
    """How one mailbox stands."""

    tenant: str
    provider_id: str
    mailbox: str
    namespace: str
    """The operator's own."""
    resource: str
    subscription_id: str | None
    expires_at: datetime | None
    state: str
    reason: str
    message: str
    what_to_do: str
    next_renewal_at: datetime | None = None
    last_renewal_at: datetime | None = None
    last_notification_at: datetime | None = None

    @property
    def key(self) -> StateKey:
        """Which mailbox it is about."""
        return StateKey(self.tenant, self.provider_id, self.mailbox)


_COLUMNS = tuple(field.name for field in fields(MailboxState))
_TYPES = {name: "timestamptz" if name.endswith("_at") else "text" for name in _COLUMNS} | {
    "tenant": "uuid",
    "provider_id": "uuid",
}
_WRITE = """
INSERT INTO graphmail.mailbox_states AS s ({columns}, updated_at)
SELECT told.*, statement_timestamp() FROM unnest({values}) AS told ({columns})
ON CONFLICT (tenant, provider_id, mailbox) DO UPDATE SET {changes}, updated_at = excluded.updated_at
RETURNING 1
"""
_READ = "SELECT {columns} FROM graphmail.mailbox_states WHERE namespace = %(namespace)s AND state <> %(removed)s"


def write_statement(_: Schema) -> sql.Composed:
    """SQL: tell how mailboxes stand."""
    names = [sql.Identifier(name) for name in _COLUMNS]
    values = [sql.SQL(f"%({name})s::{_TYPES[name]}[]") for name in _COLUMNS]
    changes = [sql.SQL("{0} = excluded.{0}").format(name) for name in names[3:]]
    return sql.SQL(_WRITE).format(
        columns=sql.SQL(", ").join(names), values=sql.SQL(", ").join(values), changes=sql.SQL(", ").join(changes)
    )


def read_statement(_: Schema) -> sql.Composed:
    """SQL: what an operator has told of its mailboxes."""
    texts = [sql.SQL(f"{name}::text" if _TYPES[name] == "uuid" else name) for name in _COLUMNS]
    return sql.SQL(_READ).format(columns=sql.SQL(", ").join(texts))


async def write(session: Session, states: Sequence[MailboxState]) -> None:
    """Tell how these mailboxes stand, each at most once.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    values = {name: [_value(name, getattr(state, name)) for state in states] for name in _COLUMNS}
    await session.rows(write_statement, values)


async def read(session: Session, namespace: str) -> list[MailboxState]:
    """What the operator of that namespace has told, without what is removed.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    rows = await session.rows(read_statement, {"namespace": namespace, "removed": REMOVED})
    return [MailboxState(*row) for row in rows]


def _value(name: str, value: Any) -> Any:
    """As Postgres takes it: it takes no zero character."""
    if _TYPES[name] == "uuid":
        return as_uuid(value)
    return value.replace("\x00", "") if isinstance(value, str) else value
