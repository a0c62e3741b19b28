"""Operator, receiver, product and Graph: mail arrives through the receiver, and Graph is told where to say what happens."""

import aiohttp

from graphmail.receiver.reading import read_entries
from graphmail.resource.names import ANNOTATION_LIFECYCLE
from support.receiving import Ingress, lifecycle, posted
from support.reception import receiver, switched_on
from support.stage import Row, Stage, condition_status
from support.waiting import eventually


async def delivers_to(stage: Stage, row: Row, url: str) -> None:
    """The one subscription of that mailbox does, and row and status name it."""

    def settled() -> bool:
        live = stage.live(row)
        return len(live) == 1 and live[0].notification_url.startswith(f"{url}?gms=")

    await eventually(settled, f"the one subscription delivers to {url}")
    await stage.covered_once(row)


async def test_mail_reaches_the_product_through_the_receiver_and_its_time_the_row(
    stage: Stage, ingress: Ingress
) -> None:
    row, on = stage.add_delegated(), switched_on(stage, ingress)
    async with receiver(stage, ingress, **on), stage.operator(**on):
        await stage.ready(row)
        await delivers_to(stage, row, f"{ingress.url}/notifications")
        assert stage.live(row)[0].lifecycle_url == f"{ingress.url}/lifecycle"
        await stage.arrive(row)
        [notification] = await eventually(lambda: stage.endpoint.notifications, "the product has it")
        assert notification["subscriptionId"] == stage.live(row)[0].id
        await eventually(
            lambda: [health["last_notification_received_at"] for health in stage.product.health(row.id)] != [None],
            "the row says when it came",
        )
    assert stage.endpoint.handshakes == []


async def test_without_a_database_of_the_receiver_s_own_the_operator_hears_of_it_by_the_annotation(
    stage: Stage, ingress: Ingress
) -> None:
    row, on = stage.add_delegated(), switched_on(stage, ingress)
    soon = {"GRAPHMAIL_MIRROR_COMPARE_SECONDS": "5", "GRAPHMAIL_MIRROR_POLL_SECONDS": "4"}
    async with receiver(stage, ingress, **on, GRAPHMAIL_DATABASE_URL=""), stage.operator(**on, **soon):
        await stage.ready(row)
        await delivers_to(stage, row, f"{ingress.url}/notifications")
        await stage.arrive(row)
        await stage.status_of(row, lambda status: condition_status(status, "Delivering") == "True", "delivered")
    assert {health["last_notification_received_at"] for health in stage.product.health(row.id)} <= {None}


async def test_what_graph_tells_of_a_subscription_stands_at_its_resource(stage: Stage, ingress: Ingress) -> None:
    row, on = stage.add_delegated({"webhook_verification_token": "state"}), switched_on(stage, ingress, forwards=False)
    async with receiver(stage, ingress, **on), stage.operator(**on):
        status = await stage.ready(row)
        [subscription] = stage.live(row)
        assert subscription.notification_url.startswith(stage.endpoint.url)
        body = posted(lifecycle(subscription.id, "missed", subscription.client_state))

        async def told() -> bool:
            async with aiohttp.ClientSession() as session, session.post(f"{ingress.target}/lifecycle", data=body) as ok:
                assert ok.status == 202
            annotations = (stage.resource(row) or {})["metadata"]["annotations"]
            return set(read_entries(annotations.get(ANNOTATION_LIFECYCLE))) == {status["subscriptionID"]}

        await eventually(told, "the event stands at the resource")


async def test_switching_it_on_and_off_again_leaves_every_mailbox_covered_once(stage: Stage, ingress: Ingress) -> None:
    row, made_by_product = stage.add_delegated(), stage.add_delegated({"webhook_verification_token": "state"})
    on = switched_on(stage, ingress)
    async with stage.operator():
        await stage.covered_once(row)
    stage.subscribe(made_by_product)
    async with receiver(stage, ingress, **on):
        async with stage.operator(**on):
            for each in (row, made_by_product):
                await delivers_to(stage, each, f"{ingress.url}/notifications")
        async with stage.operator():
            for each in (row, made_by_product):
                await delivers_to(stage, each, stage.endpoint.url + stage.endpoint.path)
