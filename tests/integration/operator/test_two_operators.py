"""Two operators that both act, though the lease should keep them apart: whoever comes second finds the work done (design, rule 1)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support.gate import PostgresGate
from support.hand import Hand
from support.stage import Stage
from support.waiting import eventually

BOTH_ACT = {"GRAPHMAIL_LEADER_ELECTION": "false"}
ALONE = {"GRAPHMAIL_DATABASE_URL": "", "APPLICATION_URL": ""}
CLAIM = "INSERT INTO graphmail.claims"


async def test_two_operators_side_by_side_make_no_subscription_twice(stage: Stage) -> None:
    rows = [stage.add_delegated() if number % 2 else stage.add_app_only() for number in range(16)]
    async with stage.operator(**BOTH_ACT), stage.operator(**BOTH_ACT):
        for row in rows:
            await stage.covered_once(row)
    assert [stage.calls(row, "create") for row in rows] == [1] * len(rows)


@asynccontextmanager
async def both_about_to_claim(stage: Stage) -> AsyncIterator[tuple[PostgresGate, PostgresGate]]:
    """Two operators that have found the same to do. Both have started: the one that waits gives its statement up after ten seconds."""
    async with PostgresGate(stage.product.url) as early, PostgresGate(stage.product.url) as late:
        for gate in (early, late):
            gate.keep_back(CLAIM)
        async with (
            stage.operator(GRAPHMAIL_DATABASE_URL=early.url, **BOTH_ACT),
            stage.operator(GRAPHMAIL_DATABASE_URL=late.url, **BOTH_ACT),
        ):
            await eventually(lambda: early.held and late.held, "both are about to claim it")
            yield early, late


async def test_who_gets_the_claim_only_after_another_has_done_the_work_does_it_no_second_time(stage: Stage) -> None:
    row = stage.add_app_only()
    async with both_about_to_claim(stage) as (early, late):
        early.release()
        done = await stage.covered_once(row)
        late.release()
        await eventually(lambda: stage.product.work_done(row.id) >= 2, "the late one has had its turn")
        assert await stage.covered_once(row) == done
    assert stage.calls(row, "create") == 1


async def test_who_gets_the_claim_only_after_another_has_replaced_what_was_lost_makes_no_twin(stage: Stage) -> None:
    row = stage.add_app_only()
    async with stage.operator(**BOTH_ACT):
        lost = await stage.covered_once(row)
    [held] = stage.live(row)
    stage.simulator.world.subscriptions.end(held, stage.simulator.clock.now(), "dropped")
    stage.request_renewal(row, "now")
    before = stage.product.work_done(row.id)
    async with both_about_to_claim(stage) as (early, late):
        early.release()
        await stage.status_of(row, lambda status: status["subscriptionID"] != lost, "made anew")
        done = await stage.covered_once(row)
        late.release()
        await eventually(lambda: stage.product.work_done(row.id) >= before + 2, "the late one has had its turn")
        assert await stage.covered_once(row) == done
    assert stage.calls(row, "create") == 2


async def test_without_postgres_two_that_both_act_cover_each_mailbox_once(stage: Stage) -> None:
    hand = Hand(stage)
    names = [f"box{number}" for number in range(8)]
    for name in names:
        hand.app_only_secret(name)
        hand.write(name)
    async with stage.operator(**ALONE, **BOTH_ACT), stage.operator(**ALONE, **BOTH_ACT):
        for name in names:
            await stage.ready(name)
        for name in names:
            await eventually(lambda name=name: len(hand.live(name)) == 1, f"{name} is covered once")
