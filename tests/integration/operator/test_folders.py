"""Several folders, where the product's route knows one subscription of a provider (design, rule 12)."""

from support.stage import Stage


async def test_only_the_first_folder_is_subscribed_and_the_others_say_that_they_cannot_be_delivered(
    stage: Stage,
) -> None:
    several = stage.add_delegated({"folder_filters": '["archive", "inbox", "junkemail"]'})
    none = stage.add_app_only({"folder_filters": "[]"})
    async with stage.operator():
        status = await stage.ready(several)
        inbox = await stage.ready(none)
    [subscription] = stage.live(several)
    first, *others = status["subscriptions"]
    assert subscription.resource == "/me/mailFolders('archive')/messages"
    assert (first["folder"], first["state"], first["subscriptionID"]) == ("archive", "Active", subscription.id)
    assert [(other["folder"], other["state"]) for other in others] == [
        ("inbox", "NotDeliverable"),
        ("junkemail", "NotDeliverable"),
    ]
    assert not any("subscriptionID" in other for other in others)
    assert stage.product.config(several.id)["webhook_subscription_id"] == subscription.id
    assert [folder["folder"] for folder in inbox["subscriptions"]] == ["inbox"]
