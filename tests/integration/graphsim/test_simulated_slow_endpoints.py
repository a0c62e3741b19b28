import pytest
from aiohttp import web

from support.waiting import eventually

NOON = 1_795_521_600.0


@pytest.fixture
async def subscription(graph, house, webhook):
    lifecycle = f"{webhook.base}/lifecycle"
    return (await graph.subscribe(house.inbox, webhook.url, lifecycleNotificationUrl=lifecycle)).body["id"]


@pytest.fixture
def slow(simulator, webhook):
    """Makes answers slow by another measure: one of no length at all counts as slow while `slow` says so."""

    def set_slow(value):
        simulator.world.settings.slow_answer_seconds = 0.000_001 if value else 10.0

    simulator.world.settings.slow_least_answers = 4
    return set_slow


async def send(control, mailbox, count=1):
    return await control(lambda client: [client.send_message(mailbox.upn).deliveries[0].state for _ in range(count)])


async def test_notifications_to_a_slow_endpoint_are_dropped_for_ten_minutes_and_are_gone(
    simulator, house, webhook, subscription, slow, control
):
    assert await send(control, house.ann, 3) == ["delivered"] * 3
    slow(True)
    assert await send(control, house.ann, 3) == ["delivered", "dropped", "dropped"]
    slow(False)
    (state,) = await control(lambda client: client.endpoints())
    assert (state.endpoint, state.state, state.dropped) == (webhook.base, "dropping", 2)
    assert state.dropping_until.timestamp() == NOON + 600
    simulator.clock.advance(599)
    assert await send(control, house.ann) == ["dropped"]
    assert len(webhook.received) == 4
    simulator.clock.advance(1)
    assert await send(control, house.ann) == ["delivered"]
    await eventually(lambda: len(webhook.received) == 6, "one more message, and what was missed, are told of")
    (state,) = await control(lambda client: client.endpoints())
    assert (state.state, state.dropped) == ("well", 3)


async def test_a_subscription_that_lost_something_is_told_that_it_missed_it(
    simulator, graph, house, webhook, subscription, slow, control
):
    other = await graph.subscribe(house.bobs_inbox, webhook.url, lifecycleNotificationUrl=webhook.url)
    assert other.status == 201
    slow(True)
    await send(control, house.ann, 6)
    slow(False)
    before = len(webhook.received)
    simulator.clock.advance(600)
    await eventually(lambda: len(webhook.received) > before, "it is told")
    (told,) = webhook.received[before:]
    assert [(one["subscriptionId"], one["lifecycleEvent"]) for one in told["value"]] == [(subscription, "missed")]


@pytest.mark.usefixtures("subscription")
async def test_a_retry_that_falls_into_the_dropping_is_gone_too(simulator, house, webhook, slow, control):
    async def failing(_request):
        return web.Response(status=503)

    taking, webhook.on_notification = webhook.on_notification, failing
    assert await send(control, house.ann) == ["retrying"]
    webhook.on_notification = taking
    slow(True)
    await send(control, house.ann, 3)
    simulator.clock.advance(10)
    first = simulator.notifier.deliveries[0]
    await eventually(lambda: first.state == "dropped", "the retry is dropped")
    assert len(first.attempts) == 1


@pytest.mark.parametrize("where", ["setting", "mailbox"])
async def test_a_delayed_notification_comes_late_and_not_before(
    simulator, house, webhook, subscription, control, where
):
    def work(client):
        if where == "setting":
            client.change_settings(delivery_delay_seconds=[120, 120])
        else:
            client.change_mailbox(house.ann.upn, delivery_delay_seconds=(120, 120))
        return client.send_message(house.ann.upn)

    sent = await control(work)
    assert [(one.state, one.attempts) for one in sent.deliveries] == [("waiting", [])]
    simulator.clock.advance(119)
    delivery = simulator.notifier.deliveries[0]
    assert (delivery.state, webhook.received) == ("waiting", [])
    simulator.clock.advance(1)
    await eventually(lambda: delivery.state == "delivered", "it is delivered")
    assert [one.at - NOON for one in delivery.attempts] == [120]


async def test_other_mailboxes_are_not_delayed(house, webhook, graph, control):
    await graph.subscribe(house.bobs_inbox, webhook.url)

    def work(client):
        client.change_mailbox(house.ann.upn, delivery_delay_seconds=(120, 120))
        return client.send_message(house.bob.upn).delivered

    assert await control(work) == 1
