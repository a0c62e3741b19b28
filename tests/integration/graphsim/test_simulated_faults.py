import aiohttp
import pytest

from graphsim import control_run_models as r
from graphsim import control_running

DAY = 1_440


@pytest.fixture
def spoil(simulator):
    def add(*routes, **fields):
        return control_running.add_fault(simulator.runtime, r.NewFault(routes=list(routes), **fields))

    return add


@pytest.fixture
async def made(graph, house, webhook):
    return (await graph.subscribe(house.inbox, webhook.url)).body["id"]


async def test_a_named_answer_looks_like_graphs_own(graph, made, spoil):
    spoil("patch", answer="subscription-not-found", count=1)
    injected, _true = await graph.renew(made, DAY), await graph.renew(made, DAY)
    earned = await graph.renew("00000000-0000-4000-8000-000000000000", DAY)
    assert (injected.status, injected.code, injected.message) == (earned.status, earned.code, earned.message)
    assert injected.headers.keys() == earned.headers.keys()
    assert _true.status == 200


async def test_values_fill_an_answer(graph, made, spoil):
    spoil("patch", answer="ceiling", values={"minutes": 4_230})
    assert (await graph.renew(made, DAY)).message == "Subscription expiration can only be 4230 minutes in the future."


@pytest.mark.parametrize(("given", "sent"), [(None, "10"), ("77", "77"), ("", None)])
async def test_retry_after_is_set_or_taken_away(graph, made, spoil, given, sent):
    spoil("patch", answer="throttled", retry_after=given)
    answer = await graph.renew(made, DAY)
    assert (answer.status, answer.headers.get("Retry-After")) == (429, sent)


async def test_any_status_with_any_body_can_be_sent(graph, made, spoil, session):
    spoil("get", status=502, body="<html>bad gateway", headers={"Content-Type": "text/html"})
    url = f"{graph.simulator.graph_url}/subscriptions/{made}"
    async with session.get(url, headers={"Authorization": f"Bearer {graph.token}"}) as answer:
        assert (answer.status, answer.content_type, await answer.text()) == (502, "text/html", "<html>bad gateway")


async def test_a_cut_connection_changes_nothing(graph, house, webhook, spoil):
    spoil("create", drop=True, count=1)
    with pytest.raises(aiohttp.ClientError):
        await graph.subscribe(house.inbox, webhook.url)
    assert len(graph.simulator.world.subscriptions) == 0


async def test_an_answer_lost_after_the_commit_leaves_the_subscription(graph, house, webhook, spoil):
    spoil("create", drop=True, after_commit=True, count=1)
    with pytest.raises(aiohttp.ClientError):
        await graph.subscribe(house.inbox, webhook.url)
    listed = (await graph.call("GET", "/subscriptions")).body["value"]
    assert [entry["notificationUrl"] for entry in listed] == [webhook.url]
    lost = next(call for call in graph.simulator.log.newest_first() if call.route == "create")
    assert (lost.status, lost.subscription) == (0, listed[0]["id"])


async def test_a_gateway_may_time_out_after_the_work_was_done(graph, made, spoil):
    spoil("delete", answer="gateway-timeout", after_commit=True)
    assert (await graph.call("DELETE", f"/subscriptions/{made}")).status == 504
    assert graph.simulator.world.live(made) is None


async def test_one_mailbox_can_be_struck_and_the_other_left_alone(graph, house, webhook, spoil):
    hers = (await graph.subscribe(house.inbox, webhook.url)).body["id"]
    his = (await graph.subscribe(house.bobs_inbox, webhook.url)).body["id"]
    spoil("patch", "create", answer="mailbox-not-enabled", mailbox=house.ann.user_id)
    assert (await graph.renew(hers, DAY)).status == 404
    assert (await graph.subscribe(house.inbox, webhook.url)).status == 404
    assert (await graph.renew(his, DAY)).status == 200


async def test_one_subscription_can_be_struck(graph, house, webhook, made, spoil):
    other = (await graph.subscribe(house.inbox, webhook.url)).body["id"]
    spoil(subscription=made, answer="gone")
    assert (await graph.call("GET", f"/subscriptions/{made}")).status == 410
    assert (await graph.call("GET", f"/subscriptions/{other}")).status == 200


async def test_a_delay_alone_lets_the_call_succeed_later(graph, made, spoil):
    spoil("get", delay_ms=50)
    assert (await graph.call("GET", f"/subscriptions/{made}")).status == 200
    newest = next(iter(graph.simulator.log.newest_first()))
    assert newest.milliseconds >= 50


async def test_the_log_names_the_rule(graph, made, spoil):
    rule = spoil("get", answer="internal-error")
    await graph.call("GET", f"/subscriptions/{made}")
    newest = next(iter(graph.simulator.log.newest_first()))
    assert (newest.fault, newest.status, newest.code) == (rule.id, 500, "InternalServerError")
    assert newest.mailbox == "ann@contoso.example.com"


@pytest.mark.parametrize(
    ("routes", "fields"),
    [(["nowhere"], {"status": 500}), ([], {"answer": "nonsense"}), ([], {"answer": "gone", "drop": True})],
)
def test_a_rule_that_makes_no_sense_is_refused(spoil, routes, fields):
    with pytest.raises(ValueError):  # noqa: PT011 - three rules, three texts
        spoil(*routes, **fields)
