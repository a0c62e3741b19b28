"""The annotation in which the receiver hands on what Graph tells of a subscription: what is read, and what is nothing said."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmail.resource.lifecycle import LONGEST, LifecycleEvent, as_times, times_of, told_of
from graphmail.resource.names import ANNOTATION_LIFECYCLE

NOW = datetime(2026, 11, 29, 16, 0, tzinfo=UTC)
ID = "0f7f6fb1-55c4-4bd2-8d76-4a14a1c2d9a5"


def told(text: str, subscription: str = ID) -> dict[LifecycleEvent, datetime]:
    return told_of({ANNOTATION_LIFECYCLE: text}, subscription, now=NOW)


def entry(**events: Any) -> str:
    return json.dumps({ID: events}, separators=(",", ":"))


def test_what_the_receiver_writes_is_read() -> None:
    text = (
        f'{{"another":{{"missed":"2026-11-29T15:59:00.000001Z"}},"{ID}":{{"reauthorizationRequired":"2026-11-29T15:58:30.123456Z",'
        '"missed":"2026-11-29T16:59:59.999999+01:00"}}'
    )
    assert told(text) == {
        LifecycleEvent.REAUTHORIZATION_REQUIRED: datetime(2026, 11, 29, 15, 58, 30, tzinfo=UTC),
        LifecycleEvent.MISSED: datetime(2026, 11, 29, 15, 59, 59, tzinfo=UTC),
    }


def test_without_the_annotation_nothing_was_said() -> None:
    assert told_of({}, ID, now=NOW) == {}


def test_an_id_in_small_letters_is_the_same_one() -> None:
    assert told(entry(missed="2026-11-29T15:00:00Z"), ID.upper()) != {}


def test_what_is_said_of_another_subscription_is_not_said_of_this_one() -> None:
    assert told(entry(missed="2026-11-29T15:00:00Z"), "another") == {}
    assert told(entry(missed="2026-11-29T15:00:00Z"), ID[:8]) == {}
    assert told(entry(missed="2026-11-29T15:00:00Z"), "") == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        ID,
        f'"{ID}"',
        f'["{ID}"]',
        f'{{"{ID}"',
        f'{{"{ID}": null}}',
        f'{{"{ID}": "missed"}}',
        f'{{"{ID}": ["missed"]}}',
        f'{{"{ID}": {{"missed": {{}}}}}}',
        ID + "[" * 16_000,
        f'{{"{ID}": {"1" * 9_000}}}',
        entry(missed=5),
        entry(missed=None),
        entry(missed=True),
        entry(missed=""),
        entry(missed="yesterday"),
        entry(missed="2026-11-29"),
        entry(missed="2026-11-29T15:00:00"),
        entry(missed="2026-02-30T15:00:00Z"),
        entry(missed="0001-01-01T00:00:00+14:00"),
        entry(missed="9999-12-31T23:59:59-14:00"),
        entry(unheard_of="2026-11-29T15:00:00Z", Missed="2026-11-29T15:00:00Z"),
        "\ud800" + ID,
    ],
)
def test_what_cannot_be_read_is_nothing_said(text: str) -> None:
    assert told(text) == {}


def test_one_part_that_cannot_be_read_does_not_hide_the_others() -> None:
    assert set(told(entry(missed="never", subscriptionRemoved="2026-11-29T15:00:00Z"))) == {
        LifecycleEvent.SUBSCRIPTION_REMOVED
    }


def test_what_is_too_long_is_not_read() -> None:
    text = entry(missed="2026-11-29T15:00:00Z")
    assert told(text.ljust(LONGEST)) != {}
    assert told(text.ljust(LONGEST + 1)) == {}


@pytest.mark.parametrize(("ahead", "believed"), [(0, True), (299, True), (301, False), (86_400, False)])
def test_what_has_not_happened_yet_is_not_believed(ahead: int, *, believed: bool) -> None:
    moment = NOW + timedelta(seconds=ahead)
    assert bool(told(entry(missed=moment.isoformat()))) is believed


@given(
    st.text()
    | st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.just(ID), inner)).map(
        json.dumps
    )
)
def test_nothing_that_can_stand_in_an_annotation_raises(text: str) -> None:
    assert told(text) == {}


def test_what_was_taken_up_is_written_as_it_is_read() -> None:
    known = told(entry(missed="2026-11-29T15:00:00.5Z", subscriptionRemoved="2026-11-29T15:30:00Z"))
    times = as_times(known)
    assert times is not None
    assert times.model_dump(mode="json", by_alias=True, exclude_none=True) == {
        "missed": "2026-11-29T15:00:00Z",
        "subscriptionRemoved": "2026-11-29T15:30:00Z",
    }
    assert times_of(times) == known


def test_where_nothing_was_taken_up_the_status_says_nothing() -> None:
    assert as_times({}) is None
    assert times_of(None) == {}
