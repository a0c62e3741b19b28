"""The product's database in both generations, filled as a test needs it."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from graphmail.database import Claim, Database, DatabaseSettings, PoolSettings, migrate
from graphmail.provider import Outcome, ProviderKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from localstack.postgres import PostgresServer


@dataclass(frozen=True)
class Product:
    """The product's tables, and whoever else writes to them."""

    url: str
    older: bool
    connection: psycopg.Connection[dict[str, Any]]

    @property
    def status_column(self) -> str:
        return "connection_status" if self.older else "status"

    def run(self, statement: LiteralString, *values: Any) -> list[dict[str, Any]]:
        cursor = self.connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []

    def tenant(self) -> str:
        tenant = str(uuid.uuid4())
        self.run("INSERT INTO tenants (tenant, client_name, email) VALUES (%s, 'client', 'client@example.com')", tenant)
        return tenant

    def provider(
        self, tenant: str | None = None, *, kind: str = "microsoft", config: bool = True, **columns: Any
    ) -> ProviderKey:
        """A provider somebody has consented to; `columns` of the config table override."""
        key = ProviderKey(tenant or self.tenant(), str(uuid.uuid4()))
        self.run(
            "INSERT INTO email_providers (id, tenant, provider_type, provider_name, mailbox) VALUES (%s, %s, %s, 'mail', %s)",
            key.provider_id,
            key.tenant,
            kind,
            f"box-{key.provider_id}@example.com",
        )
        if config:
            values = {
                "email_provider_id": key.provider_id,
                "tenant": key.tenant,
                "client_id": "app",
                "client_secret": "app-secret",
                "tenant_id": "common",
                "redirect_uri": "https://example.com/callback",
                "refresh_token": "refresh-1",
                "access_token": "access-1",
                **columns,
            }
            self.connection.execute(
                sql.SQL("INSERT INTO microsoft_email_provider_config ({}) VALUES ({})").format(
                    sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(map(sql.Placeholder, values))
                ),
                values,
            )
        return key

    def update(self, table: LiteralString, key: ProviderKey, **columns: Any) -> None:
        id_column = {"email_providers": "id", "email_provider_configs": "id", "email_provider_health": "provider_id"}
        self.connection.execute(
            sql.SQL("UPDATE {} SET {} WHERE tenant = %(key_tenant)s AND {}::text = %(key_provider)s").format(
                sql.Identifier(table),
                sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(c), sql.Placeholder(c)) for c in columns),
                sql.Identifier(id_column.get(table, "email_provider_id")),
            ),
            {**columns, "key_tenant": key.tenant, "key_provider": key.provider_id},
        )

    def set_config(self, key: ProviderKey, **columns: Any) -> None:
        self.update("microsoft_email_provider_config", key, updated_at=datetime.now(UTC), **columns)

    def set_status(self, key: ProviderKey, status: str, message: str | None = None) -> None:
        self.update("email_providers", key, **{self.status_column: status}, error_message=message)

    def config(self, key: ProviderKey) -> dict[str, Any]:
        [row] = self.run(
            "SELECT * FROM microsoft_email_provider_config WHERE tenant = %s AND email_provider_id = %s",
            key.tenant,
            key.provider_id,
        )
        return row

    def status(self, key: ProviderKey) -> tuple[str, str | None]:
        [row] = self.run("SELECT * FROM email_providers WHERE tenant = %s AND id = %s", key.tenant, key.provider_id)
        return row[self.status_column], row["error_message"]

    def health(self, key: ProviderKey) -> list[dict[str, Any]]:
        return self.run(
            "SELECT * FROM email_provider_health WHERE tenant = %s AND provider_id = %s ORDER BY id",
            key.tenant,
            key.provider_id,
        )

    def add_health(self, key: ProviderKey) -> None:
        self.run(
            "INSERT INTO email_provider_health (tenant, provider_id, provider_type) VALUES (%s, %s, 'microsoft')",
            key.tenant,
            key.provider_id,
        )

    def end_claim(self, key: ProviderKey) -> None:
        """As if its holder had died and its time were over."""
        self.run(
            "UPDATE graphmail.claims SET until = now() - interval '1 second' WHERE tenant = %s AND provider_id = %s",
            key.tenant,
            key.provider_id,
        )

    def delete(self, key: ProviderKey) -> None:
        self.run(
            "DELETE FROM microsoft_email_provider_config WHERE tenant = %s AND email_provider_id = %s",
            key.tenant,
            key.provider_id,
        )
        self.run("DELETE FROM email_providers WHERE tenant = %s AND id = %s", key.tenant, key.provider_id)


def _connected(url: str, *, older: bool) -> Iterator[Product]:
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        yield Product(url, older, connection)


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer, product_template: str) -> str:
    """The name of a database with the product's tables after `graphmail migrate`."""
    asyncio.run(migrate(postgres_server.create_database("migrated", template=product_template)))
    return "migrated"


@pytest.fixture(scope="session")
def older_migrated_template(postgres_server: PostgresServer, older_product_template: str) -> str:
    """The same with the older generation of the tables."""
    asyncio.run(migrate(postgres_server.create_database("migrated-older", template=older_product_template)))
    return "migrated-older"


@pytest.fixture(scope="session", params=["2026", "2025"])
def product(
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,
    migrated_template: str,
    older_migrated_template: str,
) -> Iterator[Product]:
    """The product's database after `graphmail migrate`, in each generation. Tests share it: keep to tenants of your own."""
    older = request.param == "2025"
    template = older_migrated_template if older else migrated_template
    name = f"shared-{request.param}"
    yield from _connected(postgres_server.create_database(name, template=template), older=older)
    postgres_server.drop_database(name)  # a worker that gets one file after another makes it again


@pytest.fixture(scope="session")
def newer_product(postgres_server: PostgresServer, migrated_template: str) -> Iterator[Product]:
    """The newer generation, for what only it has. Shared as well."""
    yield from _connected(postgres_server.create_database("shared-newer", template=migrated_template), older=False)


@pytest.fixture(params=["2026", "2025"])
def fresh_product(
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,
    migrated_template: str,
    older_migrated_template: str,
) -> Iterator[Product]:
    """A database of one's own, for tests about all there is in it."""
    older = request.param == "2025"
    name = f"fresh-{uuid.uuid4().hex[:12]}"
    url = postgres_server.create_database(name, template=older_migrated_template if older else migrated_template)
    yield from _connected(url, older=older)
    postgres_server.drop_database(name)


PATIENT = {"wait_timeout": 60.0, "statement_timeout": 60.0}
"""A slow machine is no Postgres that is away."""


def _open(url: str, holder: str = "one", **pool: Any) -> AbstractAsyncContextManager[Database]:
    return Database.open(url, holder=holder, settings=DatabaseSettings(pool=PoolSettings(**PATIENT | pool)))


@pytest.fixture
def open_database() -> Callable[..., AbstractAsyncContextManager[Database]]:
    """Opens one more, as another process would: `open_database(url, holder, **pool_settings)`."""
    return _open


@pytest.fixture
async def database(product: Product) -> AsyncIterator[Database]:
    async with _open(product.url) as opened:
        yield opened


@pytest.fixture
async def newer_database(newer_product: Product) -> AsyncIterator[Database]:
    async with _open(newer_product.url) as opened:
        yield opened


@pytest.fixture
async def fresh_database(fresh_product: Product) -> AsyncIterator[Database]:
    async with _open(fresh_product.url) as opened:
        yield opened


async def _until_somebody_waits(connection: psycopg.Connection[Any]) -> None:
    async with asyncio.timeout(240):
        while True:
            if connection.execute("SELECT FROM pg_locks WHERE NOT granted").rowcount:
                return
            await asyncio.sleep(0)


@pytest.fixture
def until_somebody_waits() -> Callable[[psycopg.Connection[Any]], Awaitable[None]]:
    """Awaits that a statement stands before a lock."""
    return _until_somebody_waits


@dataclass(frozen=True)
class Work:
    """What the reconciler does around Postgres, for one provider."""

    database: Database
    now: datetime

    async def claim(self, key: ProviderKey, action: str = "renew") -> Claim:
        claim = await self.database.claim(key, action, 100)
        assert isinstance(claim, Claim)
        return claim

    def success(self, key: ProviderKey, subscription_id: str | None = "subscription-1", **fields: Any) -> Outcome:
        expires_at = self.now + timedelta(days=6) if subscription_id else None
        values: dict[str, Any] = {"expires_at": expires_at, "renewed": subscription_id is not None, **fields}
        return Outcome(key, self.now, True, subscription_id, **values)

    def failure(self, key: ProviderKey, reason: str = "Graph said no", **fields: Any) -> Outcome:
        values: dict[str, Any] = {"subscription_id": None, "expires_at": None, "consecutive_failures": 1, **fields}
        return Outcome(key, self.now, False, failure_reason=reason, **values)


NOW = datetime(2026, 8, 20, 12, 30, 15, 250000, tzinfo=UTC)


@pytest.fixture
def work(request: pytest.FixtureRequest) -> Work:
    name = next(iter({"newer_database", "fresh_database"} & set(request.fixturenames)), "database")
    return Work(request.getfixturevalue(name), NOW)
