"""The triggers that tell of changed rows: only when asked for, of what a person changes, and gone without a trace."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any, LiteralString
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from graphmail.database import DatabaseUnavailable, MigrationReport, MigrationSettings, Told, listen, migrate
from graphmail.database.triggers import NAMES, WATCHED

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL_TRIGGERS = tuple(f"{name} on {table}" for table in WATCHED for name in NAMES)
IMPATIENT = MigrationSettings(lock_timeout=0.05, attempts=3, first_pause=1, longest_pause=1.5)


@pytest.fixture
async def telling_product(fresh_product: Any) -> Any:
    """A product whose tables tell."""
    await migrate(fresh_product.url, notify_trigger=True)
    return fresh_product


@pytest.fixture
def ear(telling_product: Any) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(telling_product.url, autocommit=True) as connection:
        connection.execute("LISTEN graphmail_changes")
        yield connection


def heard(ear: psycopg.Connection[Any]) -> list[str]:
    """What was told before now."""
    ear.execute("NOTIFY graphmail_changes, 'end'")
    payloads = []
    for notification in ear.notifies(timeout=30):
        if notification.payload == "end":
            return payloads
        payloads.append(notification.payload)
    raise AssertionError("a notification of our own never came")


class TestMigration:
    async def test_a_table_gets_no_trigger_unless_somebody_asks(self, fresh_product: Any) -> None:
        await migrate(fresh_product.url)
        assert triggers(fresh_product) == set()

    async def test_asked_for_they_are_added_once(self, fresh_product: Any) -> None:
        assert await migrate(fresh_product.url, notify_trigger=True) == MigrationReport(added_triggers=ALL_TRIGGERS)
        again = await migrate(fresh_product.url, notify_trigger=True)
        assert again == MigrationReport()
        assert not again.changed

    async def test_two_at_once_add_them_once(self, fresh_product: Any) -> None:
        reports = await asyncio.gather(*(migrate(fresh_product.url, notify_trigger=True) for _ in range(3)))
        assert sorted(name for report in reports for name in report.added_triggers) == sorted(ALL_TRIGGERS)

    async def test_whoever_does_not_speak_of_them_leaves_them_alone(self, telling_product: Any) -> None:
        assert await migrate(telling_product.url) == MigrationReport()
        assert len(triggers(telling_product)) == 4

    async def test_a_table_that_does_not_tell_is_named(self, telling_product: Any, fresh_database: Any) -> None:
        assert await fresh_database.silent_tables() == []
        telling_product.run("DROP TRIGGER graphmail_inserted ON email_providers")
        assert await fresh_database.silent_tables() == ["email_providers"]

    async def test_taken_away_they_leave_nothing_behind(self, telling_product: Any) -> None:
        report = await migrate(telling_product.url, notify_trigger=False)
        assert report == MigrationReport(removed_triggers=ALL_TRIGGERS)
        assert triggers(telling_product) == set()
        assert telling_product.run("SELECT FROM pg_proc WHERE proname = 'tell_of_change'") == []
        assert await migrate(telling_product.url, notify_trigger=False) == MigrationReport()

    async def test_one_that_somebody_switched_off_is_at_work_again_when_asked_for(self, telling_product: Any) -> None:
        telling_product.run("ALTER TABLE email_providers DISABLE TRIGGER graphmail_updated")
        report = await migrate(telling_product.url, notify_trigger=True)
        assert report.added_triggers == ALL_TRIGGERS[:2]

    async def test_a_column_that_a_newer_product_brings_is_told_of_once_asked_for_again(
        self, older_product_database_url: str
    ) -> None:
        await migrate(older_product_database_url, notify_trigger=True)
        with psycopg.connect(older_product_database_url, autocommit=True) as connection:
            connection.execute("ALTER TABLE email_providers ADD COLUMN inbound_paused_at timestamptz")
        report = await migrate(older_product_database_url, notify_trigger=True)
        assert report.added_triggers == ALL_TRIGGERS[:2]

    async def test_a_table_in_use_is_waited_for_only_briefly_and_tried_again(self, fresh_product: Any) -> None:
        pauses: list[float] = []
        with psycopg.connect(fresh_product.url) as writer:
            writer.execute("LOCK TABLE microsoft_email_provider_config IN ROW EXCLUSIVE MODE")

            async def pause(seconds: float) -> None:
                pauses.append(seconds)
                if len(pauses) == 2:
                    writer.rollback()

            report = await migrate(fresh_product.url, notify_trigger=True, settings=IMPATIENT, pause=pause)
        assert report.added_triggers == ALL_TRIGGERS
        assert pauses == [1, 1.5]


class TestWhatIsTold:
    @pytest.mark.parametrize("changed", [{"mailbox": "other@example.com"}, {"is_active": False}])
    async def test_a_provider_that_a_person_changes(
        self, telling_product: Any, ear: psycopg.Connection[Any], changed: dict[str, Any]
    ) -> None:
        key = telling_product.provider()
        heard(ear)
        telling_product.update("email_providers", key, updated_at="now", **changed)
        assert heard(ear) == [""]

    @pytest.mark.parametrize("fresh_product", ["2026"], indirect=True)
    async def test_a_pause_which_the_older_generation_does_not_know(
        self, telling_product: Any, ear: psycopg.Connection[Any]
    ) -> None:
        key = telling_product.provider()
        heard(ear)
        paused = {"inbound_paused_at": "2026-08-20", "inbound_pause_reason": "manual"}
        telling_product.update("email_providers", key, updated_at="now", **paused)
        assert heard(ear) == [""]

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ({}, {"folder_filters": '["Archive"]'}),
            ({}, {"client_id": "another-app"}),
            ({}, {"webhook_verification_token": "another-state"}),
            ({}, {"client_secret": "another-secret"}),
            ({}, {"tenant_id": "a-directory"}),
            ({"refresh_token": None}, {"refresh_token": "consented"}),
            ({"refresh_token": ""}, {"refresh_token": "consented"}),
            ({}, {"refresh_token": None}),
        ],
    )
    async def test_a_credential_or_a_folder_that_a_person_changes(
        self, telling_product: Any, ear: psycopg.Connection[Any], before: dict[str, Any], after: dict[str, Any]
    ) -> None:
        key = telling_product.provider(**before)
        heard(ear)
        telling_product.set_config(key, **after)
        assert heard(ear) == [""]

    async def test_a_new_provider(self, telling_product: Any, ear: psycopg.Connection[Any]) -> None:
        telling_product.provider()
        assert heard(ear) == ["", ""]

    async def test_many_in_one_transaction_are_told_once(
        self, telling_product: Any, ear: psycopg.Connection[Any]
    ) -> None:
        for _ in range(3):
            telling_product.provider()
        heard(ear)
        telling_product.run("UPDATE email_providers SET is_active = false, updated_at = now()")
        assert heard(ear) == [""]

    async def test_an_error_that_is_over_as_after_a_new_consent(
        self, telling_product: Any, ear: psycopg.Connection[Any]
    ) -> None:
        key = telling_product.provider()
        telling_product.update("email_providers", key, updated_at="now", **{telling_product.status_column: "error"})
        assert heard(ear) == ["", ""], "an error that begins is not told"
        telling_product.update("email_providers", key, updated_at="now", **{telling_product.status_column: "connected"})
        assert heard(ear) == [""]

    async def test_a_writer_that_leaves_updated_at_alone_makes_all_rows_be_read(
        self, telling_product: Any, ear: psycopg.Connection[Any]
    ) -> None:
        key = telling_product.provider()
        heard(ear)
        telling_product.update("email_providers", key, is_active=False)
        assert heard(ear) == ["all"]


class TestWhatIsNotTold:
    async def test_tokens_that_rotate(self, telling_product: Any, ear: psycopg.Connection[Any]) -> None:
        key = telling_product.provider()
        heard(ear)
        telling_product.set_config(key, refresh_token="refresh-2", access_token="access-2")
        assert heard(ear) == []

    async def test_a_column_that_is_written_as_it_was(self, telling_product: Any, ear: psycopg.Connection[Any]) -> None:
        key = telling_product.provider()
        heard(ear)
        telling_product.update("email_providers", key, updated_at="now", is_active=True)
        assert heard(ear) == []

    async def test_a_renewal_of_ours(
        self, telling_product: Any, fresh_database: Any, work: Any, ear: psycopg.Connection[Any]
    ) -> None:
        key = telling_product.provider()
        heard(ear)
        await fresh_database.record(await work.claim(key), work.success(key))
        await fresh_database.record(await work.claim(key), work.failure(key, provider_error=True))
        assert heard(ear) == []

    async def test_a_deletion_which_the_comparisons_guard_must_see_among_all_others(
        self, telling_product: Any, ear: psycopg.Connection[Any]
    ) -> None:
        key = telling_product.provider()
        heard(ear)
        telling_product.delete(key)
        assert heard(ear) == []


async def test_the_product_needs_no_right_of_ours_to_go_on_writing(
    telling_product: Any, ear: psycopg.Connection[Any]
) -> None:
    key = telling_product.provider()
    heard(ear)
    role = sql.Identifier(f"product_{uuid.uuid4().hex[:12]}")
    run = telling_product.connection.execute
    run(sql.SQL("CREATE ROLE {} LOGIN").format(role))
    run(sql.SQL("GRANT SELECT, UPDATE ON email_providers TO {}").format(role))
    try:
        parts = urlsplit(telling_product.url)
        url = urlunsplit(parts._replace(netloc=f"{role.as_string().strip(chr(34))}@{parts.netloc.rpartition('@')[2]}"))
        with psycopg.connect(url, autocommit=True) as product:
            product.execute(
                "UPDATE email_providers SET is_active = false, updated_at = now() WHERE id = %s", [key.provider_id]
            )
    finally:
        run(sql.SQL("DROP OWNED BY {}").format(role))
        run(sql.SQL("DROP ROLE {}").format(role))
    assert heard(ear) == [""]


class TestListening:
    async def test_it_begins_with_a_look_at_everything_and_hears_what_is_told(self, telling_product: Any) -> None:
        key = telling_product.provider()
        told = listen(telling_product.url)
        assert await anext(told) == Told(everything=True)
        telling_product.set_config(key, client_secret="another-secret")
        assert await anext(told) == Told()
        telling_product.update("email_providers", key, is_active=False)
        assert await anext(told) == Told(everything=True)
        await told.aclose()

    async def test_it_says_which_command_makes_the_tables_tell(self, fresh_product: Any) -> None:
        told = listen(fresh_product.url)
        first = await anext(told)
        assert first.warning.endswith("run `graphmail migrate --notify-trigger`")
        await told.aclose()

    async def test_a_connection_that_is_lost_ends_it_and_tells_no_secret(self, telling_product: Any) -> None:
        told = listen(telling_product.url)
        await anext(told)
        telling_product.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'graphmail-listen' AND datname = current_database()"
        )
        with pytest.raises(DatabaseUnavailable) as lost:
            await anext(told)
        assert lost.value.__cause__ is None
        assert lost.value.__context__ is None

    async def test_a_postgres_that_is_away_is_told_as_such(self, postgres_server: Any) -> None:
        with pytest.raises(DatabaseUnavailable):
            await anext(listen(postgres_server.url("no-such-database")))


def triggers(product: Any) -> set[LiteralString]:
    return {
        f"{row['tgname']} on {row['table']}"
        for row in product.run(
            "SELECT tgname, tgrelid::regclass::text AS table FROM pg_trigger WHERE tgname LIKE 'graphmail%%'"
        )
    }
