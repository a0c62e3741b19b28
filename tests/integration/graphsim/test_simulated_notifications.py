import pytest
from aiohttp import web

from support.waiting import eventually

NOON = 1_795_521_600.0
DAY = 1_440


@pytest.fixture
async def subscription(graph, house, webhook):
    return (await graph.subscribe(house.inbox, webhook.url, clientState="hush")).body


async def send(simulator, mailbox, folder="inbox"):
    message = simulator.world.receive_message(mailbox, folder)
    return message, await simulator.notifier.announce(mailbox, message)


async def test_a_message_that_arrives_is_really_posted(simulator, house, webhook, subscription):
    message, deliveries = await send(simulator, house.ann)
    assert [one.state for one in deliveries] == ["delivered"]
    assert webhook.queries == ["gms=one.two%2Fthree"]
    resource = f"Users/{house.ann.user_id}/Messages/{message.id}"
    assert webhook.received == [
        {
            "value": [
                {
                    "subscriptionId": subscription["id"],
                    "subscriptionExpirationDateTime": subscription["expirationDateTime"],
                    "changeType": "created",
                    "resource": resource,
                    "resourceData": {
                        "@odata.type": "#Microsoft.Graph.Message",
                        "@odata.id": resource,
                        "@odata.etag": webhook.received[0]["value"][0]["resourceData"]["@odata.etag"],
                        "id": message.id,
                    },
                    "clientState": "hush",
                    "tenantId": house.tenant.id,
                }
            ]
        }
    ]


async def test_only_subscriptions_on_the_folder_or_the_whole_mailbox_hear_of_it(simulator, graph, house, webhook):
    everything = await graph.subscribe(f"/users/{house.ann.user_id}/messages", webhook.url)
    await graph.subscribe(house.inbox, webhook.url)
    await graph.subscribe(house.bobs_inbox, webhook.url)
    deleted = await graph.subscribe(f"/users/{house.ann.user_id}/messages", webhook.url, changeType="deleted")
    assert deleted.status == 201
    _message, deliveries = await send(simulator, house.ann, "archive")
    assert [one.subscription_id for one in deliveries] == [everything.body["id"]]


@pytest.mark.usefixtures("subscription")
async def test_an_expired_subscription_delivers_nothing(simulator, house, webhook):
    simulator.clock.advance(DAY * 60)
    _message, deliveries = await send(simulator, house.ann)
    assert (deliveries, webhook.received) == ([], [])


@pytest.mark.usefixtures("subscription")
async def test_a_failing_endpoint_is_tried_again_until_it_takes_the_notification(simulator, house, webhook):
    statuses = iter([503, 500])

    async def failing_twice(_request):
        return web.Response(status=next(statuses, 202))

    webhook.on_notification = failing_twice
    _message, (delivery,) = await send(simulator, house.ann)
    assert delivery.state == "retrying"
    simulator.clock.advance(10)
    await eventually(lambda: len(delivery.attempts) == 2, "the second attempt is made")
    simulator.clock.advance(30)
    await eventually(lambda: delivery.state == "delivered", "the third attempt is taken")
    assert [(one.at - NOON, one.status) for one in delivery.attempts] == [(0, 503), (10, 500), (40, 202)]


@pytest.mark.usefixtures("subscription")
async def test_a_refusal_is_final(simulator, house, webhook):
    async def refuse(_request):
        return web.Response(status=404)

    webhook.on_notification = refuse
    _message, (delivery,) = await send(simulator, house.ann)
    assert (delivery.state, [one.status for one in delivery.attempts]) == ("refused", [404])


@pytest.mark.usefixtures("subscription")
async def test_a_slow_endpoint_counts_as_failing_and_is_given_up_in_the_end(simulator, house, webhook):
    async def slow(_request):
        await webhook.hold.wait()
        return web.Response()

    webhook.on_notification = slow
    settings = simulator.world.settings
    settings.notification_limit_seconds, settings.notification_retry_seconds = 0.05, (10,)
    _message, (delivery,) = await send(simulator, house.ann)
    assert (delivery.state, delivery.attempts[0].error) == ("retrying", "timed out")
    simulator.clock.advance(10)
    await eventually(lambda: delivery.state == "given-up", "the last attempt fails")
    assert len(delivery.attempts) == 2


@pytest.mark.usefixtures("subscription")
async def test_ending_the_simulator_ends_its_retries(simulator, house, webhook):
    async def failing(_request):
        return web.Response(status=503)

    webhook.on_notification = failing
    await send(simulator, house.ann)
    await simulator.notifier.forget()
    assert simulator.notifier.deliveries.maxlen
    assert not simulator.notifier.deliveries
    assert not simulator.notifier._tasks
