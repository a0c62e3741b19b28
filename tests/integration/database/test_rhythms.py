"""When notifications usually arrive in a mailbox, as Postgres keeps it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from graphmail.database import Database, KeptRhythm, StatementFailed
from graphmail.decision import Kept, Rhythm

FIRST = datetime(2026, 8, 3, 7, 30, 15, tzinfo=UTC)


def learned(arrivals: int) -> Kept:
    rhythm = Rhythm(FIRST)
    for number in range(1, arrivals):
        rhythm.saw(FIRST + number * timedelta(hours=5))
    return rhythm.kept()


async def test_what_was_kept_is_read_as_it_was(fresh_database: Database, fresh_product: Any) -> None:
    keys = [fresh_product.provider() for _ in range(3)]
    kept = [KeptRhythm(key, f"box-{key.provider_id}@example.com", learned(50)) for key in keys]
    await fresh_database.keep_rhythms(kept)
    found = await fresh_database.rhythms()
    assert sorted(found, key=lambda one: one.key) == sorted(kept, key=lambda one: one.key)
    rhythm = Rhythm.of(found[0].rhythm)
    assert rhythm is not None
    assert rhythm.kept() == learned(50)


async def test_a_later_one_takes_its_place_and_another_mailbox_of_the_provider_has_its_own(
    fresh_database: Database, fresh_product: Any
) -> None:
    key = fresh_product.provider()
    first, other = KeptRhythm(key, "old@example.com", learned(5)), KeptRhythm(key, "new@example.com", learned(7))
    await fresh_database.keep_rhythms([first])
    later = replace(first, rhythm=learned(90))
    await fresh_database.keep_rhythms([later, other])
    assert {one.mailbox: one for one in await fresh_database.rhythms()} == {
        "old@example.com": later,
        "new@example.com": other,
    }


async def test_what_is_no_week_is_refused(fresh_database: Database, fresh_product: Any) -> None:
    key = fresh_product.provider()
    with pytest.raises(StatementFailed):
        await fresh_database.keep_rhythms([KeptRhythm(key, "a@example.com", Kept(b"1234", FIRST, FIRST, 1))])
