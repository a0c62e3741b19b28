import time

import pytest

from support.waiting import eventually

WEEK_MINUTES = 10_080
NEWEST = "messages?$top=1&$select=receivedDateTime&$orderby=receivedDateTime desc"


@pytest.fixture
async def subscribed(simulator, house, webhook):
    for mailbox in (house.ann, house.bob):
        simulator.world.add_subscription(
            mailbox, house.app, notification_url=webhook.url, minutes=100 * WEEK_MINUTES, client_state="hush"
        )


@pytest.mark.usefixtures("subscribed")
async def test_mail_that_arrives_by_itself_is_really_posted(simulator, house, webhook, control):
    def work(client):
        made = client.start_traffic(seed=5, profile="machine", per_week=70)
        client.advance(days=1)
        return made, client.traffic()

    made, now = await control(work)
    assert [(one.mailbox, one.folder) for one in made] == [(house.ann.upn, "inbox"), (house.bob.upn, "inbox")]
    arrived = sum(one.arrived for one in now)
    assert 8 < arrived < 35
    await eventually(lambda: len(webhook.received) == arrived, "every message is told of")
    told = {body["value"][0]["resourceData"]["id"] for body in webhook.received}
    assert told == {message.id for mailbox in (house.ann, house.bob) for message in mailbox.messages}


@pytest.mark.usefixtures("subscribed")
async def test_time_alone_lets_mail_arrive(simulator, webhook, control):
    """Nobody calls the simulator: the clock jumps, and the notification comes."""
    await control(lambda client: client.start_traffic(seed=5, profile="machine", per_week=70))
    simulator.clock.advance(86_400)
    await eventually(lambda: webhook.received, "mail arrives")


@pytest.mark.usefixtures("subscribed")
async def test_in_the_accounting_mode_nothing_is_posted_and_the_newest_deliveries_are_read_in_bulk(
    simulator, graph, house, webhook, control
):
    def work(client):
        client.change_settings(deliveries="account", delivery_delay_seconds=[30, 90], access_token_minutes=99_999)
        client.start_traffic(seed=5, profile="machine", per_week=700)
        client.start_traffic(mailbox=house.bob.upn, per_week=0)
        client.advance(days=2)
        lines = client.delivered()
        client.send_message(house.bob.upn)
        client.advance(minutes=2)
        return lines, client.delivered(since=lines[0].delivered_at, mailbox=house.bob.upn), client.deliveries()

    (hers,), (his,), deliveries = await control(work)
    assert (hers.mailbox, hers.folder, his.mailbox, his.count) == (house.ann.upn, "inbox", house.bob.upn, 1)
    assert 30 <= (hers.delivered_at - hers.received_at).total_seconds() <= 90
    assert (webhook.received, deliveries) == ([], [])
    graph = graph.as_caller(simulator.world.app_token(house.app, house.tenant.id)[0])
    (newest,) = (await graph.call("GET", f"{house.inbox.removesuffix('/messages')}/{NEWEST}")).body["value"]
    assert newest["receivedDateTime"] >= hers.received_at.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.usefixtures("subscribed")
async def test_the_last_delivery_is_told_in_the_posting_mode_too(house, control):
    def work(client):
        client.send_message(house.ann.upn)
        client.advance(minutes=1)
        first = client.delivered()
        client.send_message(house.ann.upn)
        return first, client.delivered(since=first[0].delivered_at), client.delivered(tenant=house.tenant.id)

    (first,), (second,), (same,) = await control(work)
    assert (first.count, second.count, second) == (1, 2, same)
    assert (second.delivered_at - first.delivered_at).total_seconds() == 60


@pytest.mark.usefixtures("subscribed")
async def test_stopped_mail_no_longer_arrives(house, webhook, control):
    def work(client):
        client.start_traffic(per_week=700)
        return client.stop_traffic(mailbox=house.ann.upn), client.stop_traffic(), client.traffic()

    assert await control(work) == (1, 1, [])


@pytest.mark.usefixtures("subscribed")
async def test_a_month_of_two_hundred_mailboxes_is_cheap(simulator, house, control):
    """Up to some 20 mails a day each: what a soak lets pass in 25 minutes costs seconds of this one's processor."""
    for number in range(200):
        mailbox = simulator.world.add_mailbox(house.tenant.id, f"user{number}@contoso.example.com")
        simulator.world.add_subscription(mailbox, house.app, notification_url="https://x", minutes=9 * WEEK_MINUTES)

    def work(client):
        client.change_settings(deliveries="account", delivery_delay_seconds=[5, 120])
        client.start_traffic(seed=1)
        spent = time.process_time()
        for _ in range(30):
            client.advance(days=1)
        spent = time.process_time() - spent
        return spent, client.traffic(), client.delivered()

    spent, streams, lines = await control(work)
    arrived = sum(one.arrived for one in streams)
    assert arrived > 20_000
    assert sum(line.count for line in lines) == pytest.approx(arrived, abs=200)
    assert min(one.per_week for one in streams) < 4
    assert spent / arrived < 0.001
