import pytest

DAY = 1_440


@pytest.fixture
async def subscription(graph, house, webhook):
    return (await graph.subscribe(house.inbox, webhook.url, lifecycleNotificationUrl=webhook.url)).body["id"]


async def test_a_silent_subscription_is_alive_in_every_answer_and_delivers_nothing(
    graph, house, webhook, subscription, control
):
    def work(client):
        client.silence(subscription)
        sent = client.send_message(house.ann.upn)
        skipped = client.send_lifecycle({"event": "missed", "mailbox": house.ann.upn})
        return sent.deliveries, skipped, client.subscriptions()

    deliveries, skipped, (shown,) = await control(work)
    assert (deliveries, skipped, webhook.received, shown.delivers) == ([], [], [], False)
    assert (await graph.call("GET", f"/subscriptions/{subscription}")).status == 200
    assert [one["id"] for one in (await graph.call("GET", "/subscriptions")).body["value"]] == [subscription]
    assert (await graph.renew(subscription, 2 * DAY)).status == 200
    sent = await control(lambda client: client.send_message(house.ann.upn))
    assert sent.deliveries == []


async def test_the_account_says_how_long_it_was_and_that_the_dead_one_was_replaced(
    simulator, graph, house, webhook, subscription, control
):
    await control(lambda client: client.silence(subscription))
    simulator.clock.advance(90 * 60)
    token = simulator.world.app_token(house.app, house.tenant.id)[0]
    graph = graph.as_caller(token)
    fresh = (await graph.subscribe(house.inbox, webhook.url)).body["id"]
    assert (await graph.call("DELETE", f"/subscriptions/{subscription}")).status == 204
    healthy = (await graph.subscribe(house.inbox, webhook.url)).body["id"]
    assert (await graph.call("DELETE", f"/subscriptions/{fresh}")).status == 204
    account = await control(lambda client: client.silences(mailbox=house.ann.upn))
    (death,) = account.deaths
    assert (death.subscription_id, death.how, death.replaced_by, death.minutes) == (subscription, "replaced", fresh, 90)
    assert [(one.old_id, one.new_id, one.healthy) for one in account.replacements] == [
        (subscription, fresh, False),
        (fresh, healthy, True),
    ]
    assert (await control(lambda client: client.silences(mailbox=house.bob.upn))).deaths == []


async def test_a_share_dies_within_the_next_hours_and_the_seed_decides_which(simulator, house, control):
    ids = [
        simulator.world.add_subscription(
            mailbox, house.app, notification_url="https://hook.example.com", minutes=10_000, folder=None
        ).id
        for mailbox in (house.ann, house.bob)
        for _ in range(20)
    ]

    def work(client):
        planned = client.silence(share=0.25, seed=3, within_hours=48)
        client.advance(hours=24)
        half = len(client.silences().deaths)
        client.advance(hours=24)
        deaths = client.silences().deaths
        mended = client.mend()
        return planned, half, deaths, mended, client.silence(share=0.25, seed=3)

    planned, half, deaths, mended, again = await control(work)
    assert len(planned) == 10
    assert 0 < half < 10
    assert [one.subscription_id for one in deaths] == [
        one.subscription_id for one in sorted(planned, key=lambda one: one.at)
    ]
    assert [one.began_at for one in deaths] == sorted(one.at for one in planned)
    assert {one.subscription_id for one in planned} <= set(ids)
    assert (mended, {one.subscription_id for one in again}) == (10, {one.subscription_id for one in planned})


async def test_new_subscriptions_may_be_born_dead(simulator, graph, house, webhook, control):
    simulator.world.settings.silent_share = 1.0
    made = (await graph.subscribe(house.inbox, webhook.url)).body["id"]
    assert (await graph.call("GET", f"/subscriptions/{made}")).status == 200
    (death,) = (await control(lambda client: client.silences())).deaths
    assert (death.subscription_id, death.how, death.minutes) == (made, None, None)


async def test_a_mended_subscription_delivers_again(house, webhook, subscription, control):
    def work(client):
        client.silence(subscription)
        client.send_message(house.ann.upn)
        client.mend(subscription)
        return client.send_message(house.ann.upn).delivered, client.silences().deaths

    delivered, (death,) = await control(work)
    assert (delivered, len(webhook.received), death.how, death.undelivered) == (1, 1, "mended", 1)
