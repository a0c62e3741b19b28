"""Inbound mail is paused in the product's own columns, and taken back only where the pause is ours."""

from datetime import UTC, datetime
from typing import Any

from graphmail.database import Database
from graphmail.provider import ProviderKey


def paused(product: Any, key: ProviderKey) -> tuple[Any, Any]:
    if product.older:
        return (None, None)
    [row] = product.run(
        "SELECT inbound_paused_at, inbound_pause_reason FROM email_providers WHERE id = %s", key.provider_id
    )
    return (row["inbound_paused_at"], row["inbound_pause_reason"])


async def test_it_pauses_with_the_products_word_and_takes_it_back(product: Any, database: Database) -> None:
    key = product.provider()
    assert await database.pause_inbound(key) is not product.older
    assert (paused(product, key)[1] == "auth_failure") is not product.older
    assert (key in await database.inbound_pauses()) is not product.older
    assert await database.resume_inbound(key) is not product.older
    assert paused(product, key) == (None, None)
    assert key not in await database.inbound_pauses()


async def test_said_again_nothing_is_changed(product: Any, database: Database) -> None:
    key = product.provider()
    await database.pause_inbound(key)
    before = paused(product, key)
    assert not await database.pause_inbound(key)
    assert paused(product, key) == before
    await database.resume_inbound(key)
    assert not await database.resume_inbound(key)


async def test_a_pause_that_was_there_before_is_left_alone(product: Any, database: Database) -> None:
    if product.older:
        return  # nobody can pause there
    key = product.provider()
    for reason in ("manual", "auth_failure"):
        theirs = (datetime(2026, 11, 1, tzinfo=UTC), reason)
        product.update("email_providers", key, inbound_paused_at=theirs[0], inbound_pause_reason=reason)
        assert not await database.pause_inbound(key)
        assert not await database.resume_inbound(key)
        assert paused(product, key) == theirs


async def test_a_pause_that_somebody_has_made_theirs_since_is_left_alone(product: Any, database: Database) -> None:
    if product.older:
        return  # nobody can pause there
    for change in ({"inbound_pause_reason": "manual"}, {"inbound_paused_at": datetime(2026, 11, 1, tzinfo=UTC)}):
        key = product.provider()
        await database.pause_inbound(key)
        product.update("email_providers", key, **change)
        theirs = paused(product, key)
        assert not await database.resume_inbound(key)
        assert paused(product, key) == theirs
        assert key not in await database.inbound_pauses()


async def test_a_provider_that_is_gone_is_no_error(product: Any, database: Database) -> None:
    key = product.provider()
    gone = ProviderKey(key.tenant, "0b4c1d3e-5c1a-4c77-9a0e-1f2f3f4f5f6f")
    assert not await database.pause_inbound(gone)
    assert not await database.resume_inbound(gone)
