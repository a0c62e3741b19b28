"""Told to stop, the operator finishes what it has begun, and begins nothing more."""

import asyncio

from support.stage import Stage
from support.waiting import eventually


async def test_a_subscription_that_is_being_created_is_recorded_before_the_operator_ends(stage: Stage) -> None:
    row = stage.add_delegated()
    stage.endpoint.validating.clear()
    stop = asyncio.Event()
    operator = stage.start(stop)
    await eventually(lambda: stage.endpoint.handshakes, "the create is under way")
    stop.set()
    late = stage.add_delegated()
    stage.endpoint.validating.set()
    await operator
    [subscription] = stage.live(row)
    assert stage.product.config(row.id)["webhook_subscription_id"] == subscription.id
    assert (stage.resource(row) or {})["status"]["subscriptionID"] == subscription.id
    assert "Created" in stage.event_reasons(row)
    assert stage.live(late) == []
    open_claims = "SELECT * FROM graphmail.claims WHERE until IS NOT NULL OR unsettled <> '{}'"
    assert stage.product.run(open_claims) == []
