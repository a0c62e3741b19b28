"""The product's side of the tests: rows in its tables, and the endpoint that Graph delivers to."""

import asyncio
import ssl
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import psycopg
from aiohttp import web
from psycopg.rows import dict_row


class Product:
    """The product's database, as the product itself writes it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = psycopg.connect(url, autocommit=True, row_factory=dict_row)

    def close(self) -> None:
        self._connection.close()

    def run(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Run a statement; its rows, if it has any."""
        cursor = self._connection.execute(statement, values)  # type: ignore[arg-type]  # statements of tests are trusted
        return cursor.fetchall() if cursor.description else []

    def add_tenant(self, name: str = "Tenant") -> str:
        tenant = str(uuid.uuid4())
        self.run(
            "INSERT INTO tenants (tenant, client_name, email) VALUES (%s, %s, %s)", tenant, name, "office@example.com"
        )
        return tenant

    def add_provider(self, tenant: str, mailbox: str, config: dict[str, Any], **columns: Any) -> str:
        """A Microsoft provider with its configuration; the id of the new row."""
        provider = str(uuid.uuid4())
        row = {
            "id": provider,
            "tenant": tenant,
            "provider_type": "microsoft",
            "provider_name": mailbox,
            "mailbox": mailbox,
        }
        self._insert("email_providers", row | columns)
        defaults = {"client_secret": "", "tenant_id": "common", "redirect_uri": "https://product.example.com/callback"}
        self._insert(
            "microsoft_email_provider_config", {"email_provider_id": provider, "tenant": tenant} | defaults | config
        )
        return provider

    def config(self, provider: str) -> dict[str, Any]:
        return self.run("SELECT * FROM microsoft_email_provider_config WHERE email_provider_id = %s", provider)[0]

    def provider(self, provider: str) -> dict[str, Any]:
        return self.run("SELECT * FROM email_providers WHERE id = %s", provider)[0]

    def health(self, provider: str) -> list[dict[str, Any]]:
        return self.run("SELECT * FROM email_provider_health WHERE provider_id = %s ORDER BY id", provider)

    def set_config(self, provider: str, **columns: Any) -> None:
        self._update("microsoft_email_provider_config", "email_provider_id", provider, columns)

    def set_provider(self, provider: str, **columns: Any) -> None:
        self._update("email_providers", "id", provider, columns)

    def end_claim(self, provider: str) -> None:
        """As if its time were over."""
        self.run("UPDATE graphmail.claims SET until = now() - interval '1 second' WHERE provider_id = %s", provider)

    def work_done(self, provider: str) -> int:
        """How often it was claimed; 0 while somebody works on it."""
        statement = "SELECT token FROM graphmail.claims WHERE provider_id = %s AND until IS NULL"
        return next((row["token"] for row in self.run(statement, provider)), 0)

    @contextmanager
    def locked(self, table: str) -> Iterator[psycopg.Connection[Any]]:
        """Nobody else can write to that table, or claim a row of it; statements that want to wait."""
        with psycopg.connect(self.url) as connection:
            connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
            yield connection

    def waiting(self) -> int:
        """How many statements of the operator wait for a lock."""
        [row] = self.run(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(row["count"])

    def claimed(self) -> int:
        """How many providers somebody works on now."""
        [row] = self.run("SELECT count(*) FROM graphmail.claims WHERE until > now()")
        return int(row["count"])

    def kill_sessions(self) -> None:
        """What Postgres does to the sessions of an operator that is gone, once it notices."""
        self.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'graphmail'"
        )

    def delete_provider(self, provider: str) -> None:
        self.run("DELETE FROM microsoft_email_provider_config WHERE email_provider_id = %s", provider)
        self.run("DELETE FROM email_providers WHERE id = %s", provider)

    def _insert(self, table: str, row: dict[str, Any]) -> None:
        places = ", ".join(["%s"] * len(row))
        self.run(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())

    def _update(self, table: str, key: str, value: str, columns: dict[str, Any]) -> None:
        changes = ", ".join(f"{name} = %s" for name in columns)
        self.run(f"UPDATE {table} SET {changes}, updated_at = now() WHERE {key} = %s", *columns.values(), value)


@dataclass
class Endpoint:
    """The https endpoint that Graph delivers to; it can be told to fail."""

    certificate: Path
    key: Path
    path: str = "/api/email/webhooks/microsoft"
    failing: bool = False
    answers: Callable[[str], web.Response] | None = None
    """What a handshake is answered with, by its token; None: as Graph wants it."""
    validating: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared, it holds every handshake back, and with it the create or renewal at Graph."""
    waiting: int = 0
    """Handshakes that are held back."""
    handshakes: list[str] = field(default_factory=list)
    """The full URLs that were validated."""
    notifications: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    async def __aenter__(self) -> Self:
        self.validating.set()
        app = web.Application()
        app.router.add_post(self.path, self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context).start()
        self.url = f"https://localhost:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        if self.failing:
            return web.Response(status=503)
        token = request.query.get("validationToken")
        if token is not None:
            self.handshakes.append(str(request.url))
            self.waiting += 1
            await self.validating.wait()
            self.waiting -= 1
            if self.answers is not None:
                return self.answers(token)
            return web.Response(text=token, content_type="text/plain")
        self.notifications += (await request.json())["value"]
        return web.Response(status=202)


def ago(**span: float) -> datetime:
    """A moment in the past, for rows."""
    return datetime.now(UTC) - timedelta(**span)
