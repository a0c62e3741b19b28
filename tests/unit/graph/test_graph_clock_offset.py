"""The offset to Graph's clock."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from graphmail.graph.clock_offset import ClockOffset

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def header(moment: datetime) -> str:
    return format_datetime(moment.replace(microsecond=0), usegmt=True)


def test_clocks_that_agree_have_no_offset_to_speak_of() -> None:
    offset = ClockOffset()

    offset.observe(header(NOW), NOW, NOW + 0.6 * SECOND)

    assert abs(offset.value) <= 0.5 * SECOND


def test_half_of_the_way_there_and_back_is_taken_off() -> None:
    offset = ClockOffset()

    offset.observe(header(NOW + 7 * SECOND), NOW, NOW + 4 * SECOND)

    assert offset.value == 5.5 * SECOND


def test_one_odd_answer_moves_nothing() -> None:
    offset = ClockOffset()
    for second in range(4):
        offset.observe(header(NOW + second * SECOND), NOW + second * SECOND, NOW + second * SECOND)

    warned = offset.observe(header(NOW + timedelta(days=1)), NOW + 5 * SECOND, NOW + 5 * SECOND)

    assert offset.value == 0.5 * SECOND
    assert not warned


def test_a_skew_above_a_minute_warns_once_until_it_is_well_again() -> None:
    offset = ClockOffset()
    ahead = [90, 91, 92, 0, 1, 2, 3, 4, 5, 6, 7, 8, 100, 101, 102, 103, 104]

    warnings = [
        offset.observe(header(NOW + (seconds + count) * SECOND), NOW + count * SECOND, NOW + count * SECOND)
        for count, seconds in enumerate(ahead)
    ]

    assert [count for count, warned in enumerate(warnings) if warned] == [0, 16]


def test_an_answer_without_a_date_changes_nothing() -> None:
    offset = ClockOffset()

    assert not offset.observe(None, NOW, NOW)
    assert not offset.observe("long ago", NOW, NOW)
    assert offset.value == timedelta(0)


def test_a_date_that_no_clock_would_show_is_not_believed() -> None:
    offset = ClockOffset()

    assert not offset.observe("Fri, 31 Dec 9999 23:59:59 GMT", NOW, NOW)
    assert not offset.observe("Sat, 01 Jan 0001 00:00:00 GMT", NOW, NOW)
    assert offset.value == timedelta(0)
