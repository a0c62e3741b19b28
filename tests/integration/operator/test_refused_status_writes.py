"""The API server refuses to write a status: the mailbox is kept alive all the same, and the status follows (design, rule 5)."""

from typing import Any

import pytest

from graphmail.resource.moments import write_time
from support.apiproxy import ApiProxy, Refusal
from support.due import BY_TICKS, renewed_again
from support.stage import Row, Stage
from support.waiting import eventually

ANSWERS: dict[str, dict[str, Any]] = {
    "a conflict": {"status": 409},
    "a conflict after the write": {"status": 409, "after": True},
    "a body that is refused": {"status": 422},
    "a right that is missing": {"status": 403},
    "too many requests": {"status": 429, "headers": {"Retry-After": "1"}},
    "an error": {"status": 500},
    "an error after the write": {"status": 500, "after": True},
}


def shown(stage: Stage, row: Row, status: dict[str, Any]) -> bool:
    [subscription] = stage.live(row)
    config = stage.product.config(row.id)
    return bool(
        status["expirationTime"] == write_time(config["webhook_expires_at"])
        and status["subscriptionID"] == config["webhook_subscription_id"] == subscription.id
    )


async def test_a_mailbox_whose_status_cannot_be_written_is_renewed_each_time_it_is_due_and_shown_afterwards(
    stage: Stage, proxy: ApiProxy, subtests: pytest.Subtests
) -> None:
    rows = {says: stage.add_app_only() for says in ANSWERS}
    async with stage.operator(**BY_TICKS):
        before = {says: (await stage.ready(row))["expirationTime"] for says, row in rows.items()}
        refusals = {says: proxy.refuse("patch/status", name=rows[says].name, **how) for says, how in ANSWERS.items()}
        for _ in range(2):
            await renewed_again(stage, *rows.values())
        await every_one_hit(refusals)
        proxy.relent()
        for says, row in rows.items():
            with subtests.test(says):
                status = await stage.status_of(row, lambda status, row=row: shown(stage, row, status), "shown")
                assert status["expirationTime"] > before[says]
        await renewed_again(stage, *rows.values())
        for says, row in rows.items():
            with subtests.test(says):
                await stage.status_of(row, lambda status, row=row: shown(stage, row, status), "shown again")
                assert (stage.calls(row, "create"), stage.calls(row, "delete")) == (1, 0)


async def every_one_hit(refusals: dict[str, Refusal]) -> None:
    for says, refusal in refusals.items():
        await eventually(lambda refusal=refusal: refusal.hits, f"{says} was met")


async def test_what_is_created_while_no_status_can_be_written_is_created_once(
    stage: Stage, proxy: ApiProxy, subtests: pytest.Subtests
) -> None:
    rows = {says: stage.add_app_only() for says in ANSWERS}
    refusals = {says: proxy.refuse("patch/status", name=rows[says].name, **how) for says, how in ANSWERS.items()}
    async with stage.operator(**BY_TICKS):
        for row in rows.values():
            await eventually(lambda row=row: stage.calls(row, "get"), "it is made, and looked after")
        await every_one_hit(refusals)
    async with stage.operator(**BY_TICKS):
        proxy.relent()
        for says, row in rows.items():
            with subtests.test(says):
                await stage.covered_once(row)
                assert (stage.calls(row, "create"), stage.calls(row, "delete")) == (1, 0)


async def test_a_conflict_is_not_taken_for_a_namesake_by_the_name_of_the_mailbox(stage: Stage, proxy: ApiProxy) -> None:
    row = stage.add_app_only()
    message = f'Operation cannot be fulfilled on graphmailsubscriptions.graphmail.dev "guido-{row.name}": the object has been modified'
    async with stage.operator(**BY_TICKS):
        await stage.ready(row)
        refusal = proxy.refuse("patch/status", 409, name=row.name, times=1, message=message)
        await renewed_again(stage, row)
        await stage.status_of(row, lambda status: shown(stage, row, status), "shown")
        await renewed_again(stage, row)
    assert refusal.hits == 1


async def test_one_status_that_is_answered_with_an_error_stops_nothing_for_the_others(
    stage: Stage, proxy: ApiProxy
) -> None:
    """Were the API server taken to be away, nothing could be created."""
    refused = stage.add_app_only()
    async with stage.operator(**BY_TICKS) as operator:
        await stage.ready(refused)
        refusal = proxy.refuse("patch/status", 503, name=refused.name)
        await renewed_again(stage, refused)
        await eventually(lambda: refusal.hits, "it is refused")
        for _ in range(3):
            await stage.ready(stage.add_app_only())
            assert await operator.metric("graphmail_store_up", store="kubernetes") == 1
        tried = refusal.hits
        await renewed_again(stage, refused)
        await eventually(lambda: refusal.hits > tried, "it is tried again")
        proxy.relent()
        await stage.status_of(refused, lambda status: shown(stage, refused, status), "shown")
