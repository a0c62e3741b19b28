"""The receiver is turned on for a fleet that lives: each subscription gets its lifecycle URL with the next planned renewal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from graphmail.receiver import receive
from graphmail.receiver.running import Manners
from graphmail.settings import Settings
from localstack.processes import free_port
from support.product import Endpoint
from support.receiving import lifecycle, posted
from support.stage import Row, Stage
from support.waiting import eventually

UNASKED = {"GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES": "0"}
DUE = {"MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD_MINUTES": str(110 * 60)}


def spec_of(stage: Stage, row: Row) -> dict[str, Any]:
    return dict((stage.resource(row) or {})["spec"])


@asynccontextmanager
async def receiver_at_work(stage: Stage) -> AsyncIterator[str]:
    """The URL that it listens at."""
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    own = {
        "GRAPHMAIL_RECEIVER_URL": "https://mail.example.com",
        "GRAPHMAIL_RECEIVER_ADDRESS": "127.0.0.1:0",
        "GRAPHMAIL_METRICS_URL": f"http://127.0.0.1:{free_port()}/metrics",
    }
    settings = Settings.load(stage.environment | own)
    task = asyncio.create_task(
        receive(settings, stop, manners=Manners(farewell_seconds=0.0), listening=port.set_result)
    )
    try:
        yield f"http://127.0.0.1:{await port}"
    finally:
        stop.set()
        await task


async def test_what_lives_is_replaced_when_its_renewal_is_due_and_not_before(stage: Stage) -> None:
    row, new = stage.add_app_only(), stage.add_app_only()
    kept = stage.subscribe(row, hours=100)
    own = stage.endpoint
    async with Endpoint(own.certificate, own.key, path="/lifecycle") as receiver:
        on = {"GRAPHMAIL_RECEIVER_URL": receiver.url}
        async with stage.operator(**UNASKED, **on):
            await stage.ready(new)
            await stage.status_of(row, lambda status: status["observedGeneration"] == 1, "the change is known")
            assert spec_of(stage, row)["lifecycleNotificationURL"] == f"{receiver.url}/lifecycle"
            assert await stage.covered_once(row) == kept.id
        async with stage.operator(**UNASKED, **on, **DUE):
            await stage.status_of(row, lambda status: status["subscriptionID"] != kept.id, "replaced")
            await eventually(lambda: len(stage.live(row)) == 1, "the old one is gone")
            made = await stage.covered_once(row)
    assert stage.live(row)[0].lifecycle_url == stage.live(new)[0].lifecycle_url == f"{receiver.url}/lifecycle"
    assert (stage.calls(row, "create"), stage.calls(row, "patch")) == (1, 0)
    async with stage.operator(**UNASKED):
        await eventually(lambda: "lifecycleNotificationURL" not in spec_of(stage, row), "the receiver is turned off")
        await stage.status_of(row, lambda status: status["observedGeneration"] > 1, "the change is known")
        assert await stage.covered_once(row) == made


async def test_a_receiver_that_cannot_be_reached_costs_no_mailbox_its_cover(stage: Stage) -> None:
    row = stage.add_app_only()
    kept = stage.subscribe(row, hours=100)
    own = stage.endpoint
    async with Endpoint(own.certificate, own.key, path="/lifecycle") as receiver:
        receiver.failing = True
        on = {"GRAPHMAIL_RECEIVER_URL": receiver.url}
        async with stage.operator(**UNASKED, **on, **DUE):
            await stage.status_of(row, lambda status: status["consecutiveFailures"] == 1, "it cannot be replaced")
            assert await stage.covered_once(row) == kept.id
            stage.request_renewal(row, "now")
            await stage.status_of(row, lambda status: status["lastHandledRenewal"] == "now", "renewed")
            assert await stage.covered_once(row) == kept.id
    assert stage.calls(row, "patch") == 1


async def test_what_graph_posts_to_the_receiver_is_mended_by_the_operator(stage: Stage) -> None:
    row = stage.add_app_only({"webhook_verification_token": "from-the-product"})
    async with stage.operator(**UNASKED), receiver_at_work(stage) as url, httpx.AsyncClient(trust_env=False) as graph:
        before = (await stage.ready(row))["subscriptionID"]
        stage.simulator.world.end_subscription(stage.live(row)[0], "dropped")
        body = posted(lifecycle(before, "subscriptionRemoved", "from-the-product"))

        async def mended() -> bool:
            """Until it has heard of the subscription, the receiver takes it for a stranger's."""
            await graph.post(f"{url}/lifecycle", content=body)
            return (stage.resource(row) or {})["status"]["subscriptionID"] != before

        await eventually(mended, "made anew")
        assert await stage.covered_once(row) != before
    assert stage.calls(row, "create") == 2
