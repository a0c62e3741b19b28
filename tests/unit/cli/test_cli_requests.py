"""Asking for a renewal: once, by whoever comes first; and what the echo in the status means."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from graphmail.cli.bulk import Run
from graphmail.cli.output import Screen
from graphmail.cli.renewals import Renewals, Wish, bad, line, summary
from graphmail.cli.requests import OBSERVES, Fate, Outcome, answer, no_answer, objection, pending, request
from graphmail.cli.selection import Selection
from graphmail.cli.spans import read_span
from graphmail.cluster import Cluster, ClusterError, ClusterUnavailable
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import ANNOTATION_RENEW, BULK_PREFIX
from unit.cli.conftest import Mailbox, at

ASKED = {"annotations": {ANNOTATION_RENEW: "v1"}}
HANDLED = {"lastHandledRenewal": "v1"}


def test_a_request_waits_until_its_value_is_echoed(mailbox: Mailbox) -> None:
    assert not pending(mailbox())
    assert pending(mailbox(metadata=ASKED))
    assert not pending(mailbox(metadata=ASKED, status=HANDLED))


def test_a_waiting_request_is_not_doubled_unless_somebody_insists(mailbox: Mailbox) -> None:
    waiting = mailbox(metadata=ASKED)
    objected = objection(waiting, again=False)
    assert objected is not None
    assert objected.fate is Fate.REFUSED
    assert objection(waiting, again=True) is None


@pytest.mark.parametrize("change", [{"spec": {"suspend": True}}, {"metadata": {"deletionTimestamp": at(minutes=-1)}}])
def test_a_mailbox_that_gets_no_calls_is_passed_over_even_when_somebody_insists(
    change: dict[str, Any], mailbox: Mailbox
) -> None:
    objected = objection(mailbox(**change), again=True)
    assert objected is not None
    assert objected.fate is Fate.SKIPPED


@pytest.mark.parametrize("again", [True, False])
def test_an_operator_that_only_observes_is_not_asked(again: bool, mailbox: Mailbox) -> None:
    observed = mailbox(ready=("Unknown", "Observing", "would renew it"), metadata=ASKED)
    assert objection(observed, again=again) == Outcome(
        "ann-1",
        "ann@contoso.example",
        Fate.SKIPPED,
        "the operator only observes (GRAPHMAIL_MODE=observe); it renews nothing until the mode is act",
    )


DOWN = ("False", "GraphUnavailable", "Graph is away")
TRIED = {"lastAttemptTime": at(minutes=-1), "nextAttemptTime": at(minutes=4)}
SILENCES = {
    "nothing happened: the operator may be away": ({}, "no answer within 8s: is the operator running?"),
    "it tried meanwhile, and failed": (
        {"ready": DOWN, "status": TRIED},
        "no answer within 8s; the operator's attempt 60s ago failed: GraphUnavailable: Graph is away; the operator tries again in 4m",
    ),
    "it did something else meanwhile": (
        {"status": {"lastAttemptTime": at(minutes=-1)}},
        "no answer within 8s, though the operator is at work: `graphmail describe ann-1`",
    ),
    "it only observes by now": ({"ready": ("Unknown", "Observing", "would renew it")}, OBSERVES),
}  # fmt: skip


@pytest.mark.parametrize(("last", "told"), SILENCES.values(), ids=SILENCES.keys())
def test_a_silence_is_told_by_what_happened_meanwhile(
    last: dict[str, Any], told: str, mailbox: Mailbox, now: datetime
) -> None:
    assert no_answer(mailbox(), mailbox(**last), timedelta(seconds=8), now) == told


ANSWERS = {
    "a renewed mailbox says until when": ({"status": HANDLED}, Fate.RENEWED, "expires in 46h, next renewal in 22h"),
    "a failure says why, and when it is tried again": (
        {
            "status": HANDLED | {"nextAttemptTime": at(minutes=4)},
            "ready": ("True", "GraphUnavailable", "covered; Graph did not answer"),
        },
        Fate.FAILED, "GraphUnavailable: covered; Graph did not answer; the operator tries again in 4m",
    ),
    "a stall says what a person must do": (
        {"status": HANDLED, "ready": ("False", "X", "y"), "Stalled": ("True", "ReauthorizationRequired", "Sign in again.")},
        Fate.FAILED, "ReauthorizationRequired: Sign in again.",
    ),
    "a renewal that Graph asks to wait for is no failure": (
        {
            "status": HANDLED | {"nextAttemptTime": at(minutes=4)},
            "ready": ("True", "Throttled", "covered; Graph said to wait"),
        },
        Fate.QUEUED, "the operator tries again by itself in 4m",
    ),
    "a failure that left the mailbox ready is a failure": (
        {"status": HANDLED | {"nextAttemptTime": at(minutes=4)}}, Fate.FAILED,
        "Subscribed: covered until tomorrow; the operator tries again in 4m",
    ),
    "a status without conditions is no success": ({"status": HANDLED, "ready": None}, Fate.FAILED, "the status does not say why"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "fate", "message"), ANSWERS.values(), ids=ANSWERS.keys())
def test_the_answer_says_what_came_of_it(
    given: dict[str, Any], fate: Fate, message: str, mailbox: Mailbox, now: datetime
) -> None:
    assert answer(mailbox(**given), "v1", now) == Outcome("ann-1", "ann@contoso.example", fate, message)


def test_the_echo_of_another_value_is_no_answer(mailbox: Mailbox, now: datetime) -> None:
    assert answer(mailbox(status={"lastHandledRenewal": "v0"}), "v1", now) is None


class FakeCluster:
    """An API server with one mailbox, which somebody else changes before the first `conflicts` patches."""

    def __init__(self, resource: GraphMailSubscription, *, conflicts: int = 0, meanwhile: Any = None) -> None:
        self.resource: GraphMailSubscription | None = resource
        self.conflicts = conflicts
        self.meanwhile = meanwhile
        self.patches: list[Mapping[str, Any]] = []
        self.away = 0

    async def merge(self, _: str, patch: Mapping[str, Any]) -> dict[str, Any] | None:
        self.patches.append(patch)
        if self.conflicts:
            self.conflicts -= 1
            self.resource = self.meanwhile or self.resource
            raise ClusterError(409, "Conflict", "the object has been modified")
        return self._body()

    async def subscription(self, _: str) -> dict[str, Any] | None:
        if self.away:
            self.away -= 1
            raise ClusterUnavailable(0, "X", "away")
        return self._body()

    def _body(self) -> dict[str, Any] | None:
        return self.resource.model_dump(mode="json", by_alias=True, exclude_none=True) if self.resource else None


def as_cluster(fake: FakeCluster) -> Cluster:
    return cast("Cluster", fake)


async def test_a_request_names_the_version_that_it_was_decided_on(mailbox: Mailbox) -> None:
    fake = FakeCluster(mailbox())
    assert (await request(as_cluster(fake), mailbox(), "v1", again=False)).fate is Fate.REQUESTED
    assert fake.patches == [{"metadata": {"resourceVersion": "7", "annotations": {ANNOTATION_RENEW: "v1"}}}]


async def test_of_two_people_who_ask_at_the_same_time_one_asks(mailbox: Mailbox) -> None:
    fake = FakeCluster(mailbox(), conflicts=1, meanwhile=mailbox(metadata=ASKED | {"resourceVersion": "8"}))
    assert (await request(as_cluster(fake), mailbox(), "v2", again=False)).fate is Fate.REFUSED
    assert len(fake.patches) == 1


async def test_a_status_that_changes_meanwhile_is_no_hindrance(mailbox: Mailbox) -> None:
    fake = FakeCluster(mailbox(), conflicts=2, meanwhile=mailbox(metadata={"resourceVersion": "8"}))
    assert (await request(as_cluster(fake), mailbox(), "v1", again=False)).fate is Fate.REQUESTED
    assert fake.patches[-1]["metadata"]["resourceVersion"] == "8"


async def test_a_mailbox_that_never_holds_still_is_given_up(mailbox: Mailbox) -> None:
    fake = FakeCluster(mailbox(), conflicts=99)
    assert (await request(as_cluster(fake), mailbox(), "v1", again=False)).fate is Fate.REFUSED


async def test_a_mailbox_that_is_gone_is_told(mailbox: Mailbox) -> None:
    fake = FakeCluster(mailbox())
    fake.resource = None
    assert (await request(as_cluster(fake), mailbox(), "v1", again=False)).fate is Fate.GONE


def renewing(fake: FakeCluster, selection: Selection, *, wait: bool = True) -> tuple[Renewals, str]:
    run = Run.of(selection, datetime.now(UTC))
    wish = Wish(selection, False, wait, read_span("1m"))
    return Renewals(as_cluster(fake), quiet_screen(), wish, run), run.value


def quiet_screen() -> Screen:
    return Screen.of_process()


async def test_an_api_server_that_is_away_for_a_moment_is_waited_for(
    mailbox: Mailbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphmail.cli.renewals.POLL_SECONDS", 0.0)
    fake = FakeCluster(mailbox())
    fake.away = 3
    renewals, value = renewing(fake, Selection(("ann-1",)))
    fake.resource = mailbox(status={"lastHandledRenewal": value})
    assert await renewals.carry_out([mailbox()]) == 0
    assert fake.away == 0
    assert "renewed" in capsys.readouterr().out


async def test_a_mailbox_that_vanishes_while_it_is_waited_for_is_a_failure(
    mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeCluster(mailbox())
    renewals, _ = renewing(fake, Selection(("ann-1",)))
    resource, fake.resource = mailbox(), None
    assert await renewals.carry_out([resource]) == 1
    assert capsys.readouterr().out == "ann@contoso.example  gone\n"


@pytest.mark.parametrize(
    ("selection", "bulk"),
    [
        pytest.param(Selection(("ann-1",)), False, id="named"),
        pytest.param(Selection(tenant="acme", provider="p1"), False, id="by its provider"),
        pytest.param(Selection(tenant="acme"), True, id="a whole tenant"),
        pytest.param(Selection(), True, id="all"),
    ],
)
async def test_only_what_is_asked_for_among_many_goes_last(mailbox: Mailbox, selection: Selection, bulk: bool) -> None:
    fake = FakeCluster(mailbox())
    renewals, _ = renewing(fake, selection, wait=False)
    assert await renewals.carry_out([mailbox()]) == 0
    [patch] = fake.patches
    assert patch["metadata"]["annotations"][ANNOTATION_RENEW].startswith(BULK_PREFIX) is bulk


def test_a_skipped_mailbox_is_a_failure_only_where_somebody_named_it() -> None:
    skipped = Outcome("ann-1", "ann@contoso.example", Fate.SKIPPED, "it is suspended")
    assert bad(skipped, Selection(("ann-1",)))
    assert not bad(skipped, Selection())


def test_outcomes_are_told_and_counted() -> None:
    done = [Outcome("a", "ann@x", Fate.RENEWED, "expires in 46h"), Outcome("b", "bob@x", Fate.FAILED, "no")]
    assert [line(one) for one in done] == ["ann@x  renewed: expires in 46h", "bob@x  failed: no"]
    assert summary(done) == "2 mailboxes: 1 renewed, 1 failed"
