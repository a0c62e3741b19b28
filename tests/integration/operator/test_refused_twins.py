"""Where Graph refuses a twin, what cannot be renewed is deleted first, and never adopted again (design, rule 2)."""

from support.stage import Stage
from support.waiting import eventually


async def test_a_mailbox_stays_covered_where_graph_refuses_a_twin_of_what_cannot_be_renewed(stage: Stage) -> None:
    stage.simulator.world.settings.duplicates = "refuse"
    row = stage.add_app_only()
    async with stage.operator():
        before = await stage.covered_once(row)
        stage.fault("patch", answer="patch-refused", count=1)
        stage.request_renewal(row, "now")
        await stage.status_of(row, lambda status: status["lastHandledRenewal"] == "now", "handled")
        await eventually(lambda: len(stage.live(row)) == 1, "covered")
        after = await stage.covered_once(row)
    assert after != before
