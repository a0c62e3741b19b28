"""Events as the API server takes them, and the merging of repeats."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmail.observability.events import Ended, EventBook, EventCall, EventReason, build_event
from graphmail.resource import GraphMailSubscription

NOW = datetime(2026, 11, 24, 4, 5, 6, 789_000, tzinfo=UTC)
DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def resource(name: str = "anna-1", uid: str = "uid-1") -> GraphMailSubscription:
    return GraphMailSubscription.parse(
        {
            "metadata": {"name": name, "namespace": "mail", "uid": uid},
            "spec": {
                "tenant": "acme",
                "providerID": "p-7",
                "mailbox": "anna@contoso.com",
                "notificationURL": "https://app.example.com/hook",
            },
        }
    )


def event(
    message: str = "covered until Monday",
    *,
    reason: EventReason = EventReason.RENEWED,
    about: GraphMailSubscription | None = None,
    now: datetime = NOW,
) -> dict[str, Any]:
    return build_event((about or resource()).metadata, reason, message, now=now, reporter="pod-1")


def some(call: EventCall | None) -> EventCall:
    assert call is not None
    return call


def test_an_event_says_about_whom_what_why_and_when() -> None:
    body = event("covered until Monday")
    name = body["metadata"].pop("name")
    assert name.startswith("anna-1.")
    assert body == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": "mail"},
        "involvedObject": {
            "apiVersion": "graphmail.dev/v1alpha1",
            "kind": "GraphMailSubscription",
            "namespace": "mail",
            "name": "anna-1",
            "uid": "uid-1",
        },
        "type": "Normal",
        "reason": "Renewed",
        "message": "covered until Monday",
        "action": "Renewed",
        "eventTime": "2026-11-24T04:05:06.789000Z",
        "count": 1,
        "firstTimestamp": "2026-11-24T04:05:06Z",
        "lastTimestamp": "2026-11-24T04:05:06Z",
        "source": {"component": "graphmail-operator"},
        "reportingComponent": "graphmail-operator",
        "reportingInstance": "pod-1",
    }


def test_what_happens_within_a_second_has_an_order_that_text_has_too() -> None:
    moments = [NOW.replace(microsecond=microsecond) for microsecond in (0, 9, 789_000, 999_999)]
    told = [event(now=moment)["eventTime"] for moment in moments]
    assert told == sorted(set(told))


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("Created", "Normal"),
        ("Renewed", "Normal"),
        ("Recreated", "Normal"),
        ("Adopted", "Normal"),
        ("Deleted", "Normal"),
        ("Suspended", "Normal"),
        ("Resumed", "Normal"),
        ("RenewalFailed", "Warning"),
        ("ReauthorizationRequired", "Warning"),
        ("NotificationEndpointFailed", "Warning"),
        ("PeerActive", "Warning"),
        ("Abandoned", "Warning"),
    ],
)
def test_what_needs_attention_is_a_warning(reason: str, kind: str) -> None:
    assert event(reason=EventReason(reason))["type"] == kind


def test_secrets_are_masked_in_a_message() -> None:
    assert event("sign-in failed: client_secret=s3cret")["message"] == "sign-in failed: client_secret=***"


def test_a_long_message_is_cut() -> None:
    message = event("x" * 5_000)["message"]
    assert len(message) == 1024
    assert message.endswith("x…")


@hypothesis.settings(deadline=None)
@given(name=st.from_regex(DNS_SUBDOMAIN, fullmatch=True).filter(lambda name: len(name) <= 253))
def test_the_name_of_an_event_is_valid_for_any_name_of_a_resource(name: str) -> None:
    made = event(about=resource(name))["metadata"]["name"]
    assert DNS_SUBDOMAIN.fullmatch(made)
    assert len(made) <= 253


def test_the_longest_name_of_a_resource_still_gets_a_name_of_its_own() -> None:
    long = "a" * 235 + "-" + "b" * 17
    made = {event(about=resource(long, uid))["metadata"]["name"] for uid in ("uid-1", "uid-2")}
    assert len(made) == 2
    assert all(len(name) <= 253 and DNS_SUBDOMAIN.fullmatch(name) for name in made)


def test_the_same_event_posted_again_after_a_lost_answer_has_the_same_name() -> None:
    assert event()["metadata"]["name"] == event()["metadata"]["name"]


def test_events_that_differ_in_anything_have_different_names() -> None:
    events = [
        event(),
        event("other"),
        event(reason=EventReason.CREATED),
        event(now=NOW + timedelta(microseconds=1)),
        event(about=resource(uid="uid-2")),
    ]
    assert len({body["metadata"]["name"] for body in events}) == len(events)


def test_the_first_time_is_created_and_the_next_within_an_hour_is_counted() -> None:
    book = EventBook("pod-1")
    first = some(book.say(resource(), EventReason.RENEWAL_FAILED, "Graph is away", NOW))
    assert (first.verb, first.namespace, first.body["count"]) == ("create", "mail", 1)
    assert book.done(first, Ended.POSTED) is None
    again = some(book.say(resource(), EventReason.RENEWAL_FAILED, "Graph is away", NOW + timedelta(minutes=59)))
    assert (again.verb, again.name) == ("patch", first.name)
    assert again.body == {"count": 2, "lastTimestamp": "2026-11-24T05:04:06Z"}
    book.done(again, Ended.POSTED)
    third = some(book.say(resource(), EventReason.RENEWAL_FAILED, "Graph is away", NOW + timedelta(minutes=118)))
    assert third.body["count"] == 3


def test_after_an_hour_of_silence_the_same_words_are_a_new_event() -> None:
    book = EventBook()
    first = some(book.say(resource(), EventReason.RENEWED, "covered", NOW))
    book.done(first, Ended.POSTED)
    again = some(book.say(resource(), EventReason.RENEWED, "covered", NOW + timedelta(hours=1)))
    assert again.verb == "create"
    assert again.name != first.name
    assert again.body["count"] == 1


def test_other_words_another_reason_or_another_resource_are_events_of_their_own() -> None:
    book = EventBook()
    for about, reason, message in (
        (resource(), EventReason.RENEWED, "covered"),
        (resource(), EventReason.RENEWED, "covered longer"),
        (resource(), EventReason.CREATED, "covered"),
        (resource("anna-1", "uid-of-a-later-namesake"), EventReason.RENEWED, "covered"),
    ):
        call = some(book.say(about, reason, message, NOW))
        assert call.verb == "create"
        book.done(call, Ended.POSTED)


def test_repeats_during_a_call_wait_and_are_told_together_in_the_next() -> None:
    book = EventBook()
    first = some(book.say(resource(), EventReason.RENEWED, "covered", NOW))
    assert book.say(resource(), EventReason.RENEWED, "covered", NOW) is None
    assert book.say(resource(), EventReason.RENEWED, "covered", NOW + timedelta(seconds=9)) is None
    following = some(book.done(first, Ended.POSTED))
    assert (following.verb, following.name) == ("patch", first.name)
    assert following.body == {"count": 3, "lastTimestamp": "2026-11-24T04:05:15Z"}
    assert book.done(following, Ended.POSTED) is None


def test_an_event_that_the_api_server_has_forgotten_is_created_anew_with_what_is_untold() -> None:
    book = EventBook()
    book.done(some(book.say(resource(), EventReason.RENEWED, "covered", NOW)), Ended.POSTED)
    patch = some(book.say(resource(), EventReason.RENEWED, "covered", NOW + timedelta(minutes=1)))
    assert book.say(resource(), EventReason.RENEWED, "covered", NOW + timedelta(minutes=2)) is None
    anew = some(book.done(patch, Ended.GONE))
    assert anew.verb == "create"
    assert anew.body["count"] == 2
    assert anew.body["lastTimestamp"] == "2026-11-24T04:07:06Z"


def test_after_a_failed_call_the_next_repeat_begins_anew() -> None:
    book = EventBook()
    assert book.done(some(book.say(resource(), EventReason.RENEWED, "covered", NOW)), Ended.FAILED) is None
    assert some(book.say(resource(), EventReason.RENEWED, "covered", NOW)).verb == "create"


def test_only_so_many_words_are_remembered_and_the_oldest_are_forgotten_first() -> None:
    book = EventBook(most_remembered=2)
    for message in "abc":
        book.done(some(book.say(resource(), EventReason.RENEWED, message, NOW)), Ended.POSTED)
    assert some(book.say(resource(), EventReason.RENEWED, "c", NOW)).verb == "patch"
    assert some(book.say(resource(), EventReason.RENEWED, "a", NOW)).verb == "create"


def test_what_is_in_flight_is_never_forgotten() -> None:
    book = EventBook(most_remembered=1)
    first = some(book.say(resource(), EventReason.RENEWED, "a", NOW))
    other = some(book.say(resource(), EventReason.RENEWED, "b", NOW + timedelta(hours=5)))
    assert book.done(first, Ended.POSTED) is None
    assert book.done(other, Ended.POSTED) is None


@hypothesis.settings(deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 4_000), st.sampled_from(["hold", "posted", "gone"])),
        max_size=60,
    )
)
def test_the_counts_of_all_events_add_up_to_what_was_said(steps: list[tuple[str, int, str]]) -> None:
    book = EventBook()
    server: dict[str, tuple[str, int]] = {}
    held: list[EventCall] = []
    said, lost = Counter[str](), Counter[str]()
    now = NOW

    def finish(call: EventCall | None, *, gone: bool) -> None:
        while call is not None:
            message = call.key[2]
            if call.verb == "patch" and gone:
                lost[message] += server.pop(call.name)[1]
                call, gone = book.done(call, Ended.GONE), False
                continue
            server[call.name] = (message, call.body["count"])
            call = book.done(call, Ended.POSTED)

    for message, seconds, ending in steps:
        now += timedelta(seconds=seconds)
        said[message] += 1
        call = book.say(resource(), EventReason.RENEWED, message, now)
        if call is not None and ending == "hold":
            held.append(call)
        else:
            finish(call, gone=ending == "gone")
    for call in held:
        finish(call, gone=False)
    told = Counter(lost)
    for message, count in server.values():
        told[message] += count
    assert told == said
