"""A resource is deleted and made anew under its name while work on it runs: what came of the work is not the new one's."""

from support.hand import Hand
from support.stage import Stage
from support.waiting import eventually


async def test_what_was_made_for_a_resource_is_not_written_into_a_namesake_that_was_made_meanwhile(
    stage: Stage,
) -> None:
    hand = Hand(stage)
    hand.app_only_secret("own")
    hand.write("own")
    stage.endpoint.validating.clear()
    async with stage.operator(GRAPHMAIL_LEASE_SECONDS="60"):  # it stands still while kubectl runs three times in a row
        await eventually(lambda: stage.endpoint.waiting, "Graph is making the subscription")
        first = stage.resource("own")
        assert first is not None
        stage.kubectl("patch", "gms", "own", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
        stage.kubectl("delete", "gms", "own")
        spec = first["spec"] | {"mailbox": hand.mailbox("other"), "providerID": "other"}
        metadata = {"name": "own", "namespace": stage.namespace}
        hand.apply({"apiVersion": first["apiVersion"], "kind": first["kind"], "metadata": metadata, "spec": spec})
        stage.endpoint.validating.set()
        status = await stage.ready("own")
        [subscription] = hand.live("other")
        assert status["subscriptionID"] == subscription.id
