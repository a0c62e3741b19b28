"""What happened to a mailbox, from how it stood and how it stands: each trouble begins once, and ends once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmail.pages.transitions import Kind, Standing, Trouble, transitions
from graphmail.resource import GraphMailSubscription
from graphmail.resource.moments import write_time

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FAILURES = 3

READY = {"Ready": ("True", "Subscribed")}
SIGNED_IN = {"Authorized": ("True", "SignedIn")}
WELL = READY | SIGNED_IN
REVOKED = {
    "Ready": ("False", "ReauthorizationRequired"),
    "Authorized": ("False", "ReauthorizationRequired"),
    "Stalled": ("True", "ReauthorizationRequired"),
}
DEAD_MAILBOX = SIGNED_IN | {"Ready": ("False", "MailboxNotEnabled"), "Stalled": ("True", "MailboxNotEnabled")}
REFUSED_FOR_NOW = {"Ready": ("True", "TokenRefused"), "Authorized": ("False", "TokenRefused")}
SUSPENDED = {"Ready": ("False", "Suspended")}
WAITING = {"Ready": ("False", "AwaitingCredentials"), "Authorized": ("Unknown", "AwaitingCredentials")}
SILENT = WELL | {"Delivering": ("False", "SilentSubscription")}
STILL_SILENT = WELL | {"Delivering": ("False", "StillSilent")}
MISSED = WELL | {"Delivering": ("False", "NotificationsMissed")}
DELIVERING = WELL | {"Delivering": ("True", "NotificationArrived")}
NOTHING_YET = WELL | {"Delivering": ("Unknown", "NoNotificationYet")}


def resource(
    conditions: dict[str, tuple[str, str]],
    *,
    failures: int = 0,
    attempted: datetime | None = NOW,
    missed: datetime | None = None,
    **status: Any,
) -> GraphMailSubscription:
    """A resource with these conditions, which changed a minute before the last attempt.

    Args:
        missed: when Graph said so; None: at that change, where the conditions say that it did.
    """
    changed = write_time((attempted or NOW) - timedelta(minutes=1))
    said = [
        {
            "type": kind,
            "status": value,
            "reason": reason,
            "message": f"{reason}, in full",
            "lastTransitionTime": changed,
        }
        for kind, (value, reason) in conditions.items()
    ]
    if missed is not None or conditions is MISSED:
        told = {"missed": changed if missed is None else write_time(missed)}
        status["subscriptions"] = [{"folder": "inbox", "state": "Active", "lifecycle": told}]
    tried = {} if attempted is None else {"lastAttemptTime": write_time(attempted)}
    return GraphMailSubscription.parse(
        {
            "metadata": {"name": "ann-1", "namespace": "mail"},
            "spec": {
                "tenant": "acme",
                "providerID": "ann",
                "mailbox": "ann@example.com",
                "notificationURL": "https://app.example.com/hook",
            },
            "status": {"consecutiveFailures": failures, "conditions": said, **tried, **status},
        }
    )


def told(*stages: GraphMailSubscription) -> list[Kind]:
    """The kinds of all that happened from one stage to the next, from a mailbox of which nothing was told."""
    standing, kinds = Standing(), []
    for stage in stages:
        standing, found = transitions(stage, standing, failures=FAILURES)
        kinds += [one.kind for one in found]
    return kinds


@pytest.mark.parametrize(
    ("stages", "kinds"),
    [
        ([WELL], []),
        ([REVOKED], [Kind.SIGN_IN_REQUIRED, Kind.ERROR_ENTERED]),
        ([WELL, REVOKED, REVOKED], [Kind.SIGN_IN_REQUIRED, Kind.ERROR_ENTERED]),
        (
            [REVOKED, WELL],
            [Kind.SIGN_IN_REQUIRED, Kind.ERROR_ENTERED, Kind.SIGN_IN_RESTORED, Kind.ERROR_LEFT],
        ),
        ([DEAD_MAILBOX, WELL], [Kind.ERROR_ENTERED, Kind.ERROR_LEFT]),
        ([REVOKED, DEAD_MAILBOX], [Kind.SIGN_IN_REQUIRED, Kind.ERROR_ENTERED, Kind.SIGN_IN_RESTORED]),
        ([SILENT, DELIVERING], [Kind.SILENT, Kind.RECOVERED]),
        ([MISSED, DELIVERING], [Kind.NOTIFICATIONS_MISSED, Kind.RECOVERED]),
        ([SILENT, MISSED, DELIVERING], [Kind.SILENT, Kind.NOTIFICATIONS_MISSED, Kind.RECOVERED]),
        ([MISSED, SILENT, MISSED], [Kind.NOTIFICATIONS_MISSED, Kind.SILENT]),
        ([SILENT, STILL_SILENT, DELIVERING], [Kind.SILENT, Kind.RECOVERED]),
        ([DELIVERING, NOTHING_YET], []),
        ([REVOKED | {"Delivering": SILENT["Delivering"]}], [Kind.SIGN_IN_REQUIRED, Kind.ERROR_ENTERED, Kind.SILENT]),
    ],
)
def test_a_trouble_is_told_when_it_begins_and_when_it_ends(
    stages: list[dict[str, tuple[str, str]]], kinds: list[Kind]
) -> None:
    assert told(*map(resource, stages)) == kinds


@pytest.mark.parametrize("says_nothing", [{}, SUSPENDED, WAITING, REFUSED_FOR_NOW])
@pytest.mark.parametrize("trouble", [REVOKED, SILENT, MISSED])
def test_who_is_suspended_or_waits_is_not_told_to_have_recovered(
    trouble: dict[str, tuple[str, str]], says_nothing: dict[str, tuple[str, str]]
) -> None:
    begun = told(resource(trouble))
    kinds = told(resource(trouble), resource(says_nothing, failures=1), resource(trouble))
    assert kinds == begun


def test_a_failure_becomes_an_error_when_it_is_one_too_many_as_in_the_products_own_column() -> None:
    failing = {"Ready": ("True", "GraphUnavailable")} | SIGNED_IN
    stages = [resource(failing, failures=number) for number in (1, 2, 3)]
    assert told(*stages) == []
    assert told(*stages, resource(failing, failures=4), resource(failing, failures=5)) == [Kind.ERROR_ENTERED]
    throttled = {"Ready": ("True", "Throttled")} | SIGNED_IN
    after = [resource(failing, failures=4), resource(throttled, failures=4)]
    assert told(*after) == [Kind.ERROR_ENTERED]
    assert told(*after, resource(WELL)) == [Kind.ERROR_ENTERED, Kind.ERROR_LEFT]


def test_each_time_that_graph_says_so_is_told_also_when_others_have_arrived_since() -> None:
    first, second = NOW - timedelta(hours=2), NOW - timedelta(hours=1)
    stages = [resource(MISSED, missed=first), resource(MISSED, missed=second), resource(DELIVERING, missed=second)]
    assert told(*stages) == [Kind.NOTIFICATIONS_MISSED, Kind.NOTIFICATIONS_MISSED, Kind.RECOVERED]
    _, [missed, recovered] = transitions(stages[-1], Standing(), failures=FAILURES)
    assert (missed.kind, missed.reason, missed.occurred_at) == (
        Kind.NOTIFICATIONS_MISSED,
        "NotificationsMissed",
        second,
    )
    assert recovered.kind is Kind.RECOVERED


def test_the_failures_of_another_folder_count() -> None:
    row = {"folder": "archive", "state": "Pending", "consecutiveFailures": 4}
    assert told(resource(WELL, subscriptions=[row])) == [Kind.ERROR_ENTERED]


def test_each_event_says_since_when_and_in_whose_words() -> None:
    _, [sign_in, error] = transitions(resource(REVOKED), Standing(), failures=FAILURES)
    assert sign_in.reason == error.reason == "ReauthorizationRequired"
    assert sign_in.message == "ReauthorizationRequired, in full"
    assert sign_in.occurred_at == error.occurred_at == NOW - timedelta(minutes=1)
    failing = {"Ready": ("True", "GraphUnavailable")}
    _, [error] = transitions(resource(failing, failures=4), Standing(), failures=FAILURES)
    assert (error.reason, error.occurred_at) == ("GraphUnavailable", NOW)


def test_a_status_that_is_older_than_what_was_told_tells_nothing() -> None:
    standing, _ = transitions(resource(REVOKED), Standing(), failures=FAILURES)
    for attempted in (NOW - timedelta(seconds=1), None):
        assert transitions(resource(WELL, attempted=attempted), standing, failures=FAILURES) == (standing, ())
    _, found = transitions(resource(WELL, attempted=NOW + timedelta(seconds=1)), standing, failures=FAILURES)
    assert [one.kind for one in found] == [Kind.SIGN_IN_RESTORED, Kind.ERROR_LEFT]


def test_what_postgres_keeps_is_read_as_it_was_written_and_unknown_words_are_passed_over() -> None:
    standing = Standing(frozenset({Trouble.MISSED, Trouble.SIGN_IN}), 7, NOW, NOW)
    assert standing.words == "sign_in missed"
    assert Standing.read(standing.words, 7, NOW, NOW) == standing
    assert Standing.read("of_tomorrow error", 1, None, None).troubles == {Trouble.ERROR}


@given(st.lists(st.sampled_from([{}, WELL, REVOKED, DEAD_MAILBOX, SUSPENDED, WAITING, SILENT, MISSED, DELIVERING])))
def test_whatever_happens_the_events_are_numbered_and_no_trouble_ends_that_did_not_begin(
    stages: list[dict[str, tuple[str, str]]],
) -> None:
    standing, numbers = Standing(), []
    opened: set[Kind] = set()
    ends = {Kind.SIGN_IN_RESTORED: {Kind.SIGN_IN_REQUIRED}, Kind.ERROR_LEFT: {Kind.ERROR_ENTERED}}
    ends[Kind.RECOVERED] = {Kind.SILENT, Kind.NOTIFICATIONS_MISSED}
    for stage in stages:
        standing, found = transitions(resource(stage), standing, failures=FAILURES)
        for one in found:
            numbers.append(one.number)
            if one.kind in ends:
                assert opened & ends[one.kind]
                opened -= ends[one.kind]
            else:
                assert one.kind not in opened or one.kind in ends[Kind.RECOVERED]
                opened.add(one.kind)
    assert numbers == list(range(1, standing.events + 1))
