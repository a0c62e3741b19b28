"""What is learned of a mailbox's week, and how long a silence is normal for it."""

import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmail.decision import Kept, Rhythm
from graphmail.decision.rhythm import BURST, ENOUGH, HOURS, LONGEST, MOST_AN_HOUR, SOONEST, UNLEARNED, WEEKS

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
HOUR, WEEK = timedelta(hours=1), timedelta(weeks=1)
MOST_BYTES = 400
GAPS = st.lists(st.timedeltas(timedelta(seconds=1), timedelta(days=20)), max_size=60)
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants them so


def seen(*arrivals: datetime) -> Rhythm:
    rhythm = Rhythm(arrivals[0])
    for arrival in arrivals[1:]:
        rhythm.saw(arrival)
    return rhythm


def hourly(weeks: int, *, hours: range, an_hour: int = 1) -> list[datetime]:
    """So many arrivals in these hours of each working day."""
    return [
        MONDAY + timedelta(days=day, hours=hour, minutes=60 * number // an_hour)
        for day in range(7 * weeks)
        if day % 7 < 5
        for hour in hours
        for number in range(an_hour)
    ]


def lived(gaps: list[timedelta]) -> Rhythm:
    rhythm, now = Rhythm(MONDAY), MONDAY
    for gap in gaps:
        now += gap
        rhythm.saw(now)
    return rhythm


@pytest.mark.parametrize("weeks", [2, 3, 12])
def test_what_comes_every_week_is_expected(weeks: int) -> None:
    rhythm = seen(*hourly(weeks, hours=range(8, 18), an_hour=2))
    begin = MONDAY + weeks * WEEK
    assert rhythm.expected(begin, begin + WEEK) == pytest.approx(100, rel=0.05)
    assert rhythm.expected(begin + timedelta(hours=9), begin + timedelta(hours=12)) == pytest.approx(6, rel=0.05)


def test_nights_and_weekends_are_quiet() -> None:
    rhythm = seen(*hourly(3, hours=range(8, 18), an_hour=3))
    friday, monday = MONDAY + 2 * WEEK + timedelta(days=4, hours=18), MONDAY + 3 * WEEK + timedelta(hours=8)
    assert rhythm.expected(friday, monday) == 0
    evening = MONDAY + 2 * WEEK + timedelta(days=1, hours=17, minutes=45)
    assert evening + rhythm.patience(evening) >= evening.replace(hour=9, minute=30) + timedelta(days=1)


def test_the_busier_a_mailbox_is_the_sooner_its_silence_is_remarkable() -> None:
    noon = MONDAY + 2 * WEEK + timedelta(hours=12)
    spans = [seen(*hourly(2, hours=range(8, 18), an_hour=many)).patience(noon) for many in (1, 2, 3, 6)]
    assert spans == sorted(spans, reverse=True)
    assert spans[-1] == SOONEST
    assert spans[1] == pytest.approx(3 * HOUR, abs=timedelta(minutes=15))


def test_a_silence_that_is_not_remarkable_within_a_day_is_looked_into_all_the_same() -> None:
    rare = seen(*(MONDAY + number * timedelta(days=3) for number in range(8)))
    assert rare.patience(MONDAY + 3 * WEEK) == LONGEST


def test_before_a_week_is_over_a_fixed_time_counts() -> None:
    busy = [MONDAY + number * BURST for number in range(6 * 24 * 6)]
    rhythm = seen(*busy)
    assert rhythm.patience(busy[-1]) == UNLEARNED
    assert rhythm.patience(MONDAY + WEEK) < UNLEARNED


def test_a_burst_tells_of_one_moment() -> None:
    rhythm = Rhythm(MONDAY)
    assert not any(rhythm.saw(MONDAY + timedelta(seconds=10 * number)) for number in range(60))
    assert rhythm.saw(MONDAY + BURST)
    assert rhythm.kept().counted == 2


def test_what_is_older_than_the_last_arrival_tells_nothing() -> None:
    rhythm = seen(MONDAY, MONDAY + HOUR)
    before = rhythm.kept()
    assert not rhythm.saw(MONDAY - WEEK)
    assert rhythm.kept() == before


def test_habits_that_are_given_up_are_forgotten_slowly_and_wholly() -> None:
    rhythm = seen(*hourly(8, hours=range(8, 18), an_hour=3))
    moved = MONDAY + 8 * WEEK
    expected = []
    for week in range(40):
        rhythm.saw(moved + week * WEEK)  # at midnight, so that time passes
        begin = moved + week * WEEK + timedelta(hours=8)
        expected.append(rhythm.expected(begin, begin + timedelta(hours=10)))
    assert expected[0] == pytest.approx(30, rel=0.05)
    assert expected[1] > expected[0] * (1 - 2 / WEEKS)
    assert expected == sorted(expected, reverse=True)
    assert expected[-1] == 0


def test_a_long_outage_teaches_no_more_than_one_quiet_week() -> None:
    arrivals = hourly(8, hours=range(8, 18), an_hour=3)
    once, long = seen(*arrivals), seen(*arrivals)
    once.saw(MONDAY + 9 * WEEK)
    long.saw(MONDAY + 30 * WEEK)
    for rhythm in (once, long):
        begin = MONDAY + 31 * WEEK + timedelta(days=1)
        assert rhythm.expected(begin, begin + timedelta(days=1)) > 25


@given(GAPS)
def test_no_more_is_expected_than_can_be_counted_and_never_less_than_nothing(gaps: list[timedelta]) -> None:
    rhythm = lived(gaps)
    assert all(0 <= weight <= 40 * MOST_AN_HOUR for weight in rhythm.kept().weights)
    assert 0 <= rhythm.expected(MONDAY, MONDAY + WEEK) <= HOURS * MOST_AN_HOUR


@given(GAPS, st.timedeltas(timedelta(), timedelta(days=40)))
def test_patience_lies_between_an_hour_and_a_day(gaps: list[timedelta], later: timedelta) -> None:
    assert SOONEST <= lived(gaps).patience(MONDAY + later) <= LONGEST


@given(GAPS, st.timedeltas(timedelta(days=7), timedelta(days=40)))
def test_patience_ends_when_enough_was_expected(gaps: list[timedelta], later: timedelta) -> None:
    rhythm, begin = lived(gaps), MONDAY + later
    span = rhythm.patience(begin)
    expected = rhythm.expected(begin, begin + span)
    if span < LONGEST:
        assert expected >= ENOUGH - 0.01
    if span > SOONEST:
        assert expected <= ENOUGH + 0.01


@given(GAPS, st.timedeltas(timedelta(), timedelta(days=30)), st.timedeltas(timedelta(), timedelta(days=30)))
def test_what_is_expected_of_two_spans_is_expected_of_both_together(
    gaps: list[timedelta], first: timedelta, second: timedelta
) -> None:
    rhythm, middle = lived(gaps), MONDAY + first
    whole = rhythm.expected(MONDAY, middle + second)
    assert rhythm.expected(MONDAY, middle) + rhythm.expected(middle, middle + second) == pytest.approx(whole, abs=1e-3)


@given(GAPS, GAPS)
def test_a_rhythm_that_was_kept_goes_on_as_the_one_that_was_not(
    before: list[timedelta], after: list[timedelta]
) -> None:
    here = lived(before)
    there = Rhythm.of(here.kept())
    assert there is not None
    assert there.kept() == here.kept()
    now = here.kept().last
    for gap in after:
        now += gap
        assert here.saw(now) == there.saw(now)
    assert there.kept() == here.kept()


@given(MOMENTS, MOMENTS)
def test_any_moment_that_somebody_has_written_is_borne(arrival: datetime, begin: datetime) -> None:
    rhythm = Rhythm(MONDAY)
    rhythm.saw(arrival)
    assert SOONEST <= rhythm.patience(begin) <= LONGEST


@pytest.mark.parametrize(
    "kept",
    [
        Kept(b"", MONDAY, MONDAY, 1),
        Kept(bytes([241] * HOURS), MONDAY, MONDAY, 1),
        Kept(bytes(HOURS), MONDAY, MONDAY - HOUR, 1),
    ],
    ids=["too short", "too heavy", "older than its beginning"],
)
def test_what_cannot_be_a_rhythm_is_learned_anew(kept: Kept) -> None:
    assert Rhythm.of(kept) is None


def test_a_rhythm_takes_little_memory() -> None:
    rhythm = seen(*hourly(2, hours=range(8, 18)))
    parts = [getattr(rhythm, name) for name in Rhythm.__slots__]
    assert not hasattr(rhythm, "__dict__")
    assert sys.getsizeof(rhythm) + sum(map(sys.getsizeof, parts)) <= MOST_BYTES
