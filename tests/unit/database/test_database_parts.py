"""The parts of the database room that need no Postgres."""

import json
import uuid

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from graphmail.database import DatabaseError, DatabaseUnavailable, PoolSettings, Schema, SchemaError, StatementFailed
from graphmail.database.discovery import folders_of
from graphmail.database.errors import translate
from graphmail.database.keys import as_uuid
from graphmail.database.migrations import numbered, required_version
from graphmail.database.pool import connection_string


class TestFolders:
    @pytest.mark.parametrize(
        ("text", "folders"),
        [
            (None, ()),
            ("[]", ()),
            ('["Inbox"]', ("Inbox",)),
            ('["Inbox", "Archive", "Inbox"]', ("Inbox", "Archive")),
            ('[" Inbox ", "", "  "]', ("Inbox",)),
            ('["Inbox", null, 7, {"name": "x"}, ["y"]]', ("Inbox",)),
            ('"Inbox"', ("Inbox",)),
            ('"[\\"Inbox\\", \\"Archive\\"]"', ("Inbox", "Archive")),
            ('"[broken"', ()),
            ("null", ()),
            ("{}", ()),
            ('{"Inbox": true}', ()),
            ("7", ()),
            ("not json", ()),
        ],
    )
    def test_names_are_kept_and_all_else_means_the_inbox(self, text: str | None, folders: tuple[str, ...]) -> None:
        assert folders_of(text) == folders

    @given(
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
        )
    )
    def test_whatever_the_column_holds_the_folders_are_distinct_names(self, value: object) -> None:
        folders = folders_of(json.dumps(value))
        assert all(isinstance(name, str) and name == name.strip() != "" for name in folders)
        assert len(set(folders)) == len(folders)


class TestKeys:
    def test_a_uuid_is_itself_however_it_is_written(self) -> None:
        name = "B0D6A8A0-93e5-4a4b-8a5f-2f5f7a0a1c11"
        assert as_uuid(name) == as_uuid(name.lower()) == uuid.UUID(name)

    @given(st.text(), st.text())
    def test_any_name_has_one_id_and_no_two_names_share_it(self, one: str, other: str) -> None:
        assert as_uuid(one) == as_uuid(one)
        assert (as_uuid(one) == as_uuid(other)) == (one == other) or {one, other} & {
            str(as_uuid(one)),
            str(as_uuid(other)),
        }


class TestConnectionString:
    def test_what_the_url_says_counts_before_our_defaults(self) -> None:
        text = connection_string(
            "postgresql://u:p@host:6543/db?connect_timeout=1&application_name=mine", PoolSettings()
        )
        parts = conninfo_to_dict(text)
        assert (parts["connect_timeout"], parts["application_name"], parts["port"]) == ("1", "mine", "6543")
        assert parts["keepalives_idle"] == "15"

    def test_nothing_is_asked_of_the_session(self) -> None:
        """PgBouncer refuses start-up options, and a SET would outlive the transaction at somebody else's."""
        assert "options" not in conninfo_to_dict(connection_string("postgresql://host/db", PoolSettings()))

    @pytest.mark.parametrize("url", ["postgresql://u:s3cr%t@host/db", "s3cret", "postgresql://host/db?passwort=s3cret"])
    def test_a_url_that_cannot_be_read_is_not_repeated(self, url: str) -> None:
        with pytest.raises(DatabaseError, match="cannot be read") as failed:
            connection_string(url, PoolSettings())
        assert "s3cr" not in str(failed.value)
        assert failed.value.__context__ is None


class TestErrors:
    @pytest.mark.parametrize(
        "error",
        [
            psycopg.OperationalError("server closed the connection unexpectedly\n\tmore"),
            psycopg.InterfaceError("the connection is closed"),
            psycopg.errors.AdminShutdown("x"),
            psycopg.errors.CannotConnectNow("x"),
            psycopg.errors.TooManyConnections("x"),
            psycopg.errors.QueryCanceled("x"),
            psycopg.errors.LockNotAvailable("x"),
            psycopg.errors.DeadlockDetected("x"),
            psycopg.errors.ReadOnlySqlTransaction("x"),
            psycopg.errors.DiskFull("x"),
        ],
    )
    def test_what_heals_by_itself_is_unavailable(self, error: psycopg.Error) -> None:
        assert type(translate(error)) is DatabaseUnavailable

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (psycopg.errors.UndefinedTable("x"), SchemaError),
            (psycopg.errors.UndefinedColumn("x"), SchemaError),
            (psycopg.errors.CheckViolation("x"), StatementFailed),
            (psycopg.DataError("x"), StatementFailed),
        ],
    )
    def test_what_does_not_heal_is_told_apart(self, error: psycopg.Error, kind: type[DatabaseError]) -> None:
        assert type(translate(error)) is kind

    def test_only_the_first_line_goes_on(self) -> None:
        assert str(translate(psycopg.OperationalError("lost\nthe row was (s3cret)"))) == "Postgres is unavailable: lost"

    def test_a_refusal_of_the_client_quotes_nothing(self) -> None:
        assert "s3cret" not in str(translate(psycopg.DataError("cannot convert s3cret")))


class TestMigrations:
    def test_they_are_numbered_without_a_gap(self) -> None:
        assert [migration.version for migration in numbered()] == list(range(1, required_version() + 1))

    def test_none_drops_anything(self) -> None:
        assert not [migration.name for migration in numbered() if "drop" in migration.text.lower()]


class TestSchema:
    def test_an_unknown_status_column_is_missed(self) -> None:
        columns = ("id", "tenant", "provider_type", "mailbox", "is_active", "updated_at")
        schema = Schema(columns={"email_providers": frozenset(columns)}, citus=False)
        assert schema.missing_product_columns == ("email_providers.status",)
