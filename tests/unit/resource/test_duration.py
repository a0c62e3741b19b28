"""Durations as Kubernetes writes them."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmail.resource.duration import PATTERN, format_duration, parse_duration


@given(st.integers(0, 10**9))
def test_what_is_written_is_read_back(seconds: int) -> None:
    written = format_duration(timedelta(seconds=seconds))
    assert re.fullmatch(PATTERN, written)
    assert parse_duration(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("24h", timedelta(hours=24)),
        ("90m", timedelta(minutes=90)),
        ("166h40m", timedelta(minutes=10_000)),
        ("1h2m3s", timedelta(seconds=3723)),
        ("604800s", timedelta(days=7)),
        ("0s", timedelta()),
    ],
)
def test_hours_minutes_and_seconds_add_up(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "24", "1d", "24 h", "-1h", "1.5h", "PT24H", "1h\n", "h", "1h1m1s1s", "1H"])
def test_anything_else_is_refused_with_its_text_and_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))) as caught:
        parse_duration(text)
    assert "166h40m" in str(caught.value)


def test_a_part_of_a_second_is_cut_off() -> None:
    assert format_duration(timedelta(minutes=2, microseconds=999_999)) == "2m"


def test_a_negative_span_is_written_as_none() -> None:
    assert format_duration(timedelta(seconds=-5)) == "0s"
