"""The connections to Postgres: few, autocommit, without session state, so that PgBouncer's transaction pooling works too."""

import asyncio
import re
import select
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import partial
from typing import Any, Self, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from graphmail.database.errors import (
    DatabaseError,
    DatabaseUnavailable,
    first_line,
    translate,
    was_rolled_back_by_chance,
)

Row = tuple[Any, ...]
_T = TypeVar("_T")

_ATTEMPTS = 3
"""How often a statement runs that Postgres rolled back to end a deadlock."""
PREPARE_AFTER = 3
"""Uses of a statement on one connection before the server keeps its plan."""
BATCH = 500
"""Rows that are made into Python objects before other tasks get their turn."""
_TIMESTAMPTZ = 1184
"""Postgres's type id of timestamptz."""
_UTC_NAMES = frozenset({"UTC", "Etc/UTC"})
_PARAMETER = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True, slots=True)
class Numbered:
    """A statement as the server takes it: its parameters are numbers, in the order in which their names first appear."""

    text: str
    names: tuple[str, ...]

    @classmethod
    def of(cls, statement: str) -> Self:
        """From a statement whose parameters have names, `%(name)s`; `%%` stands for `%`."""
        numbers: dict[str, int] = {}
        text = _PARAMETER.sub(lambda found: f"${numbers.setdefault(found[1], len(numbers) + 1)}", statement)
        return cls(text.replace("%%", "%"), tuple(numbers))

    def values(self, parameters: Mapping[str, Any]) -> list[Any]:
        """The parameters in the order of their numbers."""
        return [parameters[name] for name in self.names]


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How the operator connects. Times are in seconds."""

    connections: int = 8
    connect_timeout: int = 5
    wait_timeout: float = 5.0
    """The longest wait for a free connection."""
    statement_timeout: float = 10.0
    """The longest wait for an answer; then the statement is cancelled at the server."""
    application_name: str = "graphmail"


def connection_string(url: str, settings: PoolSettings) -> str:
    """The URL with our defaults for what it leaves open.

    The time-out of statements is ours and not the session's (`SET`, `options`): PgBouncer refuses the one and leaks the other.
    Keep-alives notice a server that is gone without a word.

    Raises:
        DatabaseError: the URL cannot be read. Its text, which may hold a password, is not repeated.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        given = None
    if given is None:
        raise DatabaseError(
            "the database URL cannot be read: it must look like postgresql://user:password@host:5432/database"
        )
    defaults: dict[str, Any] = {
        "connect_timeout": settings.connect_timeout,
        "application_name": settings.application_name,
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
    }
    return make_conninfo("", **{**defaults, **given})


def _remembering(failures: list[str]) -> type[AsyncConnection[Row]]:
    """A connection class that leaves in `failures` why the last attempt to connect failed; the pool itself tells only its log."""

    class RememberingConnection(AsyncConnection[Row]):
        @classmethod
        async def connect(cls, *args: Any, **kwargs: Any) -> Self:
            try:
                connection = await super().connect(*args, **kwargs)
            except psycopg.Error as error:
                failures[:] = [first_line(error)]
                raise
            failures.clear()
            return connection

    return RememberingConnection


async def _prepare_where_direct(connection: AsyncConnection[Row]) -> None:
    """Let the server remember its plans, which halves its work, where the connection is one to the server itself.

    Behind a pooler the next statement may reach another server process. A pooler makes up the number of the process that it tells at
    the start (PgBouncer, cancel keys), so that the two differ.
    """
    [[process]] = await (await connection.execute("SELECT pg_backend_pid()")).fetchall()
    if process == connection.info.backend_pid:
        connection.prepare_threshold = PREPARE_AFTER


class Pool:
    """A pool of connections that is opened without waiting for Postgres, and finds it again by itself after an outage."""

    def __init__(self, url: str, settings: PoolSettings) -> None:
        self._settings = settings
        self._failures: list[str] = []
        self._numbered: dict[str, Numbered] = {}
        self._pool = AsyncConnectionPool(
            connection_string(url, settings),
            connection_class=_remembering(self._failures),
            kwargs={"autocommit": True, "prepare_threshold": None},
            configure=_prepare_where_direct,
            min_size=1,
            max_size=settings.connections,
            open=False,
            check=self._still_connected,
            name=settings.application_name,
            timeout=settings.wait_timeout,
            # Short, since the pool doubles its pauses within this time: after a long outage it must not sleep through the return.
            reconnect_timeout=settings.wait_timeout,
        )

    async def open(self) -> None:
        """Start connecting in the background."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def _still_connected(self, connection: AsyncConnection[Row]) -> None:
        """Refuse a connection that the server has closed, without a round trip for a healthy one.

        An idle connection has nothing to read; where there is something, it is mostly the server's farewell, so it is asked. The others
        of the pool have heard it too: all are replaced at once, since the pool would pause between one broken one and the next.
        """
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
        if not poll.poll(0):
            return
        try:
            await AsyncConnectionPool.check_connection(connection)
        except psycopg.Error:
            await self._pool.drain()
            raise

    async def rows(self, statement: str, parameters: Mapping[str, Any]) -> list[Row]:
        """Run one statement and return its rows.

        Statements are fixed texts, and few. Their parameters are numbered here, once: psycopg would read a long statement anew at
        each use (it remembers none above 4,096 characters), which cost 0.2 ms for that of an outcome.

        Raises:
            DatabaseUnavailable: there is no connection, it broke, or the time-out passed; what was sent may have been done.
            DatabaseError: Postgres refused the statement.
        """
        numbered = self._number(statement)

        async def run(connection: AsyncConnection[Row]) -> list[Row]:
            return await _fetch(await _execute(connection, numbered, parameters))

        return await self._run(run)

    async def results(self, statements: Sequence[str], parameters: Mapping[str, Any]) -> list[list[Row]]:
        """Run several statements, sent at once and done as one transaction, and return the rows of each.

        Each statement sees what was committed before it began, so one may wait for a lock and the next decide.

        Raises:
            DatabaseUnavailable, DatabaseError: as `rows` does.
        """
        numbered = [self._number(statement) for statement in statements]

        async def run(connection: AsyncConnection[Row]) -> list[list[Row]]:
            # Without a BEGIN, what comes before the pipeline's end is one transaction (PostgreSQL, "Pipelining").
            try:
                async with connection.pipeline():
                    cursors = [await _execute(connection, each, parameters) for each in numbered]
                return [await _fetch(cursor) for cursor in cursors]
            except (psycopg.Error, asyncio.CancelledError):
                # psycopg takes for prepared what the server skipped: on this connection its next use would fail (SQLSTATE 26000).
                await connection.close()
                raise

        return await self._run(run)

    def _number(self, statement: str) -> Numbered:
        numbered = self._numbered.get(statement)
        if numbered is None:
            numbered = self._numbered[statement] = Numbered.of(statement)
        return numbered

    async def _run(self, work: Callable[[AsyncConnection[Row]], Awaitable[_T]]) -> _T:
        try:
            return await _persist(partial(self._once, work))
        except TimeoutError:
            failure: DatabaseError = DatabaseUnavailable(
                f"Postgres is unavailable: no answer within {self._settings.statement_timeout:g} s"
            )
        except psycopg.errors.FeatureNotSupported as error:
            # A plan that the server keeps does not fit a table that was altered since; a new connection has none.
            await self._pool.drain()
            failure = DatabaseUnavailable(f"Postgres is unavailable: {first_line(error)}")
        except psycopg.Error as error:
            failure = self._explain(error)
        raise failure  # outside the handlers, so that psycopg's own error is not chained to it

    async def _once(self, work: Callable[[AsyncConnection[Row]], Awaitable[_T]]) -> _T:
        connection = await self._pool.getconn()
        try:
            async with asyncio.timeout(self._settings.statement_timeout):
                return await work(connection)
        finally:
            await self._pool.putconn(connection)

    def _explain(self, error: psycopg.Error) -> DatabaseError:
        if isinstance(error, PoolTimeout | PoolClosed | TooManyRequests):
            reason = self._failures[0] if self._failures else first_line(error)
            return DatabaseUnavailable(f"Postgres is unavailable: {reason}")
        return translate(error)


async def _persist(work: Callable[[], Awaitable[_T]]) -> _T:
    """Do it; again, when Postgres rolled it back to end a deadlock."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return await work()
        except psycopg.Error as error:
            if not was_rolled_back_by_chance(error):
                raise
    return await work()


async def _execute(
    connection: AsyncConnection[Row], numbered: Numbered, parameters: Mapping[str, Any]
) -> psycopg.AsyncCursor[Row]:
    return await psycopg.AsyncRawCursor(connection).execute(numbered.text, numbered.values(parameters))


async def _fetch(cursor: psycopg.AsyncCursor[Row]) -> list[Row]:
    """All rows, made into Python objects a batch at a time."""
    if cursor.description is None:
        return []
    rows: list[Row] = []
    while batch := await cursor.fetchmany(BATCH):
        rows.extend(batch)
        if len(batch) < BATCH:
            break
        await asyncio.sleep(0)
    return _in_utc(cursor, rows)


def _in_utc(cursor: psycopg.AsyncCursor[Row], rows: list[Row]) -> list[Row]:
    """The rows with their moments in UTC.

    psycopg gives them in the session's zone, which we do not set. Between two moments of one zone Python subtracts what the clocks on
    the wall show: across a change to summer time that is an hour wrong.
    """
    if cursor.connection.info.parameter_status("TimeZone") in _UTC_NAMES:
        return rows
    moments = {index for index, column in enumerate(cursor.description or ()) if column.type_code == _TIMESTAMPTZ}
    return [
        tuple(value.astimezone(UTC) if index in moments and value else value for index, value in enumerate(row))
        for row in rows
    ]
