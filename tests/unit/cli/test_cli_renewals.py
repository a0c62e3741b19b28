"""A renewal of many: few are asked at a time, nothing is asked twice, and what waits for quota is no failure."""

import asyncio
import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from graphmail.cli import renewals as room
from graphmail.cli.bulk import Run
from graphmail.cli.output import CLEAR_LINE, Screen, bar
from graphmail.cli.renewals import Renewals, Wish
from graphmail.cli.selection import Selection
from graphmail.cluster import Cluster
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import ANNOTATION_RENEW
from support.waiting import eventually
from unit.cli.conftest import Mailbox, Terminal, at


class Fleet:
    """An API server with an operator that answers what is asked for at the next look, with these words."""

    def __init__(self, resources: list[GraphMailSubscription]) -> None:
        self.bodies = {
            one.metadata.name: one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in resources
        }
        self.throttled: set[str] = set()
        self.answering = True
        self.asked: list[str] = []
        self.unanswered = self.most_unanswered = 0

    async def merge(self, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(name)
        self.unanswered += 1
        self.most_unanswered = max(self.most_unanswered, self.unanswered)
        self.bodies[name]["metadata"]["annotations"] = patch["metadata"]["annotations"]
        return self.bodies[name]

    async def subscription(self, name: str) -> dict[str, Any]:
        body = self.bodies[name]
        value, status = body["metadata"].get("annotations", {}).get(ANNOTATION_RENEW), body["status"]
        if self.answering and status.get("lastHandledRenewal") != value:
            self.unanswered -= 1
            status["lastHandledRenewal"] = value
            if name in self.throttled:
                status |= {"nextAttemptTime": at(days=36_500)}
                status["conditions"][0] |= {"reason": "Throttled", "message": "Graph said to wait"}
        return body


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "POLL_SECONDS", 0.0)


def mailboxes(mailbox: Mailbox, number: int) -> list[GraphMailSubscription]:
    return [
        mailbox({"expirationTime": at(hours=100 - place)}, {"name": f"m{place}"}, {"mailbox": f"m{place}@x.example"})
        for place in range(number)
    ]


class Ticking:
    """A clock that a second passes on at every look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


async def renew(
    fleet: Fleet, resources: list[GraphMailSubscription], run: Run | None = None, *, terminal: bool = False
) -> tuple[int, str, str]:
    out, err = io.StringIO(), Terminal() if terminal else io.StringIO()
    wish = Wish(Selection(), False, True, timedelta(seconds=60))
    screen = Screen(out, err, terminal=terminal, width=120, asks=False)
    run = run or Run.of(Selection(), datetime.now(UTC))
    code = await Renewals(cast("Cluster", fleet), screen, wish, run, clock=Ticking()).carry_out(resources)
    return code, out.getvalue(), err.getvalue()


async def test_no_more_are_asked_for_than_the_window_holds_and_the_earliest_expiry_goes_first(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "WINDOW", 16)
    resources = mailboxes(mailbox, 50)
    fleet = Fleet(resources)
    code, out, err = await renew(fleet, resources)
    assert (code, err) == (0, "50 mailboxes: 50 renewed\n")
    assert fleet.asked == [f"m{place}" for place in reversed(range(50))]
    assert fleet.most_unanswered <= 16
    assert len(out.splitlines()) == 50


async def test_what_the_same_run_asked_for_already_is_waited_for_and_not_asked_again(mailbox: Mailbox) -> None:
    run = Run.of(Selection(), datetime.now(UTC))
    asked = mailbox(metadata={"annotations": {ANNOTATION_RENEW: run.value}, "name": "m0"})
    later = Run(run.begun, run.scope, f"{run.value}f")
    fleet = Fleet([asked])
    code, out, _ = await renew(fleet, [asked], later)
    assert (code, fleet.asked) == (0, [])
    assert "renewed" in out


async def test_what_waits_for_quota_is_no_failure_and_makes_room_for_others(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "WINDOW", 8)
    resources = mailboxes(mailbox, 24)
    fleet = Fleet(resources)
    fleet.throttled = {one.metadata.name for one in resources}
    code, out, err = await renew(fleet, resources)
    assert (code, err) == (0, "24 mailboxes: 24 waits for quota\n")
    assert len(fleet.asked) == 24
    assert "the operator tries again by itself in" in out


async def test_a_terminal_shows_how_far_it_is_what_waits_for_quota_and_how_long_it_goes_on(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "WINDOW", 8)
    resources = mailboxes(mailbox, 48)
    fleet = Fleet(resources)
    fleet.throttled = {"m0", "m47"}
    code, out, err = await renew(fleet, resources, terminal=True)
    *shown, end = [line for line in err.split(CLEAR_LINE) if line]
    assert (code, end) == (0, "48 mailboxes: 46 renewed, 2 waits for quota\n")
    assert shown[0] == f"{bar(0, 48)} 0/48"
    assert f"{bar(7, 48)} 7/48, 1 waiting for quota" in shown
    assert any(re.fullmatch(r"\[#+\.+\] 31/48, 1 waiting for quota, about \d+s left", line) for line in shown), shown
    assert shown[-1].startswith(f"{bar(46, 48)} 46/48, 2 waiting for quota, about ")
    assert [line.split()[0] for line in out.splitlines()] == ["m47@x.example", "m0@x.example"], "what needs a look"


async def test_where_nobody_answers_no_more_than_the_window_is_asked_for(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "WINDOW", 8)
    resources = mailboxes(mailbox, 24)
    fleet = Fleet(resources)
    fleet.answering = False
    code, out, err = await renew(fleet, resources)
    assert (code, err) == (1, "24 mailboxes: 24 unanswered\n")
    assert len(fleet.asked) == 8
    assert out.count("is the operator running?") == 24


async def test_a_run_that_is_stopped_says_how_far_it_came_and_how_to_go_on(mailbox: Mailbox) -> None:
    resources = mailboxes(mailbox, 3)
    fleet = Fleet(resources)
    fleet.answering = False
    err = io.StringIO()
    screen = Screen(io.StringIO(), err, terminal=False, width=80, asks=False)
    wish = Wish(Selection(), False, True, timedelta(hours=1))
    renewals = Renewals(cast("Cluster", fleet), screen, wish, Run.of(Selection(), datetime.now(UTC)))
    task = asyncio.ensure_future(renewals.carry_out(resources))
    await eventually(lambda: len(renewals._asked) == 3, "all are asked for")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert err.getvalue() == "stopped: nothing was answered, 3 asked for; the same command goes on with the rest\n"
