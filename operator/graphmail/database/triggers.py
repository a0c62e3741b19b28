"""The triggers that tell of changed rows. The tables are the product's: they are added only when asked for, and go without a trace.

Told is what a person changes. Tokens are replaced hourly, by the product and by us, and each renewal writes its outcome: none of that is
told, or every transaction that notifies would wait for the others at its commit (Postgres sends notifications in the order of commits).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import AsyncConnection, sql

from graphmail.database.migrations import script
from graphmail.database.pool import Row
from graphmail.database.schema import CONFIG, OWN_SCHEMA, PROVIDERS, Schema
from graphmail.database.session import Session, fetch, read_schema

NAMES = ("graphmail_inserted", "graphmail_updated")
WATCHED = (PROVIDERS, CONFIG)

_FUNCTION = f"{OWN_SCHEMA}.tell_of_change()"
# As text, since the type json knows no equality.
_CHANGED = "OLD.{0}::text IS DISTINCT FROM NEW.{0}::text"
_APPEARED = "(coalesce(OLD.{0}, '') = '') <> (coalesce(NEW.{0}, '') = '')"
_MENDED = "OLD.{0} = 'error' AND NEW.{0} <> 'error'"
_CONDITIONS: Mapping[str, Mapping[str, str]] = {
    PROVIDERS: {
        "mailbox": _CHANGED,
        "provider_type": _CHANGED,
        "is_active": _CHANGED,
        "inbound_paused_at": _CHANGED,
        "inbound_pause_reason": _CHANGED,
        "status": _MENDED,
        "connection_status": _MENDED,
    },
    CONFIG: {
        "client_id": _CHANGED,
        "client_secret": _CHANGED,
        "client_secret_ref": _CHANGED,
        "tenant_id": _CHANGED,
        "folder_filters": _CHANGED,
        "delivery_mode": _CHANGED,
        "webhook_verification_token": _CHANGED,
        "refresh_token": _APPEARED,
        "access_token": _APPEARED,
    },
}
"""What is told of each column: that it changed, that it was filled or emptied, or that an error is over, as after a new consent."""

READ_TRIGGERS = """
SELECT t.tgname::text, t.tgenabled <> 'D',
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.tgrelid AND a.attnum = ANY (t.tgattr))
FROM pg_catalog.pg_trigger t
WHERE t.tgrelid = to_regclass(%(table)s) AND t.tgname = ANY (%(names)s)
ORDER BY t.tgname
"""


def watched_columns(schema: Schema, table: str) -> dict[str, str]:
    """The columns of that table whose changes are told, as far as this generation has them, and the condition for each."""
    return {column: condition for column, condition in _CONDITIONS[table].items() if schema.has(table, column)}


def complete(schema: Schema, table: str, triggers: list[Row]) -> bool:
    """Whether these rows of `READ_TRIGGERS` are all the triggers of that table, at work, and for all columns there are."""
    found = {name: set(columns) for name, enabled, columns in triggers if enabled}
    return set(found) == set(NAMES) and found[NAMES[1]] == set(watched_columns(schema, table))


def create_statement(schema: Schema, table: str) -> sql.Composed:
    """SQL: add the triggers to that table."""
    columns = watched_columns(schema, table)
    changed = [sql.SQL(condition).format(sql.Identifier(column)) for column, condition in columns.items()]
    return sql.SQL(script("notify_triggers")).format(
        table=sql.Identifier(table),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        changed=sql.SQL(" OR ").join(changed),
    )


@dataclass(frozen=True, slots=True)
class AddTriggers:
    """A migration's step: one table's triggers, made where they are missing or for other columns.

    CREATE TRIGGER locks out the table's writers for a moment, so it is only sent when there is something to do.
    """

    table: str

    async def __call__(self, connection: AsyncConnection[Row]) -> tuple[str, ...]:
        schema, found = await read_schema(connection), await triggers_of(connection, self.table)
        if complete(schema, self.table, found):
            return ()
        [[there]] = await fetch(connection, "SELECT to_regprocedure(%(name)s) IS NOT NULL", {"name": _FUNCTION})
        if not there:
            await connection.execute(script("notify_function").encode())
        await _drop(connection, self.table, found)
        await connection.execute(create_statement(schema, self.table))
        return tuple(f"{name} on {self.table}" for name in NAMES)


@dataclass(frozen=True, slots=True)
class DropTriggers:
    """A migration's step: one table's triggers taken away, where there are any."""

    table: str

    async def __call__(self, connection: AsyncConnection[Row]) -> tuple[str, ...]:
        found = await triggers_of(connection, self.table)
        await _drop(connection, self.table, found)
        return tuple(f"{name} on {self.table}" for name, *_ in found)


async def drop_function(connection: AsyncConnection[Row]) -> tuple[str, ...]:
    """A migration's step: what the triggers called."""
    await connection.execute(sql.SQL("DROP FUNCTION IF EXISTS {}").format(sql.SQL(_FUNCTION)))
    return ()


async def triggers_of(connection: AsyncConnection[Row], table: str) -> list[Row]:
    """Our triggers of that table: name, whether it is at work, and its columns."""
    return await fetch(connection, READ_TRIGGERS, {"table": table, "names": list(NAMES)})


def triggers_statement(_: Schema) -> sql.SQL:
    """SQL: our triggers of a table."""
    return sql.SQL(READ_TRIGGERS)


async def silent_tables(session: Session) -> list[str]:
    """The tables whose changes nobody tells.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    schema = await session.schema()
    found = {table: await session.rows(triggers_statement, {"table": table, "names": list(NAMES)}) for table in WATCHED}
    return [table for table, triggers in found.items() if not complete(schema, table, triggers)]


async def _drop(connection: AsyncConnection[Row], table: str, found: list[Row]) -> None:
    for name, *_ in found:
        statement = sql.SQL("DROP TRIGGER {} ON {}")
        await connection.execute(statement.format(sql.Identifier(name), sql.Identifier(table)))
