"""Graph's list of subscriptions proves nothing by what it leaves out: after a lost answer nothing is doubled and nothing is lost."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from graphmail.reconciler import lost_creates
from graphsim.client import SimulatorControl
from support.stage import Row, Stage, condition_reason
from support.waiting import eventually

LOST = {
    "a gateway that gave up": {"answer": "gateway-timeout"},
    "a bad gateway": {"answer": "bad-gateway"},
    "a connection that broke off": {"drop": True},
    "a success without words": {"status": 201, "body": ""},
}


async def steer(stage: Stage, method: str, *arguments: Any, **named: Any) -> None:
    def say() -> None:
        with SimulatorControl(stage.simulator.control_url) as control:
            getattr(control, method)(*arguments, **named)

    await asyncio.to_thread(say)


async def lose_the_answer(stage: Stage, how: dict[str, Any]) -> Row:
    """A provider without a subscription, whose first create reaches Graph and is never answered."""
    row = stage.add_delegated()
    await steer(stage, "add_fault", "create", mailbox=row.address, after_commit=True, count=1, **how)
    return row


async def unknown(stage: Stage, row: Row) -> None:
    await stage.status_of(row, lambda status: condition_reason(status, "Ready") == "OutcomeUnknown", "unknown")
    assert stage.calls(row, "create") == len(stage.live(row)) == 1


@pytest.mark.usefixtures("no_retry")
async def test_what_a_lost_answer_made_is_found_behind_empty_pages(stage: Stage, subtests: pytest.Subtests) -> None:
    await steer(stage, "change_settings", empty_pages=3)
    rows = {says: await lose_the_answer(stage, how) for says, how in LOST.items()}
    async with stage.operator():
        for row in rows.values():
            await unknown(stage, row)
        for says, row in rows.items():
            with subtests.test(says):
                stage.request_renewal(row, "now")
                status = await stage.ready(row)
                assert [found.id for found in stage.live(row)] == [status["subscriptionID"]]
                assert (stage.calls(row, "create"), stage.calls(row, "list")) == (1, 4)


async def test_what_an_unknown_answer_did_not_make_is_looked_for_and_then_made_once(
    stage: Stage, subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_creates, "ARRIVES", timedelta(seconds=1))
    rows = {answer: stage.add_delegated() for answer in ("bad-gateway", "gateway-timeout")}
    for answer, row in rows.items():
        stage.fault("create", answer=answer, mailbox=row.address, count=1)
    async with stage.operator():
        for says, row in rows.items():
            with subtests.test(says):
                await eventually(lambda row=row: stage.calls(row, "create"), "it is answered")
                stage.request_renewal(row, "now")
                await stage.covered_once(row)
                first, *looks, last = (call.route for call in stage.log(row, "create", "list"))
                assert (first, set(looks), last) == ("create", {"list"}, "create")


@pytest.mark.usefixtures("no_retry")
async def test_what_the_list_leaves_out_is_found_by_the_refusal_of_its_twin(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_creates, "ARRIVES", timedelta())
    await steer(stage, "change_settings", list_omits_share=1.0, duplicates="refuse")
    row = await lose_the_answer(stage, LOST["a gateway that gave up"])
    async with stage.operator():
        await unknown(stage, row)
        stage.request_renewal(row, "now")
        status = await stage.ready(row)
    assert [found.id for found in stage.live(row)] == [status["subscriptionID"]]


async def test_what_the_list_leaves_out_is_not_taken_for_lost(stage: Stage) -> None:
    await steer(stage, "change_settings", list_omits_share=1.0)
    row = stage.add_delegated()
    async with stage.operator(GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES="0.02"):
        before = await stage.ready(row)
        stage.request_renewal(row, "now")
        after = await stage.status_of(row, lambda status: status["lastHandledRenewal"] == "now", "handled")
        await eventually(lambda: stage.calls(row, "get", "list") >= 3, "whether it lives was asked several times")
    assert before["subscriptionID"] == after["subscriptionID"]
    assert (stage.calls(row, "create"), stage.calls(row, "delete")) == (1, 0)
