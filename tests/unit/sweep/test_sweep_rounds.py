"""When the operator sweeps."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from graphmail.database import DatabaseUnavailable
from graphmail.observability.metrics import Metrics, Store
from graphmail.stores import Stores
from graphmail.sweep import Fate, Judgement, Look, Rounds, Standing, Stray, Sweeper

NOW = datetime(2026, 3, 2, 9, 17, 11, tzinfo=UTC)
DAY, HOUR = timedelta(hours=24), timedelta(hours=1)


@dataclass
class Clock:
    """Graph's clock, which moves when it is read."""

    now: datetime = NOW
    step: timedelta = timedelta()
    alarm: tuple[datetime, asyncio.Event] | None = None

    def __call__(self) -> datetime:
        self.now += self.step
        if self.alarm is not None and self.now >= self.alarm[0]:
            self.alarm[1].set()
        return self.now

    async def reached(self, moment: datetime) -> None:
        """Return once it shows that moment."""
        self.alarm = (moment, asyncio.Event())
        await self.alarm[1].wait()


@dataclass
class Sweeping:
    """A sweeper that finds what it is told to find."""

    clock: Clock
    strays: list[Stray] = field(default_factory=list)
    failure: Exception | None = None
    at: list[datetime] = field(default_factory=list)
    grace: timedelta = HOUR
    swept: asyncio.Event = field(default_factory=asyncio.Event)

    async def look(self) -> Look:
        self.at.append(self.clock.now)
        self.swept.set()
        if self.failure is not None:
            raise self.failure
        return Look(self.clock.now, len(self.strays), self.strays, [], unseen=0)

    async def carry_out(self, look: Look) -> AsyncIterator[Stray]:
        for stray in look.strays:
            yield stray


def stray(fate: Fate, since: datetime | None = None) -> Stray:
    listed: Any = None
    return Stray(listed, Judgement(Standing.ORPHAN, "nobody"), fate, since)


def rounds(
    sweeping: Sweeping, stores: Stores | None = None, *, random: float = 0.5, interval: timedelta = DAY
) -> Rounds:
    return Rounds(
        cast("Sweeper", sweeping),
        stores or Stores({}),
        Metrics(list, "test"),
        interval=interval,
        now=sweeping.clock,
        random=lambda: random,
        look_seconds=0.0,
    )


@pytest.mark.parametrize(("random", "wait"), [(0.0, 21.6), (0.5, 24.0), (1.0, 26.4)])
async def test_intervals_are_spread(random: float, wait: float) -> None:
    assert await rounds(Sweeping(Clock()), random=random).round() == timedelta(hours=wait)


async def test_what_is_too_young_is_looked_at_as_soon_as_it_is_old_enough() -> None:
    sweeping = Sweeping(Clock(), [stray(Fate.YOUNG, NOW), stray(Fate.YOUNG, NOW - timedelta(minutes=20))])
    assert await rounds(sweeping).round() == timedelta(minutes=40, seconds=1)


async def test_what_is_left_or_deleted_hurries_nobody() -> None:
    sweeping = Sweeping(Clock(), [stray(Fate.LEFT), stray(Fate.DELETED, NOW), stray(Fate.BUSY)])
    assert await rounds(sweeping).round() == DAY


@pytest.mark.parametrize("failure", [DatabaseUnavailable("away"), RuntimeError("a defect")])
async def test_a_sweep_that_fails_is_tried_again_soon(failure: Exception) -> None:
    assert await rounds(Sweeping(Clock(), failure=failure)).round() == timedelta(minutes=15)


@pytest.mark.parametrize(("random", "minutes"), [(0.0, 30), (1.0, 60)])
async def test_the_first_sweep_comes_in_the_first_hour_and_not_at_once(random: float, minutes: int) -> None:
    sweeping = Sweeping(Clock(step=timedelta(seconds=30)))
    await first_sweep(sweeping, rounds(sweeping, random=random))
    waited = sweeping.at[0] - NOW
    assert timedelta(minutes=minutes) <= waited <= timedelta(minutes=minutes + 1)


async def test_no_sweep_while_a_store_is_away() -> None:
    sweeping = Sweeping(Clock(step=timedelta(minutes=10)))
    stores = Stores({Store.POSTGRES: lambda: asyncio.sleep(0, result=False)})
    stores.lost(Store.POSTGRES)
    task = asyncio.create_task(rounds(sweeping, stores).run())
    await sweeping.clock.reached(NOW + 3 * DAY)
    assert sweeping.at == []
    stores.back(Store.POSTGRES)
    await sweeping.swept.wait()
    task.cancel()


async def first_sweep(sweeping: Sweeping, running: Rounds) -> None:
    task = asyncio.create_task(running.run())
    await sweeping.swept.wait()
    task.cancel()
