"""What the campaigns look at can be seen to fail: the operator broken on purpose, in four places, and the simulator's account of it.

An account that shows nothing of these would show nothing of a true defect either. Each sabotage has its twin beside it, which finds
the same account clean.
"""

from typing import Any

import pytest

from chaos.ending import read_end
from chaos.scenarios import facts
from graphmail.reconciler import hands
from graphmail.reconciler.hands import Hands
from graphmail.reconciler.signed_in import Job
from graphmail.reconciler.work import Reconciler
from graphsim.coverage import Ledger
from support.stage import Row, Stage
from support.waiting import eventually

BOTH_ACT = {"GRAPHMAIL_LEADER_ELECTION": "false"}
VERIFYING = {"GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES": "0.02"}
BROKEN = pytest.mark.parametrize("broken", [True, False], ids=["broken", "whole"])


def account(stage: Stage, row: Row) -> Ledger:
    return stage.simulator.world.coverage.accounts()[row.mailbox.user_id].mailbox


def doubled(stage: Stage, row: Row) -> int:
    stage.simulator.world.settle()
    return len(account(stage, row).duplicates(stage.simulator.clock.now()))


def bare(stage: Stage, row: Row) -> int:
    stage.simulator.world.settle()
    return len(account(stage, row).gaps(stage.simulator.clock.now()))


@BROKEN
async def test_two_that_ignore_the_claim_are_seen_by_the_mailbox_they_cover_twice(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, broken: bool
) -> None:
    async def no_claim(*_: Any) -> None:
        return None

    if broken:
        monkeypatch.setattr(Reconciler, "_claim", no_claim)
        monkeypatch.setattr(Reconciler, "_may_create", lambda *_: _yes())
        monkeypatch.setattr(Reconciler, "_need_no_claim", lambda *_: None)
    row = stage.add_app_only()
    stage.endpoint.validating.clear()
    async with stage.operator(**BOTH_ACT), stage.operator(**BOTH_ACT):
        await eventually(lambda: stage.endpoint.waiting == 1 + broken, "the create is under way")
        stage.simulator.world.watch(row.mailbox)
        stage.endpoint.validating.set()
        await stage.ready(row)
    assert bool(doubled(stage, row)) is broken


async def _yes() -> bool:
    return True


@BROKEN
async def test_deleting_before_creating_is_seen_by_the_gap(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, broken: bool
) -> None:
    row = stage.add_delegated({"webhook_verification_token": "before"})
    async with stage.operator():
        before = await stage.ready(row)
        stage.simulator.world.watch(row.mailbox)
        if broken:
            monkeypatch.setattr(
                Hands, "replace", lambda self, job, caller: self.replace_with_gap(job, caller, lambda: 0.0)
            )
        stage.product.set_config(row.id, webhook_verification_token="after")
        await stage.status_of(row, lambda status: status["subscriptionID"] != before["subscriptionID"], "replaced")
        await eventually(lambda: len(stage.live(row)) == 1, "only the new one is left")
    assert bool(bare(stage, row)) is broken


@BROKEN
async def test_taking_what_the_list_leaves_out_for_lost_is_seen_by_the_twin(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, broken: bool
) -> None:
    async def listed(self: Hands, caller: Any, subscription_id: str) -> Any:
        found = await caller.call(_all)
        return next((one for one in found if one.id == subscription_id), None)

    row = stage.add_delegated()
    async with stage.operator(**VERIFYING):
        await stage.ready(row)
        stage.simulator.world.watch(row.mailbox)
        stage.simulator.world.settings.list_omits_share = 1.0
        if broken:
            monkeypatch.setattr(hands.Hands, "_get", listed)
            await eventually(lambda: doubled(stage, row), "a twin")
        else:
            asked = stage.calls(row, "get")
            await eventually(lambda: stage.calls(row, "get") >= asked + 3, "asked three times more whether it lives")
    assert bool(doubled(stage, row)) is broken


@BROKEN
async def test_a_look_up_that_finds_nothing_is_seen_by_what_the_crash_campaign_compares(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, broken: bool
) -> None:
    """The sweep takes the twin away before long: only that there was one is left to see."""

    async def blind(_: Hands, job: Job, *__: Any, **___: Any) -> list[Any]:
        job.creates.answered()
        return []

    if broken:
        monkeypatch.setattr(Hands, "_left", blind)
    row = stage.add_app_only()
    stage.simulator.world.watch(row.mailbox)
    stage.fault("create", drop_connection=True, after_commit=True, count=1)
    async with stage.operator():
        await stage.status_of(row, lambda status: status["pendingCreateTime"], "the outcome is unknown")
        stage.request_renewal(row, "now")
        status = await stage.ready(row)
        for spare in [found for found in stage.live(row) if found.id != status["subscriptionID"]]:
            stage.simulator.world.end_subscription(spare, "deleted")
    assert bool(facts(read_end(stage, row), None, lost=True)["doubled"]) is broken


async def _all(graph: Any, how: dict[str, Any]) -> list[Any]:
    how = {name: value for name, value in how.items() if name != "turn"}
    return [one async for one in graph.list_all(**how)]
