"""A pool that knows its schema: statements are written for the schema that is there, once, and forgotten when it changes."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection, sql

from graphmail.database.errors import SchemaError
from graphmail.database.pool import Pool, Row
from graphmail.database.schema import (
    CONFIG,
    HEALTH,
    HEALTH_SEQUENCE,
    LEGACY,
    OWN_SCHEMA,
    OWN_TABLES,
    PROVIDERS,
    READ_SCHEMA,
    Schema,
)

Statement = Callable[[Schema], sql.Composable]
"""Writes a statement for a schema; the function itself is its name in the cache."""

READ_VERSION = "SELECT coalesce(max(version), 0) FROM graphmail.migrations"
TABLES = (
    PROVIDERS,
    CONFIG,
    HEALTH,
    HEALTH_SEQUENCE,
    LEGACY,
    f"{OWN_SCHEMA}.migrations",
    *(f"{OWN_SCHEMA}.{name}" for name in OWN_TABLES),
)


def schema_from(rows: list[Row], version: int) -> Schema:
    """The schema that the rows of `READ_SCHEMA` describe."""
    return Schema(
        columns={name: frozenset(columns) for name, exists, columns, _ in rows if exists},
        citus=any(citus for *_, citus in rows),
        version=version,
    )


async def fetch(connection: AsyncConnection[Row], statement: str, parameters: Mapping[str, Any]) -> list[Row]:
    """Run one statement on a connection of one's own."""
    return await (await connection.execute(statement, parameters)).fetchall()


async def read_schema(connection: AsyncConnection[Row]) -> Schema:
    """The schema as this connection sees it, whether the operator can work with it or not."""
    rows = await fetch(connection, READ_SCHEMA, {"tables": list(TABLES)})
    schema = schema_from(rows, version=0)
    if not schema.has(f"{OWN_SCHEMA}.migrations"):
        return schema
    [[version]] = await fetch(connection, READ_VERSION, {})
    return schema_from(rows, version)


class Session:
    """Runs statements that are written for the schema it found."""

    def __init__(self, pool: Pool, required_version: int) -> None:
        self._pool = pool
        self._required_version = required_version
        self._schema: Schema | None = None
        self._texts: dict[Statement, str] = {}
        self._reading = asyncio.Lock()

    async def schema(self) -> Schema:
        """The schema, read at the first use and again after a statement met something that was no longer there.

        Raises:
            SchemaError: the operator cannot work with what is there. Asked again, it looks again.
            DatabaseUnavailable: Postgres cannot be asked.
        """
        async with self._reading:
            if self._schema is None:
                schema = await self._read()
                schema.require(self._required_version)
                self._schema = schema
            return self._schema

    async def _read(self) -> Schema:
        rows = await self._pool.rows(READ_SCHEMA, {"tables": list(TABLES)})
        schema = schema_from(rows, version=0)
        if not schema.has(f"{OWN_SCHEMA}.migrations"):
            return schema
        [[version]] = await self._pool.rows(READ_VERSION, {})
        return schema_from(rows, version)

    async def rows(self, statement: Statement, parameters: Mapping[str, Any]) -> list[Row]:
        """Run one statement and return its rows.

        Raises:
            DatabaseError: as `Pool.rows` and `schema` do.
        """
        text = await self._text(statement)
        try:
            return await self._pool.rows(text, parameters)
        except SchemaError:
            self._forget()
            raise

    async def results(self, statements: Sequence[Statement], parameters: Mapping[str, Any]) -> list[list[Row]]:
        """Run several statements at once, as one transaction, and return the rows of each; see `Pool.results`.

        Raises:
            DatabaseError: as `Pool.results` and `schema` do.
        """
        texts = [await self._text(statement) for statement in statements]
        try:
            return await self._pool.results(texts, parameters)
        except SchemaError:
            self._forget()
            raise

    async def _text(self, statement: Statement) -> str:
        schema = self._schema or await self.schema()
        text = self._texts.get(statement)
        if text is None:
            text = self._texts[statement] = statement(schema).as_string(None)
        return text

    def _forget(self) -> None:
        self._schema = None
        self._texts.clear()
