"""Turns are waited for before anything is claimed, on the account of the right Entra tenant, and not longer than need be."""

import asyncio
from datetime import UTC, datetime

import pytest

from graphmail.decision import Action, Decision, Reason, Step
from graphmail.fleet import Entry
from graphmail.graph import Budget, CallKind, NoTurn, Priority, Turn
from graphmail.reconciler.turns import Hurried, Turns
from graphmail.resource import GraphMailSubscription
from support.waiting import eventually

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SPEC = {
    "tenant": "t1",
    "providerID": "p1",
    "mailbox": "Ann@Example.com",
    "notificationURL": "https://app.example.com/hook",
}
RESOURCE = GraphMailSubscription.parse({"metadata": {"name": "ann", "namespace": "mail", "uid": "u"}, "spec": SPEC})
STEP = Step("inbox", RESOURCE, Decision(Action.CREATE, Reason.NOT_SUBSCRIBED, "", NOW))
NAMED = "11111111-0000-4000-8000-000000000001"


@pytest.mark.parametrize("directory", ["common", "organizations", ""])
def test_until_a_sign_in_tells_the_mailboxs_domain_stands_for_its_tenant(directory: str) -> None:
    turns = Turns(Budget())
    assert turns.spender(RESOURCE, ("app", directory), Priority.NORMAL, None).directory == "example.com"
    turns.learn(RESOURCE, directory, NAMED)
    assert turns.spender(RESOURCE, ("app", directory), Priority.NORMAL, None).directory == NAMED


def test_a_directory_that_is_named_stands_for_itself() -> None:
    assert Turns(Budget()).spender(RESOURCE, ("app", NAMED), Priority.NORMAL, None).directory == NAMED


async def held_up() -> tuple[Budget, Entry, "asyncio.Future[Turn]"]:
    """Somebody waits, whose tenant is told to wait."""
    budget = Budget()
    turns, entry = Turns(budget), Entry(resource=RESOURCE, seen_at=NOW)
    spender = turns.spender(RESOURCE, ("app", NAMED), Priority.NORMAL, None)
    budget.hold_tenant(spender, 30.0)
    wait = asyncio.ensure_future(turns.wait(entry, STEP, spender))
    await eventually(lambda: entry.waiting is not None and budget.waiting, "it waits")
    return budget, entry, wait


async def test_a_change_of_the_resource_ends_the_wait_and_the_place_is_given_away() -> None:
    budget, entry, wait = await held_up()
    entry.hurry()
    with pytest.raises(Hurried):
        await wait
    assert (entry.waiting, budget.waiting) == (None, 0)


async def test_whoever_is_told_to_stop_is_not_told_to_decide_again() -> None:
    _, _, wait = await held_up()
    wait.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wait


async def test_a_long_hold_is_told_at_once() -> None:
    budget = Budget()
    turns, entry = Turns(budget), Entry(resource=RESOURCE, seen_at=NOW)
    spender = turns.spender(RESOURCE, ("app", NAMED), Priority.NORMAL, None)
    budget.hold_tenant(spender, 3600.0)
    with pytest.raises(NoTurn):
        await turns.wait(entry, STEP, spender)


@pytest.mark.parametrize(
    ("action", "kind"), [(Action.RENEW, CallKind.WRITE), (Action.VERIFY, CallKind.READ), (Action.ADOPT, CallKind.READ)]
)
async def test_the_turn_is_of_the_kind_that_the_first_call_is(action: Action, kind: CallKind) -> None:
    turns, entry = Turns(Budget()), Entry(resource=RESOURCE, seen_at=NOW)
    step = STEP._replace(decision=STEP.decision._replace(action=action))
    turn = await turns.wait(entry, step, turns.spender(RESOURCE, ("app", NAMED), Priority.NORMAL, None))
    assert turn.kind is kind
