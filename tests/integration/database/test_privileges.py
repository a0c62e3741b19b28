"""The role that runs the operator can do its work, and nothing else to the product."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from graphmail.database import (
    AccessDenied,
    Claim,
    MigrationError,
    Recorded,
    RowFate,
    Sighting,
    TokenFate,
    listen,
    migrate,
)
from graphmail.provider import Outcome, RotatedTokens
from support.happened import event_of, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCUMENTED = Path(__file__).parents[3] / "docs" / "database.md"


@pytest.fixture
def role(fresh_product: Any) -> Iterator[str]:
    """A role that may sign in and nothing else."""
    name = f"operator_{uuid.uuid4().hex[:12]}"
    fresh_product.connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    yield name
    fresh_product.connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
    fresh_product.connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def as_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))


async def everything(database: Any, key: Any, now: Any) -> None:
    """All that the operator does."""
    await database.schema()
    assert [provider.key for provider in (await database.providers()).providers] == [key]
    state = await database.provider_state(key)
    assert await database.ensure_client_state(key, "generated") == "generated"
    tokens = RotatedTokens("access-2", now, "refresh-2", state.credential.refresh_token)
    for outcome in (
        Outcome(
            key, now, False, None, None, failure_reason="no", consecutive_failures=9, provider_error=True, tokens=tokens
        ),
        Outcome(key, now, True, "subscription-1", now, renewed=True),
    ):
        claim = await database.claim(key, "renew", 10)
        assert isinstance(claim, Claim)
        recorded = await database.record(claim, outcome)
        assert isinstance(recorded, Recorded)
        assert recorded.row is RowFate.WRITTEN
        assert recorded.tokens is (TokenFate.STORED if outcome.tokens else TokenFate.NONE)
    claim = await database.claim(key, "renew", 10)
    assert isinstance(claim, Claim)
    assert await database.release(claim, settled=True)
    await database.record_late(Outcome(key, now, True, "subscription-1", now), known_subscription_id=None)
    late = RotatedTokens("access-3", now, "refresh-3", "refresh-2")
    assert await database.store_tokens(key, late)
    await database.mark_delivering([key])
    await database.peer_changes()
    await database.silent_tables()
    await database.abandon(key, "subscription-1", None, "no credential")
    await database.abandoned()
    await database.holdings(["subscription-1"], [key.provider_id])
    await database.see_orphans([Sighting("subscription-2", key.provider_id, now, "nobody")], ["subscription-1"], now)
    await database.orphans_seen(["subscription-2"])
    await database.tell_mailbox_states([state_of(key)], [event_of(key)])
    assert len(await database.mailbox_states("mail")) == 1
    assert await database.forget_provider_events(timedelta(0)) == 1
    await database.pause_inbound(key)
    await database.resume_inbound(key)
    assert await database.inbound_pauses() == []


async def test_the_grants_suffice_for_everything_the_operator_does(
    fresh_product: Any, role: str, open_database: Callable[..., Any]
) -> None:
    report = await migrate(fresh_product.url, grant_to=role)
    assert report.granted_to == role
    key = fresh_product.provider()
    [row] = fresh_product.run("SELECT now() AS now")
    async with open_database(as_role(fresh_product.url, role)) as database:
        await everything(database, key, row["now"])
        assert await database.missing_privileges() == []
    heard = listen(as_role(fresh_product.url, role))
    assert (await anext(heard)).everything
    await heard.aclose()


@pytest.mark.parametrize(
    ("revoked", "missing"),
    [
        ("SELECT ON email_providers", "SELECT on email_providers"),
        (
            "UPDATE (last_renewal_result) ON email_provider_health",
            "UPDATE on email_provider_health.last_renewal_result",
        ),
        ("INSERT (created_at) ON email_provider_health", "INSERT on email_provider_health.created_at"),
        ("INSERT ON graphmail.abandoned", "INSERT on graphmail.abandoned"),
        ("DELETE ON graphmail.provider_events", "DELETE on graphmail.provider_events"),
        ("USAGE ON SEQUENCE email_provider_health_id_seq", "USAGE on email_provider_health_id_seq"),
    ],
)
async def test_each_privilege_that_is_missing_is_named(
    fresh_product: Any, role: str, open_database: Callable[..., Any], revoked: LiteralString, missing: str
) -> None:
    await migrate(fresh_product.url, grant_to=role)
    fresh_product.connection.execute(sql.SQL("REVOKE {} FROM {}").format(sql.SQL(revoked), sql.Identifier(role)))
    async with open_database(as_role(fresh_product.url, role)) as database:
        assert await database.missing_privileges() == [missing]


async def test_a_privilege_on_each_column_is_as_good_as_one_on_the_table(
    fresh_product: Any, role: str, open_database: Callable[..., Any]
) -> None:
    await migrate(fresh_product.url, grant_to=role)
    name, columns = (
        sql.Identifier(role),
        sql.SQL(", ").join(
            sql.Identifier(row["column_name"])
            for row in fresh_product.run(
                "SELECT column_name FROM information_schema.columns WHERE table_name = 'email_providers'"
            )
        ),
    )
    fresh_product.connection.execute(sql.SQL("REVOKE SELECT ON email_providers FROM {}").format(name))
    fresh_product.connection.execute(sql.SQL("GRANT SELECT ({}) ON email_providers TO {}").format(columns, name))
    async with open_database(as_role(fresh_product.url, role)) as database:
        assert await database.missing_privileges() == []


async def test_without_the_grants_it_says_what_is_missing(
    fresh_product: Any, role: str, open_database: Callable[..., Any]
) -> None:
    async with open_database(as_role(fresh_product.url, role)) as database:
        with pytest.raises(AccessDenied, match=r"GRANT statements in docs/database\.md"):
            await database.providers()


@pytest.mark.parametrize(
    "forbidden",
    [
        "DELETE FROM email_providers",
        "DELETE FROM microsoft_email_provider_config",
        "DELETE FROM email_provider_health",
        "DELETE FROM graphmail.claims",
        "UPDATE graphmail.provider_events SET kind = 'other'",
        "TRUNCATE email_provider_health",
        "INSERT INTO tenants (client_name, email) VALUES ('c', 'e')",
        "INSERT INTO email_providers (id) VALUES (gen_random_uuid())",
        "UPDATE email_providers SET is_active = false",
        "UPDATE email_providers SET mailbox = 'other'",
        "UPDATE microsoft_email_provider_config SET client_secret = 'other'",
        "UPDATE microsoft_email_provider_config SET client_id = 'other'",
        "UPDATE email_provider_health SET provider_id = 'other'",
        "SELECT * FROM tenants",
        "CREATE TABLE graphmail.more (n int)",
        "ALTER TABLE email_provider_health ADD COLUMN more int",
    ],
)
async def test_the_role_cannot_do_to_the_product_what_is_not_its_work(
    fresh_product: Any, role: str, forbidden: LiteralString
) -> None:
    await migrate(fresh_product.url, grant_to=role)
    with (
        psycopg.connect(as_role(fresh_product.url, role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(forbidden)


async def test_a_role_that_does_not_exist_is_named_with_how_to_make_it(fresh_product: Any) -> None:
    with pytest.raises(MigrationError, match="there is no role nobody_yet: make it first, with CREATE ROLE"):
        await migrate(fresh_product.url, grant_to="nobody_yet")


async def test_the_documented_grants_are_those_that_are_given(fresh_product: Any, role: str) -> None:
    """Whoever copies the statements from the documentation gets the same role."""
    await migrate(fresh_product.url, grant_to=role)
    given = privileges(fresh_product, role)
    fresh_product.connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
    assert privileges(fresh_product, role) == set()
    title = "For the older generation" if fresh_product.older else "For the newer generation"
    section = DOCUMENTED.read_text(encoding="utf-8").partition(f"#### {title}\n")[2].partition("\n#")[0]
    statements = "".join(re.findall(r"```sql\n(.+?)```", section, re.DOTALL))
    fresh_product.connection.execute(statements.replace("graphmail_operator", role).encode())
    assert privileges(fresh_product, role) == given


def privileges(product: Any, role: str) -> set[tuple[Any, ...]]:
    rows = product.run(
        "SELECT 'column' AS kind, table_schema || '.' || table_name AS what, column_name AS part, privilege_type AS privilege "
        "FROM information_schema.column_privileges WHERE grantee = %s "
        "UNION ALL SELECT 'table', table_schema || '.' || table_name, '', privilege_type "
        "FROM information_schema.table_privileges WHERE grantee = %s "
        "UNION ALL SELECT 'usage', object_schema || '.' || object_name, '', privilege_type "
        "FROM information_schema.usage_privileges WHERE grantee = %s "
        "UNION ALL SELECT 'schema', nspname, '', 'USAGE' FROM pg_namespace "
        "WHERE nspname = 'graphmail' AND has_schema_privilege(%s, nspname, 'USAGE')",
        *[role] * 4,
    )
    return {tuple(row.values()) for row in rows}
