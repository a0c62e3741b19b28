import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphsim.timestamps import error_timestamp, graph_timestamp, http_date, parse_graph_timestamp, signin_timestamp

NOON = 1_795_521_600.0


def test_a_whole_second_has_no_fraction():
    assert graph_timestamp(NOON) == "2026-11-24T12:00:00Z"


def test_a_fraction_has_seven_digits():
    assert graph_timestamp(NOON + 0.25) == "2026-11-24T12:00:00.2500000Z"


def test_errors_and_headers_have_their_own_spellings():
    assert error_timestamp(NOON + 0.5) == "2026-11-24T12:00:00"
    assert signin_timestamp(NOON) == "2026-11-24 12:00:00Z"
    assert http_date(NOON) == "Tue, 24 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24T12:00:00Z", NOON),
        ("2026-11-24T12:00:00", NOON),
        ("2026-11-24T13:30:00+01:30", NOON),
        ("2026-11-24T12:00:00.5000000Z", NOON + 0.5),
        ("2026-11-24T12:00Z", NOON),
    ],
)
def test_every_spelling_that_graph_takes_is_read(text, moment):
    assert parse_graph_timestamp(text) == moment


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-11-5T12:00:00Z", "2026-13-01T00:00:00Z", "2026-11-24"])
def test_what_is_no_timestamp_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the text differs by the place that notices
        parse_graph_timestamp(text)


@given(st.integers(min_value=0, max_value=4_102_444_800_000_000))
def test_a_timestamp_survives_the_way_out_and_back(micros):
    assert abs(parse_graph_timestamp(graph_timestamp(micros / 1e6)) - micros / 1e6) < 1e-6
