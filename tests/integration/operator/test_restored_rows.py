"""A row that is older than what Graph has, as after a restore of Postgres, is brought up to date (design, rule 3)."""

import uuid

from support.stage import Row, Stage, condition_status
from support.waiting import eventually


def id_in_row(stage: Stage, row: Row) -> str | None:
    return stage.product.config(row.id)["webhook_subscription_id"]


async def test_a_row_that_names_a_subscription_of_the_past_gets_the_living_one(stage: Stage) -> None:
    row = stage.add_app_only()
    async with stage.operator():
        living = await stage.covered_once(row)
        stage.product.set_config(row.id, webhook_subscription_id=str(uuid.uuid4()))
        await eventually(lambda: id_in_row(stage, row) == living, "the row names the living one")
        status = await stage.ready(row)
    assert condition_status(status, "Stalled") is None
    assert await stage.covered_once(row) == living
    assert stage.calls(row, "create", "patch", "delete") == 1
