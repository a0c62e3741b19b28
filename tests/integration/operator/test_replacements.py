"""What PATCH cannot change: a new subscription takes the old one's place, and no gap opens where Graph lets us avoid it."""

import pytest

from support.hand import Hand
from support.stage import Row, Stage
from support.waiting import eventually


def patch(stage: Stage, row: Row, body: str) -> None:
    stage.kubectl("patch", "gms", row.name, "--type=merge", "-p", body)


async def replaced(stage: Stage, row: Row, before: dict[str, str]) -> dict[str, str]:
    status = await stage.status_of(row, lambda status: status["subscriptionID"] != before["subscriptionID"], "replaced")
    await eventually(lambda: len(stage.live(row)) == 1, "the old one is gone")
    await eventually(lambda: "Replaced" in stage.event_reasons(row), "a Replaced event")
    return status


async def test_other_change_types_are_asked_for_before_the_old_subscription_goes(stage: Stage) -> None:
    row = stage.add_delegated()
    async with stage.operator():
        before = await stage.ready(row)
        patch(stage, row, '{"spec": {"changeTypes": ["created", "updated"]}}')
        after = await replaced(stage, row, before)
    [subscription] = stage.live(row)
    assert subscription.id == after["subscriptionID"]
    assert set(subscription.change_type.split(",")) == {"created", "updated"}
    assert stage.product.config(row.id)["webhook_subscription_id"] == subscription.id
    old = next(one for one in stage.simulator.world.subscriptions.ended if one.id == before["subscriptionID"])
    assert old.ended_at > subscription.created_at


@pytest.mark.parametrize("duplicates", ["accept", "refuse"])
async def test_a_rotated_client_state_is_used_whether_or_not_graph_takes_a_twin(stage: Stage, duplicates: str) -> None:
    stage.simulator.world.settings.duplicates = duplicates
    row = stage.add_delegated({"webhook_verification_token": "before"})
    async with stage.operator() as running:
        before = await stage.ready(row)
        stage.product.set_config(row.id, webhook_verification_token="after")
        after = await replaced(stage, row, before)
        await stage.arrive(row)
        [notification] = await eventually(lambda: stage.endpoint.notifications, "a notification")
        await running.metric_is({"accept": 0, "refuse": 1}[duplicates], "graphmail_gaps_total")
    assert (notification["subscriptionId"], notification["clientState"]) == (after["subscriptionID"], "after")


async def test_a_changed_public_url_is_a_patch(stage: Stage) -> None:
    row = stage.add_delegated()
    async with stage.operator():
        before = await stage.ready(row)
    moved = {"APPLICATION_URL": stage.endpoint.url.replace("localhost", "127.0.0.1")}
    async with stage.operator(**moved):
        await eventually(
            lambda: all("127.0.0.1" in found.notification_url for found in stage.live(row)), "Graph knows the new URL"
        )
    assert [found.id for found in stage.live(row)] == [before["subscriptionID"]]
    assert stage.calls(row, "create") == 1


async def test_another_lifecycle_url_needs_a_new_subscription(stage: Stage) -> None:
    hand = Hand(stage)
    hand.app_only_secret("own")
    hand.write("own")
    url = f"{stage.endpoint.url}{stage.endpoint.path}?lifecycle"
    async with stage.operator():
        before = await stage.ready("own")
        stage.kubectl(
            "patch", "gms", "own", "--type=merge", "-p", f'{{"spec": {{"lifecycleNotificationURL": "{url}"}}}}'
        )
        after = await stage.status_of(
            "own", lambda status: status["subscriptionID"] != before["subscriptionID"], "replaced"
        )
        await eventually(lambda: len(hand.live("own")) == 1, "the old one is gone")
    [found] = hand.live("own")
    assert (found.id, found.lifecycle_url) == (after["subscriptionID"], url)


async def test_a_replaced_one_that_graph_does_not_delete_is_put_on_record(stage: Stage) -> None:
    row = stage.add_delegated()
    adopted = stage.subscribe(row)
    async with stage.operator():
        before = await stage.ready(row)
        assert before["subscriptionID"] == adopted.id
        stage.fault("delete", answer="service-unavailable")
        patch(stage, row, '{"spec": {"changeTypes": ["created", "updated"]}}')
        await stage.status_of(row, lambda status: status["subscriptionID"] != adopted.id, "replaced")
        [record] = await eventually(lambda: stage.product.run("SELECT * FROM graphmail.abandoned"), "on record")
    assert (record["subscription_id"], str(record["provider_id"])) == (adopted.id, row.id)
    assert abs(record["expires_at"].timestamp() - adopted.expires_at) < 1
