"""Where Graph refuses a twin, what cannot be renewed is deleted and made anew at once: it is never adopted (design, rule 2)."""

import asyncio

from graphsim.client import SimulatorControl
from support.stage import Stage


async def test_a_subscription_that_cannot_be_renewed_is_replaced_though_graph_refuses_its_twin(stage: Stage) -> None:
    row = stage.add_delegated()
    doomed = stage.subscribe(row)

    def prepare() -> None:
        with SimulatorControl(stage.simulator.control_url) as control:
            control.change_settings(duplicates="refuse")
            control.add_fault("patch", answer="patch-refused", subscription=doomed.id)

    await asyncio.to_thread(prepare)
    async with stage.operator():
        await stage.ready(row)
        stage.request_renewal(row, "now")
        status = await stage.status_of(row, lambda status: status["lastHandledRenewal"] == "now", "handled")
    [held] = stage.live(row)
    assert status["subscriptionID"] == stage.product.config(row.id)["webhook_subscription_id"] == held.id != doomed.id
