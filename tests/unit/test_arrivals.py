"""What is known of arrivals over the whole fleet, and what is kept of them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from graphmail.arrivals import MANY, MOST, MOST_MINUTES, REMEMBERED, TOLD_IN_BATCHES, WRITE_SECONDS, Arrivals
from graphmail.database import Database, DatabaseUnavailable, KeptRhythm
from graphmail.fleet import Entry, Fleet
from graphmail.resource.moments import write_time
from graphmail.resource.names import resource_name
from graphmail.settings import Settings, SettingsError

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
BATCH = "GRAPHMAIL_RECEIVER_BATCH_SECONDS"


class Shelf:
    """Keeps what it is given, in place of Postgres."""

    def __init__(self) -> None:
        self.kept: dict[str, KeptRhythm] = {}
        self.statements = 0
        self.away = False

    async def rhythms(self) -> list[KeptRhythm]:
        return list(self.kept.values())

    async def keep_rhythms(self, rhythms: list[KeptRhythm]) -> None:
        self.statements += 1
        if self.away:
            raise DatabaseUnavailable("away")
        self.kept |= {one.mailbox: one for one in rhythms}


class Stage:
    """A fleet of mailboxes whose rows tell of arrivals."""

    def __init__(self, mailboxes: int, shelf: Shelf | None = None) -> None:
        self.now = NOW
        self.fleet = Fleet()
        self.shelf = shelf or Shelf()
        self.arrivals = Arrivals(self.fleet, database=cast("Database", self.shelf), now=lambda: self.now)
        self.entries = [self._entry(number) for number in range(mailboxes)]

    def _entry(self, number: int) -> Entry:
        address = f"support{number}@example.com"
        row = {"folder": "inbox", "state": "Active", "subscriptionID": f"sub-{number}"}
        body = {
            "metadata": {"name": resource_name("t", str(number), address), "namespace": "mail", "uid": str(number)},
            "spec": {
                "tenant": "t",
                "providerID": str(number),
                "mailbox": address,
                "notificationURL": "https://app.example.com/hook",
            },
            "status": {
                "subscriptionID": f"sub-{number}",
                "newestMessageTime": write_time(NOW - HOUR),
                "subscriptions": [row],
            },
        }
        entry, _ = self.fleet.observe(body, now=NOW)
        entry.heard_until = NOW
        return entry

    def hear(self, entry: Entry, arrived: datetime) -> None:
        entry.notified_at = arrived
        self.arrivals.heard(entry)

    def find_silent(self, many: int) -> None:
        for entry in self.entries[:many]:
            self.arrivals.found_silent(entry.resource)


def test_a_product_that_never_told_of_an_arrival_makes_nobody_silent() -> None:
    stage = Stage(2)
    assert stage.arrivals.of(stage.entries[0]) is None
    stage.hear(stage.entries[1], NOW - HOUR)
    heard = stage.arrivals.of(stage.entries[0])
    assert heard is not None
    assert (heard.until, heard.rhythm, heard.way_down) == (NOW - TOLD_IN_BATCHES, None, False)


def test_the_minutes_in_which_something_arrived_are_known_for_longer_than_until_the_next_look() -> None:
    stage = Stage(2)
    arrivals = [NOW - 96 * HOUR + timedelta(minutes=number) for number in range(96 * 60)]
    for arrived in arrivals:
        stage.hear(stage.entries[1], arrived)
    heard = stage.arrivals.of(stage.entries[0])
    assert heard is not None
    known = [arrived for arrived in arrivals if arrived.timestamp() // 60 in heard.taken]
    assert arrivals[-30 * 60 :] == known[-30 * 60 :]
    assert len(known) <= MOST_MINUTES


def test_a_row_is_believed_once_the_receiver_has_written_it_however_seldom_that_is_set() -> None:
    most = int(TOLD_IN_BATCHES.total_seconds())
    assert Settings.load({BATCH: str(most)}).receiver_batch == TOLD_IN_BATCHES
    with pytest.raises(SettingsError, match=BATCH):
        Settings.load({BATCH: str(most + 1)})


def test_a_mailbox_whose_row_was_not_read_yet_is_not_judged() -> None:
    stage = Stage(2)
    stage.hear(stage.entries[1], NOW - HOUR)
    stage.entries[0].heard_until = None
    assert stage.arrivals.of(stage.entries[0]) is None


def test_where_nothing_has_arrived_anywhere_since_it_is_not_the_subscriptions() -> None:
    stage = Stage(200)
    stage.hear(stage.entries[150], NOW - 2 * HOUR)
    stage.find_silent(MANY - 1)
    assert not stage.arrivals.way_down
    stage.find_silent(MANY)
    assert stage.arrivals.way_down


def test_where_others_get_theirs_it_is() -> None:
    stage = Stage(200)
    stage.find_silent(MOST)
    stage.hear(stage.entries[150], NOW - 0.5 * HOUR)
    assert not stage.arrivals.way_down


@pytest.mark.parametrize(("mailboxes", "silent"), [(60, MOST + 1), (1000, 51)])
def test_but_not_where_a_good_part_of_all_is_silent(mailboxes: int, silent: int) -> None:
    stage = Stage(mailboxes)
    stage.hear(stage.entries[-1], NOW)
    stage.find_silent(silent - 1)
    assert not stage.arrivals.way_down
    stage.find_silent(silent)
    assert stage.arrivals.way_down


def test_an_outage_is_forgotten() -> None:
    stage = Stage(20)
    stage.find_silent(MANY)
    assert stage.arrivals.way_down
    stage.now += REMEMBERED
    assert not stage.arrivals.way_down


async def test_nothing_is_learned_before_what_was_kept_is_read() -> None:
    stage = Stage(1)
    [entry] = stage.entries
    stage.hear(entry, NOW - HOUR)
    assert entry.rhythm is None
    await stage.arrivals.read()
    assert entry.rhythm is not None
    assert entry.rhythm.kept().last == NOW - HOUR


async def test_what_was_learned_outlives_the_process() -> None:
    first = Stage(2)
    await first.arrivals.read()
    for number in range(20):
        first.hear(first.entries[0], NOW + number * HOUR)
        first.now = NOW + number * HOUR
    assert await first.arrivals.write() == 1
    second = Stage(2, first.shelf)
    second.hear(second.entries[0], NOW + 19 * HOUR)
    await second.arrivals.read()
    assert second.entries[0].rhythm is not None
    assert second.entries[1].rhythm is None
    assert second.entries[0].rhythm.kept() == first.shelf.kept["support0@example.com"].rhythm


async def test_only_what_has_changed_is_written_and_many_at_once() -> None:
    stage = Stage(300)
    await stage.arrivals.read()
    for entry in stage.entries:
        stage.hear(entry, NOW)
    assert await stage.arrivals.write() == 300
    assert stage.shelf.statements == 1
    stage.now += HOUR
    stage.hear(stage.entries[7], NOW + HOUR)
    stage.hear(stage.entries[8], NOW + timedelta(minutes=1))  # the same burst
    assert await stage.arrivals.write() == 1
    assert await stage.arrivals.write() == 0
    assert stage.shelf.statements == 2


async def test_what_could_not_be_written_is_written_later() -> None:
    stage = Stage(2)
    await stage.arrivals.read()
    stage.hear(stage.entries[0], NOW)
    stage.shelf.away = True
    with pytest.raises(DatabaseUnavailable):
        await stage.arrivals.write()
    stage.shelf.away = False
    assert await stage.arrivals.write() == 1


async def test_what_is_written_hourly_is_written_by_the_hours_of_graph() -> None:
    stage = Stage(1)
    fast = Arrivals(
        stage.fleet, database=cast("Database", stage.shelf), now=lambda: stage.now, rate=lambda: 3_600 * WRITE_SECONDS
    )
    running = asyncio.create_task(fast.run())
    try:
        async with asyncio.timeout(60):
            while not stage.shelf.kept:
                await asyncio.sleep(0)
                stage.entries[0].notified_at = NOW
                fast.heard(stage.entries[0])
    finally:
        running.cancel()
    assert list(stage.shelf.kept) == ["support0@example.com"]


async def test_a_moment_in_the_future_teaches_nothing() -> None:
    stage = Stage(1)
    await stage.arrivals.read()
    stage.hear(stage.entries[0], NOW + timedelta(days=400))
    assert stage.entries[0].rhythm is None
    assert stage.arrivals.of(stage.entries[0]) is None
