"""A suspended mailbox that is resumed is cared for at once, due or not."""

from datetime import UTC, datetime
from typing import Any

from support.stage import Row, Stage, condition_reason
from support.waiting import eventually

PAUSED = {"inbound_paused_at": datetime.now(UTC), "inbound_pause_reason": "manual"}
RESUMED = {"inbound_paused_at": None, "inbound_pause_reason": None}


async def paused(stage: Stage, row: Row) -> dict[str, Any]:
    """The status of the mailbox before it was suspended."""
    before = await stage.ready(row)
    stage.product.set_provider(row.id, **PAUSED)
    await stage.status_of(row, lambda status: condition_reason(status, "Ready") == "Suspended", "suspended")
    return before


async def test_a_resumed_mailbox_is_ready_again_without_waiting_for_its_renewal(stage: Stage) -> None:
    row = stage.add_delegated()
    async with stage.operator():
        before = await paused(stage, row)
        await eventually(lambda: "Suspended" in stage.event_reasons(row), "a Suspended event")
        stage.product.set_provider(row.id, **RESUMED)
        after = await stage.ready(row)
        await eventually(lambda: "Resumed" in stage.event_reasons(row), "a Resumed event")
    assert after["subscriptionID"] == before["subscriptionID"]
    assert stage.calls(row, "create", "patch") == 1


async def test_what_graph_lost_during_the_suspension_is_made_anew_at_once(stage: Stage) -> None:
    row = stage.add_delegated()
    async with stage.operator():
        before = await paused(stage, row)
        stage.simulator.world.end_subscription(stage.live(row)[0], "dropped")
        stage.product.set_provider(row.id, **RESUMED)
        after = await stage.ready(row)
    assert after["subscriptionID"] != before["subscriptionID"]
    assert [found.id for found in stage.live(row)] == [after["subscriptionID"]]
