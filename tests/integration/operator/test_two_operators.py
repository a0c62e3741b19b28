"""Two operators that both act, though the lease should keep them apart: whoever comes second finds the work done (design, rule 1)."""

from support.gate import PostgresGate
from support.hand import Hand
from support.stage import Stage
from support.waiting import eventually

BOTH_ACT = {"GRAPHMAIL_LEADER_ELECTION": "false"}
ALONE = {"GRAPHMAIL_DATABASE_URL": "", "APPLICATION_URL": ""}


async def test_two_operators_side_by_side_make_no_subscription_twice(stage: Stage) -> None:
    rows = [stage.add_delegated() if number % 2 else stage.add_app_only() for number in range(16)]
    async with stage.operator(**BOTH_ACT), stage.operator(**BOTH_ACT):
        for row in rows:
            await stage.covered_once(row)
    assert [stage.calls(row, "create") for row in rows] == [1] * len(rows)


async def test_who_gets_the_claim_only_after_another_has_done_the_work_does_it_no_second_time(stage: Stage) -> None:
    row = stage.add_app_only()
    async with PostgresGate(stage.product.url) as gate:
        gate.keep_back("INSERT INTO graphmail.claims")
        async with stage.operator(GRAPHMAIL_DATABASE_URL=gate.url, **BOTH_ACT):
            await eventually(lambda: gate.held, "one operator has found that a subscription is missing")
            async with stage.operator(**BOTH_ACT):
                done = await stage.covered_once(row)
                gate.release()
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
    async with PostgresGate(stage.product.url) as gate:
        gate.keep_back("INSERT INTO graphmail.claims")
        async with stage.operator(GRAPHMAIL_DATABASE_URL=gate.url, **BOTH_ACT):
            await eventually(lambda: gate.held, "one operator is about to renew")
            async with stage.operator(**BOTH_ACT):
                await stage.status_of(row, lambda status: status["subscriptionID"] != lost, "made anew")
                done = await stage.covered_once(row)
                gate.release()
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
