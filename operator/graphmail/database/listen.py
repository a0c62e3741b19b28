"""Listening for changed rows, over a connection of its own: a notification belongs to a session, and the pool has none.

asyncpg-listen was a candidate; it brings a second driver, with other errors and another reading of the URL.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import psycopg
from psycopg import AsyncConnection, sql

from graphmail.database.errors import DatabaseError, DatabaseUnavailable, first_line, translate
from graphmail.database.pool import PoolSettings, Row, connection_string
from graphmail.database.session import fetch, read_schema
from graphmail.database.triggers import WATCHED, complete, triggers_of

CHANNEL = "graphmail_changes"
_EVERYTHING = "all"


@dataclass(frozen=True, slots=True)
class Told:
    """Rows have changed, or may have."""

    everything: bool = False
    """A question by `updated_at` would not find it: all rows are to be read."""
    warning: str = ""
    """Why it may be that nothing is ever told, and what to do about it; empty: nothing stands in the way."""


async def listen(url: str, settings: PoolSettings | None = None) -> AsyncGenerator[Told]:
    """What the triggers tell, as they tell it, until the connection is lost.

    The first one comes at once: what changed before is to be looked for.

    Args:
        url: of Postgres itself. Behind PgBouncer's transaction pooling nothing is heard, and no error says so.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached, or the connection was lost.
        DatabaseError: Postgres refuses.
    """
    conninfo = connection_string(url, settings or PoolSettings(application_name="graphmail-listen"))
    failure = None
    try:
        async with await AsyncConnection.connect(conninfo, autocommit=True, prepare_threshold=None) as connection:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
            yield Told(everything=True, warning=await _obstacle(connection))
            async with aclosing(connection.notifies()) as notifications:
                async for notification in notifications:
                    yield Told(everything=notification.payload == _EVERYTHING)
    except psycopg.Error as error:
        failure = _explain(error)
    if failure is not None:
        raise failure  # outside the handler, so that psycopg's own error is not chained to it


def _explain(error: psycopg.Error) -> DatabaseError:
    if isinstance(error, psycopg.OperationalError) and not error.sqlstate:
        return DatabaseUnavailable(f"Postgres is unavailable: {first_line(error)}")
    return translate(error)


async def _obstacle(connection: AsyncConnection[Row]) -> str:
    """Why nothing may ever be heard; empty: there is no reason."""
    schema = await read_schema(connection)
    for table in WATCHED:
        if not complete(schema, table, await triggers_of(connection, table)):
            return f"no trigger tells of changes of {table}: run `graphmail migrate --notify-trigger`"
    [[pid]] = await fetch(connection, "SELECT pg_backend_pid()", {})
    if pid != connection.info.backend_pid:
        # A pooler gives each client a number of its own. With session pooling all is well; with transaction pooling nothing is heard.
        return "a pooler stands before Postgres, and may not pass notifications on: set GRAPHMAIL_DATABASE_DIRECT_URL"
    return ""
