"""How a mailbox stands, for people: one sentence a row, and what the operator's silence looks like."""

from datetime import datetime

import pytest

from graphmail.cli.situation import Ready, situation
from graphmail.resource.names import ANNOTATION_PAUSED
from unit.cli.conftest import Mailbox, at

PERSON = ("True", "ReauthorizationRequired", "Sign in again as ann@contoso.example.")
DOWN = ("False", "GraphUnavailable", "Graph did not answer within 20 s")

ROWS = {
    "a covered mailbox needs no words": ({}, Ready.YES, "", ""),
    "a mailbox that waits for a person says what the person must do": (
        {"ready": ("False", "ReauthorizationRequired", "no subscription"), "Stalled": PERSON},
        Ready.NO, "ReauthorizationRequired", PERSON[2],
    ),
    "a mailbox that is not ready says why": ({"ready": DOWN}, Ready.NO, "GraphUnavailable", DOWN[2]),
    "a covered mailbox whose last attempt failed says so": (
        {"ready": ("True", "Throttled", "covered; too many requests")}, Ready.YES, "Throttled", "covered; too many requests",
    ),
    "a mailbox that the row pauses says why the row does": (
        {"spec": {"suspend": True}, "metadata": {"annotations": {ANNOTATION_PAUSED: "manual"}}},
        Ready.SUSPENDED, "Suspended", "the provider's row says manual",
    ),
    "a mailbox that a person suspended says so": (
        {"spec": {"suspend": True}}, Ready.SUSPENDED, "Suspended", "suspended by hand",
    ),
    "a mailbox that is being deleted says since when, and what it waits for": (
        {"metadata": {"deletionTimestamp": at(minutes=-5)}, "ready": DOWN},
        Ready.DELETING, "Deleting",
        "deleted 5m ago; it goes when Graph has let go of the subscription; Graph did not answer within 20 s",
    ),
    "a new mailbox is given a moment": (
        {"ready": None, "metadata": {"creationTimestamp": at(seconds=-30)}},
        Ready.UNKNOWN, "Pending", "the operator has not looked at it since it was made 30s ago",
    ),
    "a mailbox that nobody looks at asks for the operator": (
        {"ready": None, "metadata": {"creationTimestamp": at(minutes=-7)}},
        Ready.UNKNOWN, "Pending", "the operator has not looked at it since it was made 7m ago: is the operator running?",
    ),
    "an expired mailbox is not ready, whatever its status says": (
        {"status": {"expirationTime": at(hours=-2), "nextRenewalTime": at(hours=-26)}},
        Ready.NO, "Expired", "expired 120m ago, and its status still says Ready: is the operator running?",
    ),
    "a renewal that is long due asks for the operator": (
        {"status": {"nextRenewalTime": at(minutes=-45)}},
        Ready.YES, "Overdue", "its renewal is due since 45m: is the operator running?",
    ),
    "a renewal that was just due is no news": ({"status": {"nextRenewalTime": at(minutes=-20)}}, Ready.YES, "", ""),
    "a renewal that waits after a failure is not overdue": (
        {
            "status": {"nextRenewalTime": at(hours=-1), "nextAttemptTime": at(minutes=4)},
            "ready": ("True", "GraphUnavailable", "covered; Graph did not answer"),
        },
        Ready.YES, "GraphUnavailable", "covered; Graph did not answer",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "ready", "reason", "message"), ROWS.values(), ids=ROWS.keys())
def test_a_mailbox_tells_how_it_stands(
    given: dict, ready: Ready, reason: str, message: str, mailbox: Mailbox, now: datetime
) -> None:
    found = situation(mailbox(**given), now)
    assert (found.ready, found.reason, found.message) == (ready, reason, message)


def test_trouble_comes_first_and_then_what_expires_first(mailbox: Mailbox, now: datetime) -> None:
    late = mailbox(metadata={"name": "late"}, status={"expirationTime": at(hours=90)})
    soon = mailbox(metadata={"name": "soon"}, status={"expirationTime": at(hours=3)})
    broken = mailbox(metadata={"name": "broken"}, ready=DOWN)
    bare = mailbox(metadata={"name": "bare"}, ready=DOWN, status={"expirationTime": None})
    paused = mailbox(metadata={"name": "paused"}, spec={"suspend": True})
    found = sorted((situation(one, now) for one in (late, paused, bare, soon, broken)), key=lambda one: one.order)
    assert [one.resource.metadata.name for one in found] == ["broken", "bare", "paused", "soon", "late"]
