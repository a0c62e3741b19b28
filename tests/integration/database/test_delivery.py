"""A notification that arrived, and a subscription that nobody could delete."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import pytest

from graphmail.database import Abandoned, AccessDenied, Database, migrate
from graphmail.provider import ProviderKey

if TYPE_CHECKING:
    from collections.abc import Callable

EXPIRY = datetime(2026, 8, 21, tzinfo=UTC)


async def test_a_polling_provider_that_delivers_becomes_a_webhook_provider(
    newer_database: Database, newer_product: Any
) -> None:
    delivering, silent = newer_product.provider(), newer_product.provider()
    assert await newer_database.mark_delivering([delivering]) == [delivering]
    assert newer_product.config(delivering)["delivery_mode"] == "webhook"
    assert newer_product.config(silent)["delivery_mode"] == "polling"


async def test_saying_it_again_changes_nothing(newer_database: Database, newer_product: Any) -> None:
    key = newer_product.provider()
    await newer_database.mark_delivering([key])
    before = newer_product.config(key)
    assert await newer_database.mark_delivering([key, key]) == []
    assert newer_product.config(key) == before


async def test_the_same_id_in_another_tenant_goes_on_polling(newer_database: Database, newer_product: Any) -> None:
    key = newer_product.provider()
    assert await newer_database.mark_delivering([ProviderKey(newer_product.tenant(), key.provider_id)]) == []
    assert newer_product.config(key)["delivery_mode"] == "polling"


async def test_where_there_is_no_such_column_there_is_nothing_to_do(database: Database, product: Any) -> None:
    changed = await database.mark_delivering([product.provider()])
    assert (changed == []) is product.older
    assert await database.mark_delivering([]) == []


async def test_an_abandoned_subscription_is_found_again(fresh_database: Database) -> None:
    row, by_hand = ProviderKey("b0d6a8a0-93e5-4a4b-8a5f-2f5f7a0a1c11", "p"), ProviderKey("acme", "support")
    before = await fresh_database.clock()
    await fresh_database.abandon(row, "subscription-1", EXPIRY, "the row is gone")
    await fresh_database.abandon(by_hand, "subscription-2", None, "the Secret is gone")
    after = await fresh_database.clock()
    latest, earlier = await fresh_database.abandoned()
    assert before <= earlier.abandoned_at <= latest.abandoned_at <= after
    assert latest == Abandoned(by_hand, "subscription-2", None, "the Secret is gone", latest.abandoned_at)
    assert earlier == Abandoned(row, "subscription-1", EXPIRY, "the row is gone", earlier.abandoned_at)


async def test_abandoning_twice_keeps_one_and_the_newer_word(fresh_database: Database) -> None:
    key = ProviderKey("acme", "support")
    await fresh_database.abandon(key, "subscription-1", None, "first")
    await fresh_database.abandon(key, "subscription-1", EXPIRY, "second")
    [kept] = await fresh_database.abandoned()
    assert (kept.expires_at, kept.reason) == (EXPIRY, "second")


# --- when a notification last came -----------------------------------------------------------------------------------

CAME = datetime(2026, 8, 20, 12, 30, 15, 250000, tzinfo=UTC)


async def test_the_time_of_a_notification_is_written_to_every_row_of_the_provider(
    database: Database, product: Any
) -> None:
    key, twice, rowless = product.provider(), product.provider(), product.provider()
    for owner in (key, twice, twice):
        product.add_health(owner)
    assert await database.note_notifications([(key, CAME), (rowless, CAME), (twice, CAME)]) == {key, twice}
    times = [row["last_notification_received_at"] for owner in (key, twice) for row in product.health(owner)]
    assert times == [CAME] * 3
    assert product.health(rowless) == []


async def test_an_older_time_changes_nothing_and_of_two_the_later_counts(database: Database, product: Any) -> None:
    key = product.provider()
    product.add_health(key)
    later = CAME + timedelta(seconds=1)
    assert await database.note_notifications([(key, later), (key, CAME)]) == {key}
    assert await database.note_notifications([(key, CAME)]) == {key}
    assert product.health(key)[0]["last_notification_received_at"] == later


async def test_a_name_that_is_no_uuid_has_no_row(database: Database) -> None:
    assert await database.note_notifications([(ProviderKey("acme", "support"), CAME)]) == set()
    assert await database.note_notifications([]) == set()


async def test_the_receiver_s_role_may_write_the_time_and_nothing_else(
    fresh_product: Any, open_database: Callable[..., Any]
) -> None:
    role = f"receiver_{uuid.uuid4().hex[:12]}"
    key = fresh_product.provider()
    fresh_product.add_health(key)
    fresh_product.connection.execute(f"CREATE ROLE {role} LOGIN")
    await migrate(fresh_product.url, grant_receiver_to=role)
    parts = urlsplit(fresh_product.url)
    url = parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}").geturl()
    async with open_database(url) as as_receiver:
        assert await as_receiver.note_notifications([(key, CAME)]) == {key}
        with pytest.raises(AccessDenied):
            await as_receiver.provider_state(key)
        with pytest.raises(AccessDenied):
            await as_receiver.mailbox_states("mail")
    with psycopg.connect(url, autocommit=True) as connection:
        for refused in (
            "UPDATE email_provider_health SET is_healthy = false",
            "DELETE FROM email_provider_health",
            "SELECT health_details FROM email_provider_health",
            "SELECT mailbox FROM email_providers",
            "SELECT access_token FROM microsoft_email_provider_config",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(refused.encode())
    fresh_product.connection.execute(f"DROP OWNED BY {role}")
    fresh_product.connection.execute(f"DROP ROLE {role}")
