"""To whom Postgres says that subscriptions belong, and since when an orphan has been seen as one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from graphmail.database import RETAINED, Database, Holdings, Sighting
from graphmail.provider import FolderRow, ProviderKey

NOBODY = "5e0f6b1e-7f3c-4c55-9a61-3f1f0cbb7d10"
FIRST = datetime(2026, 8, 20, 12, 30, 15, 250001, tzinfo=UTC)
LATER = FIRST + timedelta(hours=1)


def sighting(subscription_id: str, reason: str = "nobody") -> Sighting:
    return Sighting(subscription_id, NOBODY, FIRST + timedelta(days=3), reason)


async def test_a_row_owns_the_subscription_that_it_names_however_it_is_written(
    database: Database, product: Any
) -> None:
    product.provider(webhook_subscription_id="Sub-Of-A-Row")
    assert (await database.holdings(["sub-of-a-row", "other"], [])).subscriptions == {"sub-of-a-row"}


async def test_the_aggregated_table_owns_as_well(newer_database: Database, newer_product: Any) -> None:
    key = newer_product.provider()
    newer_product.run(
        "INSERT INTO email_provider_configs (id, tenant, name, provider_type, mailbox, webhook_subscription_id) "
        "VALUES (%s, %s, 'n', 'microsoft', 'm', 'sub-aggregated')",
        key.provider_id,
        key.tenant,
    )
    assert (await newer_database.holdings(["SUB-AGGREGATED"], [])).subscriptions == {"sub-aggregated"}


async def test_a_folder_owns_its_subscription_as_long_as_its_provider_exists(
    database: Database, product: Any, work: Any
) -> None:
    key = product.provider()
    folders = (FolderRow("inbox", "sub-inbox", None), FolderRow("archive", "sub-archive", None))
    await database.record(await work.claim(key), work.success(key, "sub-inbox", folders=folders))
    assert (await database.holdings(["sub-archive"], [])).subscriptions == {"sub-archive"}
    product.delete(key)
    assert (await database.holdings(["sub-archive"], [])).subscriptions == frozenset()


async def test_who_is_being_worked_on_and_what_has_no_known_end_is_told(
    database: Database, product: Any, work: Any
) -> None:
    held, unsettled, idle = (product.provider() for _ in range(3))
    await database.release(await work.claim(unsettled, "create"), settled=False)
    await database.release(await work.claim(idle), settled=True)
    await work.claim(held)
    told = await database.holdings([], [key.provider_id.upper() for key in (held, unsettled, idle)] + [NOBODY])
    assert told.claimed == {held.provider_id}
    assert told.unsettled == {held.provider_id, unsettled.provider_id}
    assert told.providers == {key.provider_id: (key.tenant,) for key in (held, unsettled, idle)}
    assert told.any_provider


async def test_a_claim_that_begins_nothing_leaves_nothing_to_look_at(database: Database, product: Any) -> None:
    key = product.provider()
    await database.claim(key, None, 10)
    told = await database.holdings([], [key.provider_id])
    assert (told.claimed, told.unsettled) == ({key.provider_id}, frozenset())


async def test_a_name_written_by_hand_is_found_among_the_claims(database: Database, product: Any) -> None:
    await database.claim(ProviderKey("by-hand", "support"), "create", 10)
    assert len((await database.holdings([], ["support"])).claimed) == 1


async def test_what_was_left_on_purpose_is_told_from_what_nobody_could_delete(database: Database) -> None:
    key = ProviderKey("acme", "support")
    await database.abandon(key, "Sub-Retained", None, RETAINED)
    await database.abandon(key, "sub-abandoned", None, "nobody can sign in")
    told = await database.holdings(["sub-retained", "SUB-ABANDONED"], [])
    assert told.retained == {"sub-retained"}
    assert set(told.abandoned) == {"sub-abandoned"}


async def test_a_database_without_a_provider_says_so(fresh_database: Database) -> None:
    assert await fresh_database.holdings(["any"], [NOBODY]) == Holdings()


async def test_the_first_sighting_counts(fresh_database: Database) -> None:
    assert await fresh_database.see_orphans([sighting("a")], [], FIRST) == {"a": FIRST}
    assert await fresh_database.see_orphans([sighting("a"), sighting("b")], [], LATER) == {"a": FIRST, "b": LATER}
    assert await fresh_database.orphans_seen(["a", "b", "c"]) == {"a": FIRST, "b": LATER}


async def test_what_is_owned_meanwhile_begins_anew(fresh_database: Database) -> None:
    await fresh_database.see_orphans([sighting("a")], [], FIRST)
    await fresh_database.see_orphans([], ["a"], FIRST)
    assert await fresh_database.orphans_seen(["a"]) == {}
    assert await fresh_database.see_orphans([sighting("a")], [], LATER) == {"a": LATER}


async def test_what_one_sweep_does_not_see_keeps_its_time(fresh_database: Database) -> None:
    await fresh_database.see_orphans([sighting("a")], [], FIRST)
    await fresh_database.see_orphans([sighting("b")], [], LATER)
    assert await fresh_database.orphans_seen(["a"]) == {"a": FIRST}
