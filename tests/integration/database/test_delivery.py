"""A notification that arrived, and a subscription that nobody could delete."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from graphmail.database import Abandoned, Database
from graphmail.provider import ProviderKey

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
