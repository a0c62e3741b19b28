"""A row whose mailbox changes: its old resource goes while its new one comes, and both write to that row."""

from support.stage import Row, Stage
from support.waiting import eventually


async def test_a_provider_that_moves_to_another_mailbox_is_covered_there_and_no_longer_here(stage: Stage) -> None:
    row = stage.add_app_only()
    async with stage.operator(GRAPHMAIL_MIRROR_COMPARE_SECONDS="5", GRAPHMAIL_MIRROR_POLL_SECONDS="5"):
        await stage.ready(row)
        elsewhere = stage.add_app_only()
        stage.product.delete_provider(elsewhere.id)
        stage.product.set_provider(row.id, mailbox=elsewhere.address)
        moved = Row(row.id, row.tenant, elsewhere.address, elsewhere.mailbox)
        status = await stage.ready(moved)
        await eventually(lambda: stage.resource(row) is None, "the old resource is gone")
        await eventually(lambda: not stage.live(row), "the old mailbox is let go")
        assert stage.product.config(row.id)["webhook_subscription_id"] == status["subscriptionID"]
    assert [found.id for found in stage.live(moved)] == [status["subscriptionID"]]
