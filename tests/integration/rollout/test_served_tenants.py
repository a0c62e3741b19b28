"""GRAPHMAIL_TENANTS, and a lookahead for each tenant: one tenant after the other, and back again."""

from datetime import datetime, timedelta
from typing import Any

from support.stage import Row, Stage
from support.statements import statements
from support.waiting import eventually


def of_another_tenant(stage: Stage, row: Row) -> Row:
    """The same mailbox's provider of another tenant."""
    return stage.share(row, stage.product.add_tenant("Other"))


async def test_only_the_rows_of_a_served_tenant_have_resources(stage: Stage) -> None:
    served = stage.add_delegated()
    other = of_another_tenant(stage, served)
    async with stage.operator(GRAPHMAIL_TENANTS=served.tenant) as running:
        await stage.covered_once(served)
        await running.metric_is(1, "graphmail_mirror_rows")
        assert stage.resource(other) is None
    assert stage.product.config(other.id)["webhook_subscription_id"] is None


async def test_a_tenant_that_is_taken_off_keeps_its_subscription_and_comes_back_to_it(stage: Stage) -> None:
    row, kept = stage.add_app_only(), stage.add_app_only()
    other = stage.product.add_tenant("Other")
    async with stage.operator():
        subscription = await stage.covered_once(row)
        await stage.covered_once(kept)
    async with stage.operator(GRAPHMAIL_TENANTS=other):
        await eventually(lambda: stage.resources() == [], "no resource is left")
        assert [found.id for found in stage.live(row)] == [subscription]
        assert stage.product.config(row.id)["webhook_subscription_id"] == subscription
    async with stage.operator(GRAPHMAIL_TENANTS=f"{other},{row.tenant}"):
        assert await stage.covered_once(row) == subscription
    assert stage.calls(row, "delete") == 0
    assert stage.calls(row, "create") == 1


async def test_an_inactive_row_of_a_tenant_that_is_taken_off_is_left_alone_as_well(stage: Stage) -> None:
    row = stage.add_app_only()
    async with stage.operator():
        subscription = await stage.covered_once(row)
    stage.product.set_provider(row.id, is_active=False)
    async with stage.operator(GRAPHMAIL_TENANTS=stage.product.add_tenant("Other")):
        await eventually(lambda: stage.resource(row) is None, "the resource is gone")
    assert [found.id for found in stage.live(row)] == [subscription]


async def test_a_longer_lookahead_of_a_tenant_moves_its_next_renewal_and_no_other(stage: Stage) -> None:
    row = stage.add_delegated()
    other = of_another_tenant(stage, row)
    both = f"{row.tenant}=720,{other.tenant}=720"
    async with stage.operator(GRAPHMAIL_TENANT_LOOK_AHEAD_MINUTES=both):
        before = [await stage.ready(one) for one in (row, other)]
    async with stage.operator(GRAPHMAIL_TENANT_LOOK_AHEAD_MINUTES=both.replace("720", "1440", 1)):
        moved = await stage.status_of(
            row, lambda status: status["nextRenewalTime"] != before[0]["nextRenewalTime"], "planned anew"
        )
        unmoved = await stage.ready(other)
    assert planned(before[0]) - planned(moved) == timedelta(minutes=720)
    assert planned(unmoved) == planned(before[1])
    assert stage.calls(row, "patch") == 0


def planned(status: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(status["nextRenewalTime"])


async def test_what_the_document_asks_of_postgres_shows_who_is_not_covered(stage: Stage) -> None:
    covered, waiting = stage.add_app_only(), stage.add_unconsented()
    query = statements("rollout.md")["uncovered"]
    async with stage.operator(GRAPHMAIL_TENANTS=covered.tenant):
        await stage.ready(covered)

        def shown() -> list[tuple[str, str]]:
            return [(row["mailbox"], row["state"]) for row in stage.product.run(query)]

        await eventually(lambda: shown() == [(waiting.address, "waiting")], "only who waits is shown")
