"""What Graph posts is read from bytes that anybody may have sent."""

import contextlib
import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphmail.provider import client_state_fingerprint
from graphmail.receiver.reading import (
    Malformed,
    merged,
    read_entries,
    read_notifications,
    read_token,
    token_answer,
    write_moment,
)
from graphmail.resource.lifecycle import LifecycleEvent
from graphmail.resource.moments import read_moment
from support.receiving import AT, change, lifecycle, posted


@pytest.mark.parametrize(
    ("query", "token"),
    [
        pytest.param("gms=a.b.c", None, id="a notification has none"),
        pytest.param("validationToken=abc", "abc", id="a plain one"),
        pytest.param("gms=a.b.c&validationToken=a%3A+b%2Bc", "a: b+c", id="decoded, behind our marker"),
        pytest.param("validationToken=", "", id="an empty one"),
        pytest.param("validationToken=a=b", "a=b", id="with an equals sign"),
        pytest.param("validationToken=%C3%A4%F0%9F%93%AC", "ä📬", id="of characters beyond ASCII"),
        pytest.param("validationToken=%FF%zz", "\ufffd%zz", id="of bytes that are no text"),
        pytest.param("other=validationToken", None, id="the name as a value"),
    ],
)
def test_a_handshake_is_told_by_its_decoded_token(query: str, token: str | None) -> None:
    assert read_token(query) == token


def test_a_query_of_countless_parameters_is_refused() -> None:
    with pytest.raises(Malformed):
        read_token("validationToken=a&" + "x=1&" * 60)


def test_what_could_be_run_by_a_browser_is_escaped() -> None:
    assert token_answer("<script>alert('1')&\"") == "&lt;script&gt;alert(&#x27;1&#x27;)&amp;&quot;"
    assert token_answer("Validation: id 1") == "Validation: id 1"
    assert token_answer("half \ud800") == "half ?"


def test_items_are_read_with_the_fingerprints_of_their_client_states() -> None:
    first, second = read_notifications(posted(change("ABC-1", "s3cret"), lifecycle("abc-2", "missed", None)))
    assert (first.subscription_id, first.event, first.state) == ("abc-1", "", client_state_fingerprint("s3cret"))
    assert (second.subscription_id, second.event, second.state) == ("abc-2", "missed", "")
    assert "s3cret" not in repr(first)
    assert first.state not in repr(first)


def test_only_the_very_client_state_proves_and_none_proves_nothing() -> None:
    [right, none] = read_notifications(posted(change("a", "right"), change("a", None)))
    assert right.proves(client_state_fingerprint("right"))
    assert not right.proves(client_state_fingerprint("wrong"))
    assert not right.proves("")
    assert not none.proves("")
    assert not none.proves(client_state_fingerprint(""))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"value"',
        b'{"value": {}}',
        b'{"value": []}',
        b'{"value": [1]}',
        b'{"value": [{}, null]}',
        b"[" * 100_000,
        b'{"value": ' + b"9" * 5_000 + b"}",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_no_list_of_notifications_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        read_notifications(body)


PATIENT = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
"""The first text of all that hypothesis makes up takes seconds on a busy machine."""
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@PATIENT
@given(
    st.lists(
        st.fixed_dictionaries(
            {}, optional={"subscriptionId": ODD, "clientState": ODD, "lifecycleEvent": ODD, "resource": ODD}
        ),
        min_size=1,
        max_size=5,
    )
)
def test_items_of_any_content_are_read_and_prove_nothing(items: list[dict[str, object]]) -> None:
    for item in read_notifications(json.dumps({"value": items}).encode()):
        assert not item.proves(client_state_fingerprint("the right one"))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert read_notifications(body)


def test_half_a_character_as_client_state_proves_nothing() -> None:
    [item] = read_notifications(b'{"value": [{"subscriptionId": "a", "clientState": "\\ud800"}]}')
    assert item.state == ""


# --- the annotation --------------------------------------------------------------------------------------------------


def test_news_stand_beside_what_stood_there() -> None:
    before = merged(None, {"a": {LifecycleEvent.MISSED: AT}}, {"a", "b"})
    after = merged(before, {"b": {LifecycleEvent.SUBSCRIPTION_REMOVED: AT}}, {"a", "b"})
    assert after == (
        '{"a":{"missed":"2026-11-29T16:04:05.678901Z"},"b":{"subscriptionRemoved":"2026-11-29T16:04:05.678901Z"}}'
    )


def test_the_same_event_again_takes_the_later_time() -> None:
    later = AT + timedelta(seconds=1)
    text = merged(merged(None, {"a": {LifecycleEvent.MISSED: AT}}, {"a"}), {"a": {LifecycleEvent.MISSED: later}}, {"a"})
    assert read_entries(text) == {"a": {"missed": write_moment(later)}}


def test_subscriptions_that_the_status_names_no_more_are_dropped() -> None:
    before = merged(None, {"old": {LifecycleEvent.MISSED: AT}}, {"old"})
    assert read_entries(
        merged(before, {"new": {LifecycleEvent.MISSED: AT}, "old": {LifecycleEvent.MISSED: AT}}, {"new"})
    ) == {"new": {"missed": write_moment(AT)}}


@PATIENT
@given(st.text() | ODD.map(json.dumps))
def test_whatever_somebody_has_written_there_the_news_get_in(current: str) -> None:
    text = merged(current, {"a": {LifecycleEvent.REAUTHORIZATION_REQUIRED: AT}}, {"a"})
    assert read_entries(text)["a"]["reauthorizationRequired"] == write_moment(AT)


def test_moments_are_written_with_all_digits_and_read_again() -> None:
    assert write_moment(AT.replace(microsecond=0)) == "2026-11-29T16:04:05.000000Z"
    assert read_moment(write_moment(AT)) == AT
    assert read_moment("yesterday") is None
    assert read_moment("2026-11-29T16:04:05") is None
    assert read_moment(None) is None
