"""The receiver's server over a real socket: the handshake, what is let in, and what is cut."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import quote_plus, urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from aiohttp.web_protocol import RequestHandler
from yarl import URL

from graphmail.receiver.counting import ReceiverMetrics
from graphmail.receiver.intake import Request
from graphmail.receiver.reading import MOST_ITEMS, Notification
from graphmail.receiver.server import Bounds, Desk
from support.receiving import change, posted, served
from support.waiting import eventually

PATIENT = Bounds(body_bytes=2_000, body_seconds=60, first_request_seconds=60, connections=20, linger_seconds=0.1)
"""Nothing is cut for its slowness, which may be the machine's."""


class Route:
    """Keeps what it is given."""

    def __init__(self, status: int = 202) -> None:
        self.status = status
        self.got: list[list[Notification]] = []
        self.queries: list[str] = []
        self.never = asyncio.Event()
        self.hold = False

    async def take(self, items: list[Notification], request: Request) -> int:
        self.got.append(items)
        self.queries.append(request.query)
        if self.hold:
            await self.never.wait()
        return self.status


@asynccontextmanager
async def serving(route: Route, bounds: Bounds = PATIENT, *, prefix: str = "") -> AsyncIterator[str]:
    async with served({"/lifecycle": route.take}, bounds=bounds, prefix=prefix) as url:
        yield url


async def raw(url: str, data: bytes) -> bytes:
    """All that is answered to these bytes, until the server ends the connection."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(data)
    try:
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("token", "answer"),
    [
        ("Validation: Testing client application reachability. Request-Id: 7b3b", None),
        ("a+b c%20d", None),
        ("äöü 📬", None),
        ("", None),
        ("x" * 2_000, None),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("two\r\nlines: x\r\n\r\n", None),
    ],
    ids=["Microsoft's", "escaped signs", "beyond ASCII", "empty", "long", "a script", "lines"],
)
async def test_the_handshake_gives_the_decoded_token_back_as_plain_text(token: str, answer: str | None) -> None:
    route = Route()
    async with serving(route) as url, aiohttp.ClientSession() as session:
        target = URL(f"{url}/lifecycle?gms=a.b.c&validationToken={quote_plus(token)}", encoded=True)
        async with session.post(target) as response:
            assert (response.status, await response.text()) == (200, answer or token)
            assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert route.got == []


async def test_the_handshake_waits_for_no_body() -> None:
    async with serving(Route()) as url:
        head = b"POST /lifecycle?validationToken=abc HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
        assert (await raw(url, head)).endswith(b"\r\n\r\nabc")


async def test_a_prefix_of_the_public_url_may_stay_in_the_path() -> None:
    route = Route()
    async with serving(route, prefix="/mail") as url, aiohttp.ClientSession() as session:
        for path in ("/lifecycle", "/mail/lifecycle?gms=a.b.c"):
            async with session.post(url + path, data=posted(change("a", "b"))) as response:
                assert (response.status, await response.text()) == (202, "")
    assert route.queries == ["", "gms=a.b.c"]


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/", b"", {}, 404),
        ("POST", "/lifecycle/../notifications", b"", {}, 404),
        ("POST", "/notifications", posted(change("a", "b")), {}, 404),
        ("GET", "/lifecycle", b"", {}, 405),
        ("GET", "/lifecycle?validationToken=a", b"", {}, 405),
        ("DELETE", "/lifecycle", b"", {}, 405),
        ("POST", "/lifecycle", b"", {}, 400),
        ("POST", "/lifecycle", b"no json", {}, 400),
        ("POST", "/lifecycle", b'{"value": []}', {}, 400),
        ("POST", "/lifecycle", b"x" * 2_001, {}, 413),
        ("POST", "/lifecycle", posted(change("a", "b")), {"Content-Encoding": "gzip"}, 415),
    ],
)
async def test_what_is_none_of_graph_s_is_refused(
    method: str, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    route = Route()
    async with serving(route) as url, aiohttp.ClientSession(auto_decompress=False) as session:
        target = URL(url + path, encoded=True)
        async with session.request(method, target, data=body, headers=headers) as response:
            assert response.status == status
            assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert route.got == []


@pytest.mark.parametrize(
    "most",
    [
        pytest.param(posted(*[{}] * MOST_ITEMS), id="nothing in them"),
        pytest.param(posted(*[change("a", "b")] * (MOST_ITEMS // 2)), id="as Graph sends them"),
    ],
)
async def test_as_many_items_as_the_bound_allows_are_taken(most: bytes) -> None:
    route = Route()
    async with (
        serving(route, Bounds()) as url,
        aiohttp.ClientSession() as session,
        session.post(f"{url}/lifecycle", data=most) as response,
    ):
        assert response.status == 202
    assert [len(items) for items in route.got] == [len(json.loads(most)["value"])]


async def test_of_a_body_with_more_items_than_the_bound_nothing_is_taken_and_it_is_counted() -> None:
    route, metrics = Route(), ReceiverMetrics()
    full = Bounds().body_bytes // len(b"{},") - 10
    async with served({"/lifecycle": route.take}, metrics) as url, aiohttp.ClientSession() as session:
        for many in (MOST_ITEMS + 1, full):
            body = b'{"value":[' + b",".join([b"{}"] * many) + b"]}"
            async with session.post(f"{url}/lifecycle", data=body) as response:
                assert (response.status, await response.text()) == (413, "more than 1,000 at once")
    assert route.got == []
    refused = {"route": "lifecycle", "code": "413"}
    assert metrics.registry.get_sample_value("graphmail_receiver_requests_total", refused) == 2


async def test_a_body_whose_size_is_not_told_is_given_up_at_the_bound() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 500
            await asyncio.sleep(0)

    status = None
    async with serving(Route()) as url, aiohttp.ClientSession() as session:
        with contextlib.suppress(aiohttp.ClientError):  # it is cut while it sends, and may miss the answer
            async with session.post(f"{url}/lifecycle", data=endless()) as response:
                status = response.status
    assert status in {413, None}


async def test_a_body_that_dribbles_in_is_given_up_and_its_time_is_not_told_as_ours() -> None:
    head = b"POST /lifecycle HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
    metrics = ReceiverMetrics()
    async with served({"/lifecycle": Route().take}, metrics, replace(PATIENT, body_seconds=0.3)) as url:
        assert (await raw(url, head)).startswith(b"HTTP/1.1 408 ")
    read, label = metrics.registry.get_sample_value, {"route": "lifecycle"}
    assert read("graphmail_receiver_requests_total", label | {"code": "408"}) == 1
    assert read("graphmail_receiver_answer_seconds_count", label) is None


@pytest.mark.parametrize("said", [b"", b"POST /life", b"POST /lifecycle HTTP/1.1\r\nHost: x\r\n"])
async def test_a_connection_that_does_not_come_to_the_point_is_cut(said: bytes) -> None:
    async with serving(Route(), replace(PATIENT, first_request_seconds=0.3)) as url:
        assert await raw(url, said) == b""


async def test_a_request_that_takes_its_time_is_not_cut() -> None:
    route = Route()
    route.hold = True
    bounds = replace(PATIENT, first_request_seconds=3)
    async with serving(route, bounds) as url, aiohttp.ClientSession() as session:
        asking = asyncio.create_task(session.post(f"{url}/lifecycle", data=posted(change("a", "b"))))
        await asyncio.sleep(1.1 * bounds.first_request_seconds)  # longer than what a silent connection gets
        route.never.set()
        assert (await asking).status == 202


async def test_connections_beyond_the_bound_are_cut_and_the_others_are_served() -> None:
    bounds = Bounds(connections=5, first_request_seconds=60)
    async with serving(Route(), bounds) as url:
        parts = urlsplit(url)
        silent = [await asyncio.open_connection(parts.hostname, parts.port) for _ in range(4)]
        try:
            async with aiohttp.ClientSession() as session:
                async with session.post(f"{url}/lifecycle?validationToken=a") as response:
                    assert response.status == 200
                assert await raw(url, b"") == b""
                async with session.post(f"{url}/lifecycle?validationToken=b") as response:
                    assert response.status == 200
        finally:
            for _, writer in silent:
                writer.close()


async def test_a_body_without_room_beside_those_that_are_answered_is_told_to_come_again() -> None:
    whole = posted(change("a", "b"))
    route, metrics = Route(), ReceiverMetrics()
    route.hold = True
    async with (
        served({"/lifecycle": route.take}, metrics, Bounds(bodies_bytes=2 * len(whole) - 1)) as url,
        aiohttp.ClientSession() as session,
    ):
        asking = asyncio.create_task(session.post(f"{url}/lifecycle", data=whole))
        await eventually(lambda: route.got, "one is with its route")
        async with session.post(f"{url}/lifecycle", data=whole) as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "5")
        route.never.set()
        assert (await asking).status == 202
        async with session.post(f"{url}/lifecycle", data=whole) as response:
            assert response.status == 202
    assert len(route.got) == 2
    refused = {"route": "lifecycle", "code": "503"}
    assert metrics.registry.get_sample_value("graphmail_receiver_requests_total", refused) == 1


async def test_what_was_sent_half_takes_room_until_its_connection_goes() -> None:
    whole = posted(change("a", "b"))
    bounds = Bounds(bodies_bytes=2 * len(whole) - 2, body_seconds=600)
    head = b"POST /lifecycle HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(whole)
    async with serving(Route(), bounds) as url, aiohttp.ClientSession() as session:

        async def answered(status: int) -> bool:
            async with session.post(f"{url}/lifecycle", data=whole) as response:
                return response.status == status

        parts = urlsplit(url)
        _, half = await asyncio.open_connection(parts.hostname, parts.port)
        half.write(head + whole[:-1])
        await eventually(lambda: answered(503), "there is no room for a whole one")
        half.close()
        await eventually(lambda: answered(202), "there is room again")


@pytest.mark.parametrize("before", [b"", b"POST /lifecycle?validationToken=a HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_a_head_that_does_not_end_is_cut_though_each_of_its_headers_is_short(before: bytes) -> None:
    long = b"POST /lifecycle HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (one, b"x" * 1_000) for one in range(8))
    async with serving(Route(), Bounds(first_request_seconds=600, idle_seconds=600, head_bytes=4_000)) as url:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(before)
        if before:
            assert (await reader.readuntil(b"\r\n\r\na")).startswith(b"HTTP/1.1 200 ")
        writer.write(long)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


async def test_a_long_body_is_not_taken_for_a_head() -> None:
    route, whole = Route(), posted(*[change("a", "b")] * 100)
    async with serving(route, Bounds(head_bytes=1_000)) as url, aiohttp.ClientSession() as session:
        for _ in range(3):
            async with session.post(f"{url}/lifecycle", data=whole) as response:
                assert response.status == 202
    assert len(route.got) == 3


async def test_unavailable_says_when_to_come_again() -> None:
    async with (
        serving(Route(503)) as url,
        aiohttp.ClientSession() as session,
        session.post(f"{url}/lifecycle", data=posted(change("a", "b"))) as response,
    ):
        assert (response.status, response.headers["Retry-After"]) == (503, "5")


async def test_requests_are_counted_by_route_and_status() -> None:
    metrics, route = ReceiverMetrics(), Route()
    async with served({"/lifecycle": route.take}, metrics) as url, aiohttp.ClientSession() as session:
        for path in ("/lifecycle?validationToken=a", "/lifecycle", "/nowhere/at/all"):
            async with session.post(url + path, data=posted(change("a", "b"))):
                pass
    value = metrics.registry.get_sample_value
    name = "graphmail_receiver_requests_total"
    assert value(name, {"route": "handshake", "code": "200"}) == 1
    assert value(name, {"route": "lifecycle", "code": "202"}) == 1
    assert value(name, {"route": "other", "code": "404"}) == 1


class Gone(RequestHandler):
    """A connection that is over."""


async def test_a_client_that_went_before_its_request_was_begun_is_no_defect() -> None:
    loop = asyncio.get_running_loop()
    gone = Gone(web.Server(Desk({}, ReceiverMetrics(), PATIENT).answer), loop=loop)
    unread = aiohttp.StreamReader(gone, 1_024, loop=loop)
    request = make_mocked_request(
        "POST", "/lifecycle", headers={"Content-Length": "9"}, protocol=gone, payload=unread, loop=loop
    )
    gone.transport = None
    answer = await Desk({"/lifecycle": Route().take}, ReceiverMetrics(), PATIENT).answer(request)
    assert answer.status == 400
