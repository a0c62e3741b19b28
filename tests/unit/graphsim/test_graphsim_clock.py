import asyncio

import pytest

NOON = 1_795_521_600.0


def test_simulated_time_flows_at_its_speed(clock, real):
    clock.set_speed(60)
    real.tick(2.5)
    assert clock.now() == NOON + 150


def test_a_change_of_speed_does_not_jump(clock, real):
    real.tick(10)
    clock.set_speed(100)
    assert clock.now() == NOON + 10
    real.tick(1)
    assert clock.now() == NOON + 110


def test_a_paused_clock_stands_still_and_goes_on_from_there(clock, real):
    real.tick(3)
    clock.pause()
    real.tick(1_000)
    assert clock.now() == NOON + 3
    clock.resume()
    real.tick(4)
    assert clock.now() == NOON + 7


def test_a_jump_moves_a_paused_clock_too(clock, real):
    clock.pause()
    clock.advance(86_400)
    real.tick(5)
    assert clock.now() == NOON + 86_400


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan")])
def test_the_clock_never_runs_backwards_or_to_the_end_of_time(clock, seconds):
    with pytest.raises(ValueError, match="only jumps forward"):
        clock.advance(seconds)


@pytest.mark.parametrize("speed", [0, -2, float("inf")])
def test_a_speed_that_is_no_speed_is_refused(clock, speed):
    with pytest.raises(ValueError, match="speed="):
        clock.set_speed(speed)


async def test_a_waiter_wakes_when_the_clock_jumps_past_its_moment(clock):
    clock.pause()
    waiting = asyncio.create_task(clock.wait_until(NOON + 3_600))
    await asyncio.sleep(0)
    clock.advance(3_599)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    clock.advance(1)
    await asyncio.wait_for(waiting, 60)


async def test_waiting_for_the_past_returns_at_once(clock):
    await asyncio.wait_for(clock.wait_until(NOON - 1), 60)
