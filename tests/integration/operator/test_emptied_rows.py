"""A row that names no subscription any more, though there is one (design, rule 3: an id is never lost)."""

from support.stage import Stage
from support.waiting import eventually


async def test_a_row_that_has_lost_its_subscription_gets_it_back(stage: Stage) -> None:
    """The product finds a provider by that id: without it, it drops every notification."""
    row = stage.add_app_only()
    async with stage.operator(GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES="0.01"):
        living = await stage.covered_once(row)
        stage.product.set_config(row.id, webhook_subscription_id=None, webhook_expires_at=None)
        await eventually(
            lambda: stage.product.config(row.id)["webhook_subscription_id"] == living, "the row names it again"
        )
    assert stage.calls(row, "create") == 1
