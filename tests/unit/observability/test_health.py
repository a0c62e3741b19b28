"""The event loop's sign of life, and the parts that must be ready."""

import asyncio

import pytest

from graphmail.observability.health import LONGEST_LOOK, Heartbeat, Readiness, Ticking


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_heartbeats_age_counts_from_the_last_beat() -> None:
    clock = Clock()
    heartbeat = Heartbeat(clock)
    clock.now += 7
    assert heartbeat.age() == 7
    heartbeat.beat()
    clock.now += 2.5
    assert heartbeat.age() == 2.5


async def test_a_running_loop_beats_by_itself() -> None:
    clock = Clock()
    heartbeat = Heartbeat(clock)
    clock.now += 100
    task = asyncio.create_task(heartbeat.run(every=3600))
    await asyncio.sleep(0)
    assert heartbeat.age() == 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_timers_are_late_after_three_of_their_intervals_from_the_start_or_the_last_tick() -> None:
    clock = Clock()
    ticking = Ticking(600.0, clock=clock)
    ticking.tick()
    clock.now += 1800
    assert ticking.overdue() == 0
    clock.now += 1
    assert ticking.overdue() == 1801
    ticking.tick()
    assert ticking.overdue() == 0


def test_timers_of_a_process_that_does_not_act_are_never_late() -> None:
    clock = Clock()
    ticking = Ticking(600.0, clock=clock)
    clock.now += 1_000_000
    assert ticking.overdue() == 0


def test_a_short_interval_leaves_time_for_the_looks_that_timers_wait_for() -> None:
    clock = Clock()
    ticking = Ticking(1.0, clock=clock)
    ticking.tick()
    clock.now += LONGEST_LOOK
    assert ticking.overdue() == 0
    clock.now += 1
    assert ticking.overdue() == LONGEST_LOOK + 1


def test_each_tick_is_told() -> None:
    told: list[int] = []
    ticking = Ticking(600.0, lambda: told.append(1))
    ticking.tick()
    ticking.tick()
    assert told == [1, 1]


def test_a_part_that_was_never_heard_of_is_not_ready() -> None:
    readiness = Readiness("kubernetes", "postgres")
    assert readiness.missing() == {"kubernetes": "not started", "postgres": "not started"}


def test_a_part_may_become_ready_and_missing_again() -> None:
    readiness = Readiness("kubernetes", "postgres")
    readiness.set_ready("kubernetes")
    readiness.set_ready("postgres")
    readiness.set_ready("postgres")
    assert readiness.missing() == {}
    readiness.set_missing("postgres", "cannot be reached")
    assert readiness.missing() == {"postgres": "cannot be reached"}


def test_a_misspelt_part_is_an_error_and_not_a_part_that_is_ready_for_ever() -> None:
    readiness = Readiness("kubernetes")
    with pytest.raises(KeyError, match="kubernets"):
        readiness.set_ready("kubernets")
    with pytest.raises(KeyError, match="kubernets"):
        readiness.set_missing("kubernets", "why")
