"""How long a failure waits."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmail.backoff import FIRST_PAUSE, Pace, Pause, retry_delay

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 11, 29, tzinfo=UTC)
RANDOM = st.floats(0, 1, exclude_max=True)
SPANS = st.integers(-(10**6), 10**6).map(lambda seconds: timedelta(seconds=seconds))
TOLD = st.integers(0, 10**5).map(lambda seconds: timedelta(seconds=seconds))


def always(share: float) -> Callable[[], float]:
    return lambda: share


@pytest.mark.parametrize(
    ("failures", "ceiling"),
    [(1, 30 * SECOND), (2, MINUTE), (3, 2 * MINUTE), (6, 16 * MINUTE), (7, 32 * MINUTE), (8, HOUR), (10**9, HOUR)],
)
def test_quick_waits_double_from_half_a_minute_to_an_hour(failures: int, ceiling: timedelta) -> None:
    assert retry_delay(Pace.QUICK, failures, always(0.75), left=5 * DAY) == ceiling * 0.75


def test_a_quick_wait_may_be_short_but_not_nothing() -> None:
    assert retry_delay(Pace.QUICK, 7, always(0), left=5 * DAY) == 10 * SECOND


@pytest.mark.parametrize("failures", [1, 5, 40])
def test_slow_waits_are_a_quarter_to_a_whole_hour_from_the_first_failure_on(failures: int) -> None:
    assert retry_delay(Pace.SLOW, failures, always(0)) == 15 * MINUTE
    assert retry_delay(Pace.SLOW, failures, always(0.2)) == 24 * MINUTE
    assert HOUR - SECOND < retry_delay(Pace.SLOW, failures, always(0.99999)) < HOUR


@given(st.sampled_from(Pace), st.integers(0, 200), RANDOM, st.none() | TOLD, st.none() | SPANS)
def test_a_wait_is_never_shorter_than_graph_said_nor_longer_than_an_hour_otherwise(
    pace: Pace, failures: int, share: float, told: timedelta | None, left: timedelta | None
) -> None:
    delay = retry_delay(pace, failures, always(share), told=told, left=left)
    least = max(10 * SECOND, told or timedelta())
    assert least <= delay <= max(least, HOUR)


@pytest.mark.parametrize("pace", Pace)
def test_what_graph_said_holds_near_the_end_too(pace: Pace) -> None:
    assert retry_delay(pace, 9, always(0.5), told=11 * MINUTE, left=MINUTE) == 11 * MINUTE


@given(st.sampled_from(Pace), st.integers(1, 200), RANDOM, st.integers(1, 10**5))
def test_near_the_end_of_a_life_the_tries_come_closer(pace: Pace, failures: int, share: float, seconds: int) -> None:
    left = timedelta(seconds=seconds)
    assert retry_delay(pace, failures, always(share), left=left) <= max(left / 4, 30 * SECOND)


def test_near_the_end_a_fleet_does_not_try_in_step() -> None:
    shares = [number / 100 for number in range(100)]
    delays = {retry_delay(Pace.QUICK, 12, always(share), left=40 * MINUTE) for share in shares}
    assert len(delays) > 90


@pytest.mark.parametrize("left", [-HOUR, None])
def test_a_mailbox_without_cover_is_tried_within_five_minutes_but_not_hammered(left: timedelta | None) -> None:
    assert retry_delay(Pace.QUICK, 12, always(0.5), left=left) == 150 * SECOND
    assert retry_delay(Pace.QUICK, 2, always(0.5), left=left) == 30 * SECOND


def test_what_heals_slowly_is_tried_slowly_after_the_expiry_as_well() -> None:
    assert retry_delay(Pace.SLOW, 3, always(0.2), left=-SECOND) == 24 * MINUTE


def test_what_is_refused_again_and_again_is_tried_at_doubling_intervals_up_to_the_longest() -> None:
    pause, now, waits = Pause(), NOW, []
    for _ in range(10):
        pause.refused(now)
        assert pause.until is not None
        waits.append(pause.until - now)
        now = pause.until
    assert [wait.total_seconds() for wait in waits] == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_a_refusal_within_a_wait_makes_it_no_longer_unless_the_store_asks_for_it() -> None:
    pause = Pause()
    for _ in range(5):
        pause.refused(NOW)
    assert (pause.lasts_until(NOW), pause.refusals) == (NOW + FIRST_PAUSE, 5)
    pause.refused(NOW, told=timedelta(minutes=2))
    assert pause.lasts_until(NOW) == NOW + timedelta(minutes=2)


def test_a_wait_that_was_lifted_is_longer_the_next_time() -> None:
    pause = Pause()
    pause.refused(NOW)
    pause.lift()
    assert pause.lasts_until(NOW) is None
    pause.refused(NOW)
    assert pause.lasts_until(NOW) == NOW + 2 * FIRST_PAUSE
    assert pause.taken() == 2
    pause.refused(NOW)
    assert pause.lasts_until(NOW) == NOW + FIRST_PAUSE
