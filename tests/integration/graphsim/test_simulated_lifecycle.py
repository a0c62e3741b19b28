import pytest
from aiohttp import web

from graphsim.client import ControlError
from support.waiting import eventually

NOON = 1_795_521_600.0
DAY = 1_440
HOUR = 3_600


@pytest.fixture
async def subscribe(graph, webhook):
    """Makes subscriptions that named the webhook's lifecycle URL; forgets what the webhook got at create."""

    async def make(resource, *, caller=graph, **fields):
        lifecycle = f"{webhook.base}/lifecycle?gms=one.two"
        made = await caller.subscribe(
            resource, webhook.url, clientState="hush", lifecycleNotificationUrl=lifecycle, **fields
        )
        assert made.status == 201
        return made.body

    return make


def events(webhook):
    return [[item["lifecycleEvent"] for item in body["value"]] for body in webhook.received]


async def test_a_lifecycle_notification_says_what_the_contract_says(simulator, house, webhook, subscribe, control):
    made = await subscribe(house.inbox)
    order = {"event": "missed", "subscription": made["id"]}
    (sent,) = await control(lambda client: client.send_lifecycle(order))
    assert (sent.state, [one.status for one in sent.attempts]) == ("delivered", [202])
    assert webhook.queries == ["gms=one.two"]
    item = {
        "subscriptionId": made["id"],
        "subscriptionExpirationDateTime": made["expirationDateTime"],
        "tenantId": house.tenant.id,
        "clientState": "hush",
        "lifecycleEvent": "missed",
    }
    assert webhook.received == [{"value": [item]}]


async def test_items_to_one_url_go_in_one_post_whatever_their_kinds(house, webhook, subscribe, control):
    first, second = await subscribe(house.inbox), await subscribe(house.bobs_inbox)
    orders = [
        {"event": "missed", "mailbox": house.ann.upn},
        {"event": "reauthorizationRequired", "subscription": second["id"]},
        {"event": "subscriptionRemoved", "mailbox": house.bob.upn},
    ]
    (sent,) = await control(lambda client: client.send_lifecycle(*orders))
    assert events(webhook) == [["missed", "reauthorizationRequired", "subscriptionRemoved"]]
    assert [item.subscription_id for item in sent.items] == [first["id"], second["id"], second["id"]]
    listed = await control(lambda client: client.lifecycle(mailbox=house.bob.upn))
    assert listed == [sent]
    assert "hush" not in repr(listed)


async def test_many_items_are_parted_into_several_posts(simulator, graph, house, webhook, control):
    for _ in range(101):
        simulator.world.add_subscription(
            house.ann, house.app, notification_url=webhook.url, minutes=60, lifecycle_url=webhook.base
        )
    await control(lambda client: client.send_lifecycle({"event": "missed", "mailbox": house.ann.upn}))
    assert sorted(len(one) for one in events(webhook)) == [1, 100]


async def test_a_failing_endpoint_gets_it_again(simulator, house, webhook, subscribe, control):
    statuses = iter([503])

    async def failing_once(_request):
        return web.Response(status=next(statuses, 202))

    webhook.on_notification = failing_once
    await subscribe(house.inbox)
    (sent,) = await control(lambda client: client.send_lifecycle({"event": "missed", "mailbox": house.ann.upn}))
    assert sent.state == "retrying"
    simulator.clock.advance(10)
    await eventually(lambda: simulator.notifier.lifecycle[0].state == "delivered", "the second attempt is taken")
    assert events(webhook) == [["missed"], ["missed"]]


async def test_a_removed_subscription_is_gone_and_its_url_is_told(simulator, graph, house, webhook, subscribe, control):
    made = await subscribe(house.inbox)
    await control(lambda client: client.remove_subscription(made["id"]))
    assert (await graph.call("GET", f"/subscriptions/{made['id']}")).status == 404
    await eventually(lambda: events(webhook) == [["subscriptionRemoved"]], "it is told of")
    ended = await control(lambda client: client.ended_subscriptions())
    assert [(one.id, one.reason) for one in ended] == [(made["id"], "removed")]


async def test_a_dropped_subscription_is_told_of_to_nobody(house, webhook, subscribe, control):
    made = await subscribe(house.inbox)
    kept = await subscribe(house.inbox)
    await control(lambda client: client.drop_subscription(made["id"]))
    await control(lambda client: client.remove_subscription(kept["id"]))
    await eventually(lambda: webhook.received, "the removal of the other one is told of")
    assert [body["value"][0]["subscriptionId"] for body in webhook.received] == [kept["id"]]


@pytest.mark.parametrize("by", ["setting", "command"])
async def test_a_revoked_consent_ends_the_users_subscriptions_of_that_app(house, webhook, ann, subscribe, control, by):
    hers = await subscribe("/me/mailFolders('inbox')/messages", caller=ann)
    of_the_app = await subscribe(house.inbox)

    def work(client):
        if by == "setting":
            client.change_settings(revocation_removes=True)
            client.revoke_grant(house.ann.upn)
        else:
            client.revoke_grant(house.ann.upn, reason="consent-removed", removes=True)
        return client.subscriptions()

    assert [one.id for one in await control(work)] == [of_the_app["id"]]
    await eventually(lambda: events(webhook) == [["subscriptionRemoved"]], "it is told of")
    assert webhook.received[0]["value"][0]["subscriptionId"] == hers["id"]


async def test_a_revoked_consent_leaves_subscriptions_alone_when_nothing_is_said(house, ann, subscribe, control):
    await subscribe("/me/mailFolders('inbox')/messages", caller=ann)

    def work(client):
        client.revoke_grant(house.ann.upn)
        return len(client.subscriptions())

    assert await control(work) == 1


async def test_graph_asks_by_itself_and_a_patch_is_an_answer(simulator, graph, house, webhook, subscribe, control):
    await control(lambda client: client.change_settings(reauthorize_before_minutes=60))
    made = await subscribe(house.inbox, minutes=120)
    await control(lambda client: client.advance(hours=1))
    await eventually(lambda: events(webhook) == [["reauthorizationRequired"]], "Graph asks")
    before = await control(lambda client: client.reauthorizations())
    simulator.world.settings.access_token_minutes = 600
    token = simulator.world.app_token(house.app, house.tenant.id)[0]
    assert (await graph.as_caller(token).renew(made["id"], DAY)).status == 200
    after = await control(lambda client: client.reauthorizations(mailbox=house.ann.upn))
    assert (before.outstanding, after.outstanding) == (1, 0)
    assert [(one.subscription_id, one.by) for one in after.requests] == [(made["id"], "patch")]
    assert after.doubled == []


async def test_graph_asks_when_the_token_is_about_to_end(simulator, house, webhook, subscribe):
    simulator.world.settings.reauthorize_token_minutes = 5
    await subscribe(house.inbox)
    simulator.clock.advance(54 * 60)
    simulator.world.settle()
    assert webhook.received == []
    simulator.clock.advance(60)
    await eventually(lambda: events(webhook) == [["reauthorizationRequired"]], "Graph asks")


async def test_who_renews_and_reauthorizes_within_ten_minutes_is_noted(simulator, graph, house, subscribe, control):
    made = await subscribe(house.inbox)
    await control(
        lambda client: client.send_lifecycle({"event": "reauthorizationRequired", "subscription": made["id"]})
    )
    assert (await graph.call("POST", f"/subscriptions/{made['id']}/reauthorize")).status == 204
    simulator.clock.advance(599)
    assert (await graph.renew(made["id"], 2 * DAY)).status == 200
    account = await control(lambda client: client.reauthorizations())
    assert [(one.by, one.times) for one in account.requests] == [("reauthorize", 1)]
    assert [one.subscription_id for one in account.doubled] == [made["id"]]


@pytest.mark.parametrize(
    ("order", "text"),
    [
        ({"event": "missed"}, "name a subscription or a mailbox"),
        ({"event": "missed", "subscription": "none"}, "no live subscription"),
        ({"event": "missed", "subscription": "without"}, "named no lifecycle URL"),
    ],
)
async def test_what_cannot_be_told_is_refused(simulator, house, control, order, text):
    simulator.world.add_subscription(
        house.ann, house.app, notification_url="https://hook.example.com", minutes=60, subscription_id="without"
    )
    with pytest.raises(ControlError, match=text):
        await control(lambda client: client.send_lifecycle(order))


async def test_a_reset_forgets_the_notifications_and_what_was_asked_for(house, subscribe, control):
    await subscribe(house.inbox)

    def work(client):
        client.send_lifecycle({"event": "reauthorizationRequired", "mailbox": house.ann.upn})
        client.reset()
        return client.lifecycle(), client.reauthorizations().requests, client.endpoints()

    assert await control(work) == ([], [], [])
