"""Migrations: what `graphmail migrate` does. Safe to run twice, and twice at once; a good guest among the product's tables."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import AsyncConnection, sql

from graphmail.database.errors import (
    DatabaseError,
    DatabaseUnavailable,
    MigrationError,
    first_line,
    is_passing,
    translate,
)
from graphmail.database.grants import grant_statements, pages_statements, receiver_statements
from graphmail.database.migrations import numbered, script
from graphmail.database.pool import PoolSettings, Row, connection_string
from graphmail.database.schema import OWN_SCHEMA, PROVIDERS, Schema
from graphmail.database.session import fetch, read_schema
from graphmail.database.triggers import WATCHED, AddTriggers, DropTriggers, drop_function

_LOCK = 0x676D_7332_0000_0001
"""Our advisory lock for migrations ("gms2")."""
_BUSY_STATES = frozenset({"55P03", "40P01"})

_JOURNAL = """
CREATE TABLE IF NOT EXISTS graphmail.migrations (
  version    integer     NOT NULL CONSTRAINT migrations_pkey PRIMARY KEY,
  name       text        NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
)"""


@dataclass(frozen=True, slots=True)
class MigrationSettings:
    """How patient a migration is. Times are in seconds."""

    lock_timeout: float = 2.0
    """The longest wait for a lock. Whoever waits for a table's lock makes all others wait behind, so this is short, and retried."""
    attempts: int = 10
    first_pause: float = 0.5
    longest_pause: float = 15.0
    pool: PoolSettings = field(default_factory=lambda: PoolSettings(application_name="graphmail-migrate"))


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What a migration changed."""

    applied: tuple[str, ...] = ()
    """Migrations of the operator's own tables, by name."""
    created_tables: tuple[str, ...] = ()
    """Tables in place of the product's (standalone only)."""
    added_columns: tuple[str, ...] = ()
    """Columns, as `table.column`, added to the product's tables."""
    added_triggers: tuple[str, ...] = ()
    """Triggers, as `name on table`, added to the product's tables."""
    removed_triggers: tuple[str, ...] = ()
    granted_to: str | None = None
    granted_pages_to: str | None = None
    granted_receiver_to: str | None = None

    @property
    def changed(self) -> bool:
        """Whether there was anything to do."""
        triggers = self.added_triggers or self.removed_triggers
        return bool(self.applied or self.created_tables or self.added_columns or triggers)


Say = Callable[[str], None]


def _quiet(_: str) -> None:
    """Say nothing."""


async def migrate(
    url: str,
    *,
    standalone: bool = False,
    notify_trigger: bool | None = None,
    grant_to: str | None = None,
    grant_pages_to: str | None = None,
    grant_receiver_to: str | None = None,
    settings: MigrationSettings | None = None,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    say: Say = _quiet,
) -> MigrationReport:
    """Bring the database to what this operator needs, and say what was changed.

    Each step is a transaction of its own and is retried while somebody holds a lock that it needs.

    Args:
        url: of a role that owns the product's tables, or may alter them, and may create a schema.
        standalone: create minimal tables where the product's are missing.
        notify_trigger: whether triggers on the product's tables tell of changes; None: leave them as they are.
        grant_to: a role that may run the operator afterwards; see `grants`.
        grant_pages_to: a role of the product's own pages: it may read how mailboxes stand and what happened, and ask for renewals.
        grant_receiver_to: a role that runs the receiver: it may write when notifications last arrived.
        settings: patience.
        pause: waits between two attempts.
        say: told about each attempt that must be repeated.

    Raises:
        SchemaError: the product's tables are missing, and `standalone` was not asked for.
        MigrationError: a lock was held by somebody else at every attempt, or a statement was refused.
        DatabaseUnavailable: Postgres cannot be reached.
    """
    settings = settings or MigrationSettings()
    run = _Run(url, settings, pause, say)
    created = await run.step("the product's tables", _create_product_tables) if standalone else ()
    added = await run.step("columns of the product's tables", _add_columns)
    applied = await run.step("the operator's own tables", _apply_own)
    await run.step("the distribution of the operator's tables", _distribute)
    triggers = await _triggers(run, wanted=notify_trigger) if notify_trigger is not None else ()
    if grant_to is not None:
        await run.step("privileges", _Grant(grant_to))
    if grant_pages_to is not None:
        await run.step(
            "privileges of the product's pages", _Grant(grant_pages_to, lambda _, role: pages_statements(role))
        )
    if grant_receiver_to is not None:
        await run.step(
            "privileges of the receiver", _Grant(grant_receiver_to, lambda _, role: receiver_statements(role))
        )
    return MigrationReport(
        applied=applied,
        created_tables=created,
        added_columns=added,
        added_triggers=triggers if notify_trigger else (),
        removed_triggers=() if notify_trigger else triggers,
        granted_to=grant_to,
        granted_pages_to=grant_pages_to,
        granted_receiver_to=grant_receiver_to,
    )


Step = Callable[[AsyncConnection[Row]], Awaitable[tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class _Run:
    url: str = field(repr=False)
    settings: MigrationSettings
    pause: Callable[[float], Awaitable[None]]
    say: Say

    async def step(self, what: str, step: Step) -> tuple[str, ...]:
        """One transaction, tried again while somebody is in the way."""
        wait = self.settings.first_pause
        for attempt in range(1, self.settings.attempts + 1):
            done = await self._attempt(what, step)
            if done is not None:
                return done
            if attempt < self.settings.attempts:
                self.say(
                    f"{what}: a lock is held by another session, next try in {wait:g} s ({attempt}/{self.settings.attempts})"
                )
                await self.pause(wait)
                wait = min(wait * 2, self.settings.longest_pause)
        raise MigrationError(
            f"{what}: another session held a lock for more than {self.settings.lock_timeout:g} s at each of "
            f"{self.settings.attempts} attempts; nothing of this step was changed. Look for long transactions in pg_stat_activity."
        )

    async def _attempt(self, what: str, step: Step) -> tuple[str, ...] | None:
        """What the step did; None when a lock was in the way."""
        try:
            async with self._transaction() as connection:
                return await step(connection)
        except psycopg.Error as error:
            if error.sqlstate in _BUSY_STATES:
                return None
            failure = _explain(what, error)
        raise failure

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection[Row]]:
        conninfo = connection_string(self.url, self.settings.pool)
        async with await AsyncConnection.connect(conninfo, prepare_threshold=None) as connection:
            await connection.execute(
                sql.SQL("SET LOCAL lock_timeout = {}").format(
                    sql.Literal(f"{int(self.settings.lock_timeout * 1000)}ms")
                )
            )
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            yield connection


def _explain(what: str, error: psycopg.Error) -> DatabaseError:
    if isinstance(error, psycopg.OperationalError) and not error.sqlstate:
        return DatabaseUnavailable(f"Postgres is unavailable: {first_line(error)}")
    if is_passing(error):
        return translate(error)
    return MigrationError(f"{what}: {error.diag.message_primary or type(error).__name__} ({error.sqlstate})")


async def _run_script(connection: AsyncConnection[Row], text: str) -> None:
    await connection.execute(text.encode())


async def _create_product_tables(connection: AsyncConnection[Row]) -> tuple[str, ...]:
    missing = (await read_schema(connection)).missing_product_tables
    if missing:
        await _run_script(connection, script("standalone"))
    return missing


async def _add_columns(connection: AsyncConnection[Row]) -> tuple[str, ...]:
    # Altered only where something is missing: even an ALTER TABLE that changes nothing locks out every reader of the table.
    schema = await read_schema(connection)
    schema.require_product()
    missing = schema.missing_added_columns
    if missing:
        await _run_script(connection, script("product_columns"))
    return missing


async def _apply_own(connection: AsyncConnection[Row]) -> tuple[str, ...]:
    if not await fetch(
        connection, "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %(name)s", {"name": OWN_SCHEMA}
    ):
        await connection.execute("CREATE SCHEMA graphmail")
    schema = await read_schema(connection)
    if not schema.has(f"{OWN_SCHEMA}.migrations"):
        await connection.execute(_JOURNAL)
    applied = []
    for migration in numbered():
        if migration.version > schema.version:
            await _run_script(connection, migration.text)
            await connection.execute(
                "INSERT INTO graphmail.migrations (version, name) VALUES (%s, %s)", [migration.version, migration.name]
            )
            applied.append(migration.name)
    return tuple(applied)


async def _triggers(run: _Run, *, wanted: bool) -> tuple[str, ...]:
    """Add or take away the triggers, one table at a time: no two of the product's are locked together."""
    changed: tuple[str, ...] = ()
    for table in WATCHED:
        changed += await run.step(f"triggers of {table}", AddTriggers(table) if wanted else DropTriggers(table))
    if not wanted:
        await run.step("the function of the triggers", drop_function)
    return changed


async def _distribute(connection: AsyncConnection[Row]) -> tuple[str, ...]:
    schema = await read_schema(connection)
    if schema.citus and schema.has(PROVIDERS):
        await _run_script(connection, script("citus"))
    return ()


@dataclass(frozen=True, slots=True)
class _Grant:
    role: str
    statements: Callable[[Schema, str], list[sql.Composed]] = grant_statements

    async def __call__(self, connection: AsyncConnection[Row]) -> tuple[str, ...]:
        try:
            for statement in self.statements(await read_schema(connection), self.role):
                await connection.execute(statement)
        except psycopg.errors.UndefinedObject:
            raise MigrationError(f"there is no role {self.role}: make it first, with CREATE ROLE") from None
        return ()
