"""Spans of time as kubectl writes them, so that `graphmail status` and `kubectl get` agree."""

from datetime import UTC, datetime, timedelta

import pytest
import typer

from graphmail.cli.spans import human, read_moment, read_span, when
from unit.cli.conftest import NOW

KUBECTL = {
    # From the tests of k8s.io/apimachinery, util/duration, HumanDuration.
    timedelta(seconds=1): "1s",
    timedelta(seconds=70): "70s",
    timedelta(seconds=190): "3m10s",
    timedelta(minutes=70): "70m",
    timedelta(hours=47): "47h",
    timedelta(hours=49): "2d1h",
    timedelta(hours=8, minutes=2): "8h",
    timedelta(hours=24 * 4 + 5): "4d5h",
    timedelta(days=367): "367d",
    timedelta(days=365 * 2 + 25): "2y",
    timedelta(days=365 * 8 + 2): "8y",
    timedelta(hours=7, minutes=20): "7h20m",
    timedelta(minutes=9): "9m",
    timedelta(): "0s",
}


@pytest.mark.parametrize(("span", "text"), KUBECTL.items(), ids=KUBECTL.values())
def test_spans_read_as_kubectl_writes_them(span: timedelta, text: str) -> None:
    assert human(span) == text
    assert human(-span) == text


def test_moments_say_whether_they_are_past() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert when(now + timedelta(hours=46), now) == "in 46h"
    assert when(now - timedelta(minutes=3), now) == "3m ago"
    assert when(None, now) == "-"


def test_a_span_of_the_command_line_is_seconds_or_a_duration() -> None:
    assert read_span("90") == read_span("90s") == read_span("1m30s") == timedelta(seconds=90)


@pytest.mark.parametrize("text", ["soon", "-5", "0", "0s", "1d", ""])
def test_what_is_no_span_is_wrong_usage(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        read_span(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("24h", NOW + timedelta(hours=24)),
        ("90m", NOW + timedelta(minutes=90)),
        ("6d22h", NOW + timedelta(days=6, hours=22)),
        ("3d", NOW + timedelta(days=3)),
        ("1y", NOW + timedelta(days=365)),
        ("2026-03-04T05:06:07Z", datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)),
        ("2026-03-04T05:06:07+02:00", datetime(2026, 3, 4, 3, 6, 7, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_span_from_now_or_an_iso_moment(text: str, moment: datetime) -> None:
    assert read_moment(text, NOW) == moment


@pytest.mark.parametrize("seconds", [50, 500, 5_000, 50_000, 500_000, 5_000_000, 500_000_000])
def test_a_span_that_we_print_is_one_that_we_read(seconds: int) -> None:
    printed = human(timedelta(seconds=seconds))
    assert human(read_moment(printed, NOW) - NOW) == printed


@pytest.mark.parametrize("text", ["soon", "", "6x", "2026-13-01", "d"])
def test_what_is_no_moment_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="24h"):
        read_moment(text, NOW)
