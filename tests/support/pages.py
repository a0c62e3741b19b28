"""The product's own pages, as docs/product-pages.md tells to write them: its statements, with the rights that it grants."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row

from support.stage import Row
from support.statements import bound, statements
from support.waiting import eventually

SQL = statements("product-pages.md")


class Pages:
    """What the pages do."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]], role: str) -> None:
        self._connection = connection
        self.role = role

    def run(self, name: str, **values: Any) -> list[dict[str, Any]]:
        """Run a statement of the document."""
        cursor = self._connection.execute(bound(SQL[name]).encode(), values)
        return cursor.fetchall() if cursor.description else []

    def execute(self, statement: str) -> list[dict[str, Any]]:
        """Run any other statement, with the pages' rights."""
        cursor = self._connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []

    def one(self, row: Row) -> dict[str, Any]:
        """What is shown of a provider; empty: nothing."""
        found = self.run("provider", tenant=row.tenant, provider=row.id)
        return found[0] if found else {}

    async def shows(self, row: Row, state: str) -> dict[str, Any]:
        """What is shown of a provider, once it is in that state."""
        await eventually(lambda: self.one(row).get("state") == state, f"{row.address} is {state}")
        return self.one(row)

    def ask(self, row: Row) -> str:
        """Ask for a renewal; the request's id."""
        [made] = self.run("ask", tenant=row.tenant, provider=row.id)
        return str(made["id"])

    def answer(self, request: str) -> dict[str, Any]:
        """What stands in the request's row."""
        [found] = self.run("answer", id=request)
        return found

    async def answered(self, request: str, state: str) -> dict[str, Any]:
        """What stands there, once it is in that state."""
        await eventually(lambda: self.answer(request)["state"] == state, f"{request} is {state}")
        return self.answer(request)


@contextmanager
def open_pages(url: str) -> Iterator[Pages]:
    """The pages of that database, under a role of their own that has the document's rights and no others."""
    role = f"pages_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        connection.execute(f"CREATE ROLE {role}".encode())
        connection.execute(SQL["grants"].replace("desk_pages", role).encode())
        connection.execute(f"SET ROLE {role}".encode())
        yield Pages(connection, role)
