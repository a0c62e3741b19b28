"""Postgres goes away and comes back; the operator waits, and goes on by itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from graphmail.database import Claim, Database, DatabaseUnavailable, StatementFailed, migrate
from graphmail.provider import ProviderKey
from localstack.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[PostgresServer]:
    """A Postgres of this test's own, which may be stopped."""
    server = PostgresServer(tmp_path / "postgres").start()
    yield server
    server.delete()


async def until_it_answers(database: Database) -> None:
    async with asyncio.timeout(240):
        while True:
            try:
                await database.providers()
            except DatabaseUnavailable:
                continue
            return


async def test_it_opens_while_postgres_is_away_and_works_once_it_is_there(
    own_server: PostgresServer, open_database: Callable[..., Any]
) -> None:
    url = own_server.create_database("product")
    await migrate(url, standalone=True)
    own_server.stop()
    async with open_database(url, wait_timeout=5.0) as database:
        with pytest.raises(DatabaseUnavailable, match="refused"):
            await database.schema()
        own_server.start()
        await until_it_answers(database)


async def test_after_a_restart_every_connection_is_replaced_before_it_is_used(
    own_server: PostgresServer, open_database: Callable[..., Any]
) -> None:
    url = own_server.create_database("product")
    await migrate(url, standalone=True)
    async with open_database(url, wait_timeout=20.0) as database:  # less than the pauses of one that tries each in turn
        await asyncio.gather(*(database.providers() for _ in range(64)))
        own_server.stop()
        own_server.start()
        for _ in range(16):
            await database.providers()


async def test_an_outage_during_work_is_told_as_one_and_the_claim_is_still_ours_after_it(
    own_server: PostgresServer, open_database: Callable[..., Any], tmp_path: Path
) -> None:
    url = own_server.create_database("product")
    await migrate(url, standalone=True)
    key = ProviderKey("acme", "support")
    async with open_database(url, wait_timeout=5.0) as database:
        claim = await database.claim(key, "create", 10)
        assert isinstance(claim, Claim)
        own_server.stop()
        with pytest.raises(DatabaseUnavailable):
            await database.release(claim, settled=False)
        own_server.start()
        await until_it_answers(database)
        assert await database.release(claim, settled=False)
        again = await database.claim(key, "verify", 10)
    assert isinstance(again, Claim)
    assert again.unfinished == ("create",)


async def test_a_statement_that_takes_too_long_is_cancelled_at_the_server(
    product: Any, open_database: Callable[..., Any]
) -> None:
    key = product.provider()
    async with open_database(product.url, statement_timeout=5.0) as database:
        await database.schema()
        with psycopg.connect(product.url) as other:
            other.execute(
                "SELECT 1 FROM microsoft_email_provider_config WHERE email_provider_id = %s FOR UPDATE",
                [key.provider_id],
            )
            with pytest.raises(DatabaseUnavailable, match="no answer within 5 s"):
                await database.ensure_client_state(key, "generated")
            waiting = other.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND database IS NOT DISTINCT FROM "
                "(SELECT oid FROM pg_database WHERE datname = current_database())"
            ).fetchone()
        assert waiting == (0,)
        assert await database.ensure_client_state(key, "generated") == "generated"


async def test_a_cancelled_caller_gives_its_connection_back(
    product: Any, open_database: Callable[..., Any], until_somebody_waits: Callable[..., Any]
) -> None:
    key = product.provider()
    async with open_database(product.url, connections=1) as database:
        await database.schema()
        with psycopg.connect(product.url) as other:
            other.execute(
                "SELECT 1 FROM microsoft_email_provider_config WHERE email_provider_id = %s FOR UPDATE",
                [key.provider_id],
            )
            asking = asyncio.create_task(database.ensure_client_state(key, "generated"))
            await until_somebody_waits(other)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        assert await database.ensure_client_state(key, "generated") == "generated"


async def test_a_deadlock_with_the_product_is_nobodys_error(
    product: Any, open_database: Callable[..., Any], work: Any, until_somebody_waits: Callable[..., Any]
) -> None:
    """The product locks the same rows in an order of its own; Postgres then ends one of the two, mostly ours, since it is younger."""
    key = product.provider()
    product.add_health(key)
    # Ours looks for a deadlock once, five seconds after it began to wait: by then there is one, also on a slow machine.
    async with open_database(f"{product.url}?options=-c%20deadlock_timeout%3D5s") as database:
        claim = await database.claim(key, "renew", 100)
        with psycopg.connect(product.url) as other:
            other.execute("SET deadlock_timeout = '60s'")
            other.execute("SELECT 1 FROM email_provider_health WHERE provider_id = %s FOR UPDATE", [key.provider_id])
            writing = asyncio.create_task(database.record(claim, work.success(key)))
            with psycopg.connect(product.url, autocommit=True) as watcher:
                await until_somebody_waits(watcher)
            await asyncio.to_thread(
                other.execute,
                "SELECT 1 FROM microsoft_email_provider_config WHERE email_provider_id = %s FOR UPDATE",
                [key.provider_id],
            )
            other.commit()
        await writing
    assert product.config(key)["webhook_subscription_id"] == "subscription-1"


async def test_a_refused_statement_is_told_without_the_row_that_it_was_about(
    product: Any, database: Database, work: Any
) -> None:
    key = product.provider()
    product.run(
        "ALTER TABLE microsoft_email_provider_config ADD CONSTRAINT no_such_id CHECK (webhook_subscription_id <> 'odd')"
    )
    try:
        with pytest.raises(StatementFailed, match="no_such_id") as failed:
            await database.record(await work.claim(key), work.success(key, "odd"))
    finally:
        product.run("ALTER TABLE microsoft_email_provider_config DROP CONSTRAINT no_such_id")
    assert failed.value.sqlstate == "23514"
    assert failed.value.__cause__ is None
    assert failed.value.__context__ is None
    assert not [secret for secret in ("refresh-1", "access-1", "app-secret") if secret in repr(failed.value)]
