"""`graphmail migrate`: safe to run twice, and twice at once, and a good guest among the product's tables."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest

from graphmail.database import (
    Database,
    DatabaseUnavailable,
    MigrationError,
    MigrationReport,
    MigrationSettings,
    SchemaError,
    migrate,
)
from graphmail.database.migrations import numbered

if TYPE_CHECKING:
    from collections.abc import Callable

OWN = tuple(migration.name for migration in numbered())
HEALTH_COLUMNS_SINCE_2025 = {
    "subscription_status",
    "subscription_expires_at",
    "last_renewal_attempt_at",
    "last_renewal_result",
    "failure_reason",
    "last_notification_received_at",
}
IMPATIENT = MigrationSettings(lock_timeout=0.05, attempts=3, first_pause=1, longest_pause=1.5)


def run(url: str, statement: LiteralString) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def columns(url: str) -> set[tuple[str, str, str]]:
    rows = run(
        url, "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
    )
    return {(table, column, kind) for table, column, kind in rows}


def indexes(url: str) -> set[str]:
    return {definition for (definition,) in run(url, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'")}


async def test_the_newer_product_needs_nothing_but_tables_of_our_own(product_database_url: str) -> None:
    before = columns(product_database_url)
    assert await migrate(product_database_url) == MigrationReport(applied=OWN)
    assert columns(product_database_url) == before


async def test_the_older_product_gains_the_columns_it_lacks_and_loses_nothing(older_product_database_url: str) -> None:
    before, indexed = columns(older_product_database_url), indexes(older_product_database_url)
    report = await migrate(older_product_database_url)
    added = columns(older_product_database_url) - before
    assert {(table, column) for table, column, _ in added} == {
        ("microsoft_email_provider_config", "last_subscription_renewal"),
        *(("email_provider_health", column) for column in HEALTH_COLUMNS_SINCE_2025),
    }
    assert {f"{table}.{column}" for table, column, _ in added} == set(report.added_columns)
    assert before <= columns(older_product_database_url)
    assert indexes(older_product_database_url) == indexed


async def test_the_second_time_changes_nothing(older_product_database_url: str) -> None:
    await migrate(older_product_database_url)
    again = await migrate(older_product_database_url)
    assert again == MigrationReport()
    assert not again.changed


async def test_two_at_once_do_the_work_once(older_product_database_url: str) -> None:
    reports = await asyncio.gather(*(migrate(older_product_database_url) for _ in range(4)))
    assert sorted(name for report in reports for name in report.applied) == sorted(OWN)
    added = [column for report in reports for column in report.added_columns]
    assert len(added) == len(set(added)) == 1 + len(HEALTH_COLUMNS_SINCE_2025)


async def test_a_rows_content_survives(older_product_database_url: str) -> None:
    run(
        older_product_database_url,
        "INSERT INTO tenants (tenant, client_name, email) VALUES ('11111111-1111-1111-1111-111111111111', 'c', 'e'); "
        "INSERT INTO email_provider_health (tenant, provider_id, provider_type, success_count) "
        "VALUES ('11111111-1111-1111-1111-111111111111', 'p', 'microsoft', 41)",
    )
    await migrate(older_product_database_url)
    rows = run(older_product_database_url, "SELECT success_count, subscription_status FROM email_provider_health")
    assert rows == [(41, None)]


async def test_a_view_that_is_mended_keeps_its_rights_and_what_stands_on_it(product_database_url: str) -> None:
    await migrate(product_database_url)
    before = next(migration.text for migration in numbered() if migration.version == 6)
    view = before[before.index("CREATE VIEW") :].replace("CREATE VIEW", "CREATE OR REPLACE VIEW")
    with psycopg.connect(product_database_url, autocommit=True) as connection:
        connection.execute(view.encode())
    run(product_database_url, "DELETE FROM graphmail.migrations WHERE version >= 10")
    run(product_database_url, "CREATE VIEW desk AS SELECT mailbox, hours_left FROM graphmail.subscriptions")
    run(product_database_url, "GRANT SELECT ON graphmail.subscriptions TO PUBLIC")
    run(
        product_database_url,
        "INSERT INTO graphmail.mailbox_states (tenant, provider_id, mailbox, namespace, resource, state, reason, message, "
        "what_to_do, expires_at, updated_at) SELECT gen_random_uuid(), gen_random_uuid(), mailbox, 'n', 'r', 'uncovered', '', '', "
        "'', expires_at, now() FROM (VALUES ('never', NULL), ('over', now() - interval '1 h')) AS v (mailbox, expires_at)",
    )
    shown = "SELECT mailbox, hours_left::float FROM desk ORDER BY mailbox"
    assert run(product_database_url, shown) == [("never", 0.0), ("over", 0.0)]
    assert await migrate(product_database_url) == MigrationReport(applied=("hours_left",))
    assert run(product_database_url, shown) == [("never", None), ("over", 0.0)]
    granted = "SELECT has_table_privilege('public', 'graphmail.subscriptions', 'SELECT')"
    assert run(product_database_url, granted) == [(True,)]


async def test_a_table_in_use_is_waited_for_only_briefly_and_tried_again(older_product_database_url: str) -> None:
    pauses: list[float] = []
    said: list[str] = []
    with psycopg.connect(older_product_database_url) as product:
        product.execute("SELECT count(*) FROM email_provider_health")  # a long report: it holds the table until its end

        async def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 2:
                product.rollback()

        report = await migrate(older_product_database_url, settings=IMPATIENT, pause=pause, say=said.append)
    assert "email_provider_health.failure_reason" in report.added_columns
    assert pauses == [1, 1.5]
    assert len(said) == 2


async def test_a_table_in_use_that_lacks_nothing_is_not_waited_for(older_product_database_url: str) -> None:
    await migrate(older_product_database_url)
    with psycopg.connect(older_product_database_url) as product:
        product.execute("SELECT count(*) FROM email_provider_health, microsoft_email_provider_config")
        impatient = MigrationSettings(lock_timeout=0.05, attempts=1)
        assert await migrate(older_product_database_url, settings=impatient) == MigrationReport()


async def test_a_table_that_is_never_free_ends_in_one_clear_error_and_no_change(
    older_product_database_url: str,
) -> None:
    before = columns(older_product_database_url)

    async def pause(_: float) -> None:
        """The product goes on as before."""

    with psycopg.connect(older_product_database_url) as product:
        product.execute("SELECT count(*) FROM email_provider_health")
        with pytest.raises(
            MigrationError, match=r"columns of the product's tables: another session held a lock .* 3 attempts"
        ):
            await migrate(older_product_database_url, settings=IMPATIENT, pause=pause)
    assert columns(older_product_database_url) == before


async def test_without_the_product_it_says_what_to_do(database_url: str) -> None:
    with pytest.raises(SchemaError, match=r"email_providers, .*graphmail migrate --standalone"):
        await migrate(database_url)
    assert run(database_url, "SELECT nspname FROM pg_namespace WHERE nspname = 'graphmail'") == []


async def test_without_postgres_it_says_so(postgres_server: Any) -> None:
    with pytest.raises(DatabaseUnavailable, match="does not exist"):
        await migrate(postgres_server.url("no-such-database"))


class TestStandalone:
    async def test_it_makes_tables_that_the_operator_works_with(
        self, database_url: str, open_database: Callable[..., Any]
    ) -> None:
        report = await migrate(database_url, standalone=True)
        assert set(report.created_tables) == {
            "email_providers",
            "microsoft_email_provider_config",
            "email_provider_health",
        }
        async with open_database(database_url) as database:
            assert (await database.schema()).status_column == "status"
            assert (await database.providers()).providers == ()

    async def test_a_row_needs_no_more_than_a_person_knows(
        self, database_url: str, open_database: Callable[..., Any]
    ) -> None:
        await migrate(database_url, standalone=True)
        run(
            database_url,
            "WITH t AS (INSERT INTO tenants (client_name, email) VALUES ('Acme', 'it@acme.example') RETURNING tenant), "
            "p AS (INSERT INTO email_providers (tenant, provider_name, mailbox) SELECT tenant, 'mail', 'help@acme.example' FROM t "
            "RETURNING id, tenant) "
            "INSERT INTO microsoft_email_provider_config (email_provider_id, tenant, client_id, client_secret, tenant_id) "
            "SELECT id, tenant, 'app', 'secret', 'directory' FROM p",
        )
        async with open_database(database_url) as database:
            [provider] = (await database.providers()).providers
        assert (provider.mailbox, provider.active, provider.credential != "") == ("help@acme.example", True, True)

    async def test_the_second_time_changes_nothing(self, database_url: str) -> None:
        await migrate(database_url, standalone=True)
        assert await migrate(database_url, standalone=True) == MigrationReport()

    async def test_its_columns_are_the_products(self, database_url: str, product_database_url: str) -> None:
        await migrate(database_url, standalone=True)
        assert columns(database_url) <= columns(product_database_url)

    async def test_the_products_own_tables_are_left_alone(self, product_database_url: str) -> None:
        before = columns(product_database_url)
        report = await migrate(product_database_url, standalone=True)
        assert report.created_tables == ()
        assert columns(product_database_url) == before


class TestStart:
    """What a running operator says about a database that is not ready, and that it goes on by itself once it is."""

    async def test_it_names_the_migration_that_is_missing_and_works_after_it(
        self, older_product_database_url: str, open_database: Callable[..., Any]
    ) -> None:
        async with open_database(older_product_database_url) as database:
            with pytest.raises(
                SchemaError, match=r"email_provider_health\.failure_reason.*graphmail\.claims.*`graphmail migrate`"
            ):
                await database.providers()
            await migrate(older_product_database_url)
            assert (await database.providers()).providers == ()

    async def test_it_names_the_products_tables_that_are_missing(
        self, database_url: str, open_database: Callable[..., Any]
    ) -> None:
        async with open_database(database_url) as database:
            with pytest.raises(SchemaError, match=r"microsoft_email_provider_config.*--standalone"):
                await database.schema()

    async def test_it_asks_for_the_migrations_of_a_newer_version(
        self, product_database_url: str, open_database: Callable[..., Any]
    ) -> None:
        await migrate(product_database_url)
        run(product_database_url, "DELETE FROM graphmail.migrations WHERE version > 1")
        async with open_database(product_database_url) as database:
            with pytest.raises(
                SchemaError, match=f"at version 1, this operator needs {len(OWN)}: run `graphmail migrate`"
            ):
                await database.schema()

    async def test_a_column_that_goes_away_while_it_runs_is_noticed_and_its_return_too(
        self, product_database_url: str, open_database: Callable[..., Any]
    ) -> None:
        await migrate(product_database_url)
        async with open_database(product_database_url) as database:
            await database.providers()
            run(product_database_url, "ALTER TABLE microsoft_email_provider_config DROP COLUMN delivery_mode")
            await assert_heals(database)
            run(
                product_database_url,
                "ALTER TABLE microsoft_email_provider_config DROP COLUMN webhook_expires_at CASCADE",
            )
            for _ in range(2):
                with pytest.raises(SchemaError, match="webhook_expires_at"):
                    await database.providers()
            await migrate(product_database_url)
            assert (await database.providers()).providers == ()


async def assert_heals(database: Database) -> None:
    """The first question meets the missing column, the second is written for what is there."""
    with pytest.raises(SchemaError, match="delivery_mode"):
        await database.providers()
    assert (await database.providers()).providers == ()
