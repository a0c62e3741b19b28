"""A row whose mailbox changes: its old resource goes while its new one comes, and both write to that row."""

import pytest

from support.stage import Row, Stage
from support.waiting import eventually

COMPARING_SELDOM = {"GRAPHMAIL_MIRROR_COMPARE_SECONDS": "15", "GRAPHMAIL_MIRROR_POLL_SECONDS": "2.5"}
"""The new resource is made by the cheap question, long before the comparison finds the old one."""


@pytest.mark.parametrize("kind", ["delegated", "app-only"])
async def test_a_provider_that_moves_to_another_mailbox_is_covered_there_and_no_longer_here(
    stage: Stage, kind: str
) -> None:
    row, elsewhere = (
        stage.add_delegated() if kind == "delegated" else stage.add_app_only(),
        stage.add_app_only(),
    )
    stage.product.delete_provider(elsewhere.id)
    async with stage.operator(**COMPARING_SELDOM):
        before = await stage.ready(row)
        stage.product.set_provider(row.id, mailbox=elsewhere.address)
        mailbox = row.mailbox if kind == "delegated" else elsewhere.mailbox  # a user's token reads that user's mail
        moved = Row(row.id, row.tenant, elsewhere.address, mailbox)
        status = await stage.ready(moved)
        await eventually(lambda: stage.resource(row) is None, "the old resource is gone")
        await eventually(lambda: len(stage.live(moved)) == 1, "the old subscription is gone")
        assert stage.product.config(row.id)["webhook_subscription_id"] == status["subscriptionID"]
    assert [found.id for found in stage.live(moved)] == [status["subscriptionID"]]
    assert status["subscriptionID"] != before["subscriptionID"]
    assert stage.product.run("SELECT * FROM graphmail.abandoned") == []


async def test_a_mailbox_that_is_only_spelled_otherwise_is_the_same(stage: Stage) -> None:
    row = stage.add_app_only()
    async with stage.operator():
        before = await stage.ready(row)
        stage.product.set_provider(row.id, mailbox=row.address.upper())
        stage.request_renewal(row, "now")
        after = await stage.status_of(row, lambda status: status["lastHandledRenewal"] == "now", "renewed")
    assert after["subscriptionID"] == before["subscriptionID"]
