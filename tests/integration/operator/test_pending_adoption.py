"""An id that only the provider's row knows is never lost, whatever goes wrong while it is looked up."""

import asyncio
import time

from graphsim.client import SimulatorControl
from support.stage import Running, Stage, condition_status
from support.waiting import eventually


async def test_an_inactive_row_loses_a_subscription_that_only_the_row_knew(stage: Stage) -> None:
    row = stage.add_delegated(is_active=False)
    stage.subscribe(row)
    async with stage.operator():
        await eventually(lambda: "Deleted" in stage.event_reasons(row), "a Deleted event")
    assert stage.live(row) == []
    assert stage.product.config(row.id)["webhook_subscription_id"] is None


async def test_a_refused_sign_in_leaves_the_id_in_the_row_and_a_new_consent_adopts_it(stage: Stage) -> None:
    row = stage.add_delegated()
    subscription = stage.subscribe(row)
    assert row.grant is not None
    stage.simulator.world.revoke(row.grant)
    async with stage.operator():
        await stage.status_of(row, lambda status: condition_status(status, "Stalled") == "True", "stalled")
        config = stage.product.config(row.id)
        assert config["webhook_subscription_id"] == subscription.id
        assert config["webhook_expires_at"] is not None
        stage.consent_anew(row)
        status = await stage.ready(row)
    assert status["subscriptionID"] == subscription.id
    assert [found.id for found in stage.live(row)] == [subscription.id]


async def test_an_adoption_that_graph_fails_for_now_is_tried_again_and_makes_no_twin(stage: Stage) -> None:
    row = stage.add_delegated()
    subscription = stage.subscribe(row)
    with SimulatorControl(stage.simulator.control_url) as control:
        fault = await asyncio.to_thread(lambda: control.add_fault("get", status=503, retry_after="1"))
        async with stage.operator():
            await stage.status_of(row, lambda status: status["consecutiveFailures"] > 0, "failed")
            assert stage.product.config(row.id)["webhook_subscription_id"] == subscription.id
            await asyncio.to_thread(control.clear_fault, fault.id)
            stage.request_renewal(row, "now")
            await stage.ready(row)
    assert [found.id for found in stage.live(row)] == [subscription.id]
    assert stage.calls(row, "create") == 0


async def test_a_renewal_that_is_asked_for_is_answered_by_an_adoption_that_fails_and_not_tried_without_end(
    stage: Stage,
) -> None:
    row = stage.add_delegated()
    stage.subscribe(row)
    assert row.grant is not None
    stage.simulator.world.revoke(row.grant)
    async with stage.operator(GRAPHMAIL_TICK_SECONDS="1") as operator:
        status = await stage.status_of(row, lambda status: condition_status(status, "Stalled") == "True", "stalled")
        stage.request_renewal(row, "now")
        after = await stage.status_of(row, lambda status: status.get("lastHandledRenewal") == "now", "answered")
        assert after["consecutiveFailures"] == status["consecutiveFailures"] + 1
        ticked = time.time()
        await eventually(lambda: ticked_since(operator, ticked + 2), "it was looked at again, twice")
        assert stage.resource(row.name)["status"]["consecutiveFailures"] == after["consecutiveFailures"]


async def ticked_since(operator: Running, moment: float) -> bool:
    return (await operator.metric("graphmail_last_tick_timestamp_seconds") or 0.0) > moment
