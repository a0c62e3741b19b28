"""One reading of a list serves all who look for a lost answer, and outlives whoever began it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from graphmail.graph import GraphRefused, Marker, Meaning, Subscription
from graphmail.reconciler.listings import KEPT, Listings
from support.loose_ends import no_loose_ends

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
OURS, ANOTHERS = Marker("here", "p1", "inbox"), Marker("there", "p1", "inbox")
LATER = NOW + timedelta(minutes=1)


def listed(name: str, marker: Marker | None) -> Subscription:
    query = f"?gms={marker}" if marker else ""
    return Subscription(name, NOW + timedelta(days=1), notification_url=f"https://app.example.com/hook{query}")


class Reader:
    """Reads a list when it is let."""

    def __init__(self, *subscriptions: Subscription) -> None:
        self.subscriptions = list(subscriptions)
        self.error: Exception | None = None
        self.may = asyncio.Event()
        self.begun = 0

    async def __call__(self) -> list[Subscription]:
        self.begun += 1
        await self.may.wait()
        if self.error is not None:
            raise self.error
        return self.subscriptions


Ask = Callable[..., Awaitable[list[Subscription]]]


@pytest.fixture
def ask() -> Ask:
    listings = Listings("here")

    def asking(
        read: Reader, *, now: datetime = NOW, since: datetime = NOW, marker: Marker = OURS
    ) -> Awaitable[list[Subscription]]:
        return listings.marked("app", marker, read, now=now, since=since)

    return asking


async def test_only_what_carries_the_asked_marker_is_found(ask: Ask) -> None:
    read = Reader(listed("mine", OURS), listed("theirs", ANOTHERS), listed("nobody's", None))
    read.may.set()
    assert [found.id for found in await ask(read)] == ["mine"]
    assert await ask(read, marker=ANOTHERS) == []


async def test_two_who_ask_share_one_reading(ask: Ask) -> None:
    read = Reader(listed("mine", OURS))
    both = asyncio.gather(ask(read), ask(read, now=LATER))
    await asyncio.sleep(0)
    read.may.set()
    assert [[found.id for found in one] for one in await both] == [["mine"], ["mine"]]
    assert read.begun == 1


async def test_a_list_that_was_begun_before_the_clock_was_set_back_is_read_anew(ask: Ask) -> None:
    """A clock that runs ahead is corrected by Graph's first answer: the list only seems younger than the create that is looked for."""
    read = Reader()
    read.may.set()
    assert await ask(read, now=NOW + timedelta(minutes=5)) == []
    read.subscriptions.append(listed("made since", OURS))
    assert [found.id for found in await ask(read, now=LATER)] == ["made since"]


async def test_a_list_is_not_read_anew_for_the_second_to_which_the_clock_is_known(ask: Ask) -> None:
    read = Reader()
    read.may.set()
    await ask(read, now=LATER, since=NOW - timedelta(seconds=1))
    await ask(read, now=LATER - timedelta(seconds=1), since=NOW - timedelta(seconds=1))
    assert read.begun == 1


async def test_the_reading_goes_on_when_whoever_began_it_gives_up(ask: Ask) -> None:
    read = Reader(listed("mine", OURS))
    first = asyncio.ensure_future(ask(read))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    read.may.set()
    assert [found.id for found in await ask(read, now=LATER)] == ["mine"]
    assert read.begun == 1


async def test_a_list_that_was_begun_too_early_is_read_again(ask: Ask) -> None:
    read = Reader(listed("mine", OURS))
    read.may.set()
    await ask(read)
    await ask(read, now=LATER, since=LATER)
    assert read.begun == 2


async def test_a_list_that_could_not_be_read_is_read_again(ask: Ask) -> None:
    read = Reader(listed("mine", OURS))
    read.may.set()
    read.error = GraphRefused(Meaning.TRANSIENT, "not now")
    with pytest.raises(GraphRefused):
        await ask(read)
    read.error = None
    assert [found.id for found in await ask(read, now=LATER)] == ["mine"]


async def test_an_old_list_counts_for_nothing(ask: Ask) -> None:
    read = Reader(listed("mine", OURS))
    read.may.set()
    await ask(read)
    await ask(read, now=NOW + KEPT + timedelta(seconds=1))
    assert read.begun == 2


async def test_a_reading_that_fails_after_everybody_has_left_is_no_surprise(ask: Ask) -> None:
    failing, working = Reader(), Reader(listed("mine", OURS))
    failing.error = GraphRefused(Meaning.TRANSIENT, "not now")
    working.may.set()
    with no_loose_ends():
        first = asyncio.ensure_future(ask(failing))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        failing.may.set()
        assert [found.id for found in await ask(working, now=LATER, since=LATER)] == ["mine"]
        del first, failing
