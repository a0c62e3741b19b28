"""The steps of docs/rollout.md, in order, with the commands that it names."""

from datetime import datetime, timedelta
from typing import Any

from support.command import Graphmail
from support.stage import Row, Stage
from support.waiting import eventually


def next_renewal(status: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(status["nextRenewalTime"])


async def renews_at(stage: Stage, row: Row, moment: datetime) -> None:
    await stage.status_of(row, lambda status: next_renewal(status) == moment, f"its next renewal is at {moment}")


async def test_from_the_products_own_loop_to_one_tenant_to_all(stage: Stage, graphmail: Graphmail) -> None:
    first = stage.add_app_only()
    other = stage.share(first, stage.product.add_tenant("Other"))
    held = {row.id: stage.subscribe(row, hours=60).id for row in (first, other)}

    async with stage.operator(GRAPHMAIL_MODE="observe"):
        for row in (first, other):
            await stage.status_of(row, lambda status: "would adopt" in status["conditions"][0]["message"], "observed")
        compared = (await graphmail("mirror", GRAPHMAIL_MODE="observe")).check()
        assert "2 provider rows" in compared.out
        shown = (await graphmail("status")).check().out.splitlines()
        assert all("Observing: observing, nothing is done: would adopt subscription" in line for line in shown[1:])
        assert [line.split()[1] for line in shown[1:]] == ["unknown", "unknown"]
        (await graphmail("check", GRAPHMAIL_MODE="observe")).check()

    served = {"GRAPHMAIL_TENANTS": first.tenant}
    async with stage.operator(**served):
        assert (await stage.ready(first))["subscriptionID"] == held[first.id]
        await eventually(lambda: stage.resource(other) is None, "the other tenant has no resource")
        renewed = (await graphmail("renew", "--tenant", first.tenant)).check()
        assert "renewed" in renewed.out
        assert "1 provider row:" in (await graphmail("mirror", **served)).check().out
        day_before = next_renewal(await stage.ready(first))

    patched = stage.calls(first, "patch")
    for minutes, moment in ((720, day_before + timedelta(hours=12)), (1440, day_before)):
        async with stage.operator(**served, GRAPHMAIL_TENANT_LOOK_AHEAD_MINUTES=f"{first.tenant}={minutes}"):
            await renews_at(stage, first, moment)
            shown = (await graphmail("status", "--tenant", first.tenant, "-o", "wide")).check().out
            assert "NEXT RENEWAL" in shown
            assert first.address in shown
    assert stage.calls(first, "patch") == patched
    assert stage.product.config(other.id)["webhook_subscription_id"] == held[other.id]

    async with stage.operator():
        await stage.ready(other)
        ready = (await graphmail("status", "-o", "wide")).check().out.splitlines()
        assert len(ready) == 3
    assert {one.id for one in stage.live(first)} == set(held.values())


async def test_a_sweep_deletes_nothing_while_the_operator_observes(stage: Stage, graphmail: Graphmail) -> None:
    ran = await graphmail("sweep", "--yes", GRAPHMAIL_MODE="observe")
    assert ran.code == 1
    assert "GRAPHMAIL_MODE is observe, so nothing is deleted: say --dry-run" in ran.err
