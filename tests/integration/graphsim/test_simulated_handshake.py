import asyncio
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from graphsim.tls import Authority

DAY = 1_440


async def test_the_endpoint_is_called_with_a_token_to_decode(graph, house, webhook):
    assert (await graph.subscribe(house.inbox, webhook.url)).status == 201
    request = webhook.handshakes[0]
    sent = request.rel_url.raw_query_string
    query = parse_qs(sent)
    assert request.method == "POST"
    assert query["gms"] == ["one.two/three"]
    assert sent.startswith("gms=one.two%2Fthree&validationToken=")
    assert " " in query["validationToken"][0]


async def test_both_endpoints_are_called(graph, house, webhook):
    made = await graph.subscribe(house.inbox, webhook.url, lifecycleNotificationUrl=f"{webhook.base}/lifecycle")
    assert made.status == 201
    assert [request.path for request in webhook.handshakes] == ["/graph", "/lifecycle"]


async def redirect(request):
    raise web.HTTPFound(f"/elsewhere?{request.query_string}")


async def wrong_token(_request):
    return web.Response(text="another text")


async def as_html(request):
    return web.Response(text=request.query["validationToken"], content_type="text/html")


async def accepted(request):
    return web.Response(status=202, text=request.query["validationToken"])


async def undecoded(request):
    return web.Response(text=request.rel_url.raw_query_string.rpartition("validationToken=")[2])


NOT_OK = "Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request."
NOT_EXACT = "Subscription validation request failed. Response must exactly match validationToken query parameter."


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (redirect, NOT_OK),
        (as_html, NOT_OK),
        (accepted, NOT_OK),
        (wrong_token, NOT_EXACT),
        (undecoded, NOT_EXACT),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_an_endpoint_that_answers_otherwise_is_at_fault(graph, house, webhook, behaviour, message):
    webhook.on_handshake = behaviour
    answer = await graph.subscribe(house.inbox, webhook.url)
    assert (answer.status, answer.code, answer.message) == (400, "ValidationError", message)
    assert len(webhook.handshakes) == 1
    assert len(graph.simulator.world.subscriptions) == 0


async def test_a_slow_endpoint_is_told_from_a_wrong_one(graph, house, webhook):
    async def slow(_request):
        await webhook.hold.wait()
        return web.Response()

    webhook.on_handshake = slow
    graph.simulator.world.settings.handshake_limit_seconds = 0.05
    answer = await graph.subscribe(house.inbox, webhook.url)
    assert (answer.status, answer.code) == (400, "InvalidRequest")
    assert answer.message == "Subscription validation request timed out."


async def test_an_endpoint_that_does_not_listen_is_at_fault(graph, house):
    answer = await graph.subscribe(house.inbox, "https://localhost:1/x")
    assert answer.code == "ValidationError"


async def test_an_endpoint_with_a_foreign_certificate_is_at_fault(graph, house, tmp_path):
    async def echo(request):
        return web.Response(text=request.query["validationToken"])

    application = web.Application()
    application.router.add_post("/x", echo)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(
        runner, "127.0.0.1", 0, ssl_context=Authority(tmp_path / "other").server_context("localhost")
    ).start()
    answer = await graph.subscribe(house.inbox, f"https://localhost:{runner.addresses[0][1]}/x")
    await runner.cleanup()
    assert answer.code == "ValidationError"


async def test_a_changed_url_is_called_before_it_is_kept(graph, house, webhook):
    made = await graph.subscribe(house.inbox, webhook.url)
    path = f"/subscriptions/{made.body['id']}"
    moved = await graph.call("PATCH", path, {"notificationUrl": f"{webhook.base}/other"})
    assert (moved.status, moved.body["notificationUrl"]) == (200, f"{webhook.base}/other")
    assert [request.path for request in webhook.handshakes] == ["/graph", "/other"]
    webhook.on_handshake = wrong_token
    refused = await graph.call("PATCH", path, {"notificationUrl": f"{webhook.base}/third"})
    assert refused.status == 400
    assert (await graph.call("GET", path)).body["notificationUrl"] == f"{webhook.base}/other"


async def test_a_subscription_that_expires_during_the_handshake_cannot_be_moved(graph, house, webhook):
    made = await graph.subscribe(house.inbox, webhook.url)

    async def late(request):
        graph.simulator.clock.advance(2 * DAY * 60)
        return web.Response(text=request.query["validationToken"])

    webhook.on_handshake = late
    answer = await graph.call(
        "PATCH", f"/subscriptions/{made.body['id']}", {"notificationUrl": f"{webhook.base}/other"}
    )
    assert answer.status == 404


async def test_two_creations_at_once_cannot_both_be_first_when_duplicates_are_refused(graph, house, webhook):
    graph.simulator.world.settings.duplicates = "refuse"
    both = asyncio.Barrier(2)

    async def together(request):
        await both.wait()
        return web.Response(text=request.query["validationToken"])

    webhook.on_handshake = together
    answers = await asyncio.gather(*(graph.subscribe(house.inbox, webhook.url) for _ in range(2)))
    assert sorted(answer.status for answer in answers) == [201, 409]


async def test_the_handshake_can_be_left_out(graph, house):
    graph.simulator.world.settings.handshake = False
    assert (await graph.subscribe(house.inbox, "https://nowhere.example.com/x")).status == 201
