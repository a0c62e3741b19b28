"""What is left behind when nobody can sign in any more (design, rule 10)."""

from support.hand import Hand
from support.stage import Stage
from support.waiting import eventually


async def test_without_any_credential_the_subscription_is_abandoned_and_recorded(stage: Stage) -> None:
    gone, other = stage.add_app_only(), stage.add_app_only()
    async with stage.operator():
        status = await stage.ready(gone)
        await stage.ready(other)
    stage.product.delete_provider(gone.id)
    async with stage.operator(GRAPHMAIL_ABANDON_AFTER_MINUTES="0") as operator:
        await eventually(lambda: stage.resource(gone) is None, "the resource is let go")
        await eventually(lambda: "Abandoned" in stage.event_reasons(gone), "an Abandoned event")
        await operator.metric_is(1, "graphmail_abandoned_total")
    [left] = stage.live(gone)
    [record] = stage.product.run("SELECT * FROM graphmail.abandoned")
    assert (str(record["tenant"]), str(record["provider_id"])) == (gone.tenant, gone.id)
    assert record["subscription_id"] == left.id == status["subscriptionID"]
    assert abs(record["expires_at"].timestamp() - left.expires_at) < 1
    assert stage.calls(gone, "delete") == 0
    assert len(stage.live(other)) == 1


async def test_each_folder_of_a_resource_by_hand_is_recorded_as_well(stage: Stage) -> None:
    hand = Hand(stage)
    hand.app_only_secret("own")
    hand.write("own", folders=["inbox", "archive"])
    settings = {"GRAPHMAIL_MULTI_FOLDER": "true", "GRAPHMAIL_ABANDON_AFTER_MINUTES": "0"}
    async with stage.operator(**settings):
        await eventually(lambda: len(hand.live("own")) == 2, "both folders are subscribed")
        await stage.status_of(
            "own", lambda status: all(row["subscriptionID"] for row in status["subscriptions"]), "told"
        )
    stage.kubectl("delete", "secret", "own")
    stage.kubectl("delete", "gms", "own", "--wait=false")
    async with stage.operator(**settings):
        await eventually(lambda: stage.resource("own") is None, "the resource is let go")
    records = stage.product.run("SELECT subscription_id, expires_at FROM graphmail.abandoned")
    assert {record["subscription_id"] for record in records} == {left.id for left in hand.live("own")}
    assert all(record["expires_at"] for record in records)
