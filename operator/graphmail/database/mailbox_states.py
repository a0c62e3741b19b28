"""How mailboxes stand, for the product's own pages: what `graphmail.subscriptions` shows."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import sql

from graphmail.database.keys import as_uuid, bearable
from graphmail.database.provider_events import ProviderEvent, tell, told_values
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
    troubles: str = ""
    """What was told in events and is not over."""
    events: int = 0
    """How many were told."""
    events_as_of: datetime | None = None
    """The last attempt that the last of them knew of."""
    missed_at: datetime | None = None
    """Of the missed notifications that were told last: when Graph said so."""

    @property
    def key(self) -> StateKey:
        """Which mailbox it is about."""
        return StateKey(self.tenant, self.provider_id, self.mailbox)


_COLUMNS = tuple(field.name for field in fields(MailboxState))
_TYPES = {name: "timestamptz" if name.endswith("_at") else "text" for name in _COLUMNS} | {
    "tenant": "uuid",
    "provider_id": "uuid",
    "events": "bigint",
    "events_as_of": "timestamptz",
}
_GROWING = frozenset({"events", "events_as_of", "missed_at"})
"""Another process that acts may know of more: a number that was given is never given again."""
_GROWS = "{0} = greatest(s.{0}, excluded.{0})"
_WRITE = """
WITH states AS (
  INSERT INTO graphmail.mailbox_states AS s ({columns}, updated_at)
  SELECT told.*, statement_timestamp() FROM unnest({values}) AS told ({columns})
  ON CONFLICT (tenant, provider_id, mailbox) DO UPDATE SET {changes}, updated_at = excluded.updated_at
), {tell}
"""
_READ = "SELECT {columns} FROM graphmail.mailbox_states WHERE namespace = %(namespace)s"


def write_statement(_: Schema) -> sql.Composed:
    """SQL: tell how mailboxes stand, and what happened to them."""
    names = [sql.Identifier(name) for name in _COLUMNS]
    values = [sql.SQL(f"%({name})s::{_TYPES[name]}[]") for name in _COLUMNS]
    changes = [
        sql.SQL(_GROWS if name in _GROWING else "{0} = excluded.{0}").format(sql.Identifier(name))
        for name in _COLUMNS[3:]
    ]
    return sql.SQL(_WRITE).format(
        columns=sql.SQL(", ").join(names),
        values=sql.SQL(", ").join(values),
        changes=sql.SQL(", ").join(changes),
        tell=tell(),
    )


def read_statement(_: Schema) -> sql.Composed:
    """SQL: what an operator has told of its mailboxes."""
    texts = [sql.SQL(f"{name}::text" if _TYPES[name] == "uuid" else name) for name in _COLUMNS]
    return sql.SQL(_READ).format(columns=sql.SQL(", ").join(texts))


async def write(session: Session, states: Sequence[MailboxState], events: Sequence[ProviderEvent]) -> None:
    """Tell how these mailboxes stand, each at most once, and what happened to them. An event that was told already is not told again.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    values = {name: [_value(name, getattr(state, name)) for state in states] for name in _COLUMNS}
    await session.rows(write_statement, values | told_values(events))


async def read(session: Session, namespace: str) -> list[MailboxState]:
    """What the operator of that namespace has told, of mailboxes that are removed too.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    rows = await session.rows(read_statement, {"namespace": namespace})
    return [MailboxState(*row) for row in rows]


def _value(name: str, value: Any) -> Any:
    return as_uuid(value) if _TYPES[name] == "uuid" else bearable(value)
