"""The receiver is turned on for a fleet that lives: each subscription gets its lifecycle URL with the next planned renewal."""

from typing import Any

from support.product import Endpoint
from support.stage import Row, Stage
from support.waiting import eventually

UNASKED = {"GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES": "0"}
DUE = {"MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD_MINUTES": str(110 * 60)}


def spec_of(stage: Stage, row: Row) -> dict[str, Any]:
    return dict((stage.resource(row) or {})["spec"])


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
