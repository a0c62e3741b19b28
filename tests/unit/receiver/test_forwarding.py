"""Change notifications are passed on over a real socket; what Graph gets is what the product said, or that nobody took it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import aiohttp
import pytest

from graphmail.cluster import Cluster
from graphmail.receiver.arrivals import Arrivals
from graphmail.receiver.counting import Lane, ReceiverMetrics
from graphmail.receiver.forwarding import Forwarding
from graphmail.receiver.intake import Changes
from graphmail.receiver.roster import Roster
from localstack.processes import free_port
from support.receiving import AT, ProductRoute, change, posted, resource, served
from support.waiting import eventually

KNOWN = resource("a@example.com", {"sub-1": "one", "sub-2": "two"})
NAME = KNOWN["metadata"]["name"]
RIGHT, WRONG, UNKNOWN = change("sub-1", "one"), change("sub-1", "two"), change("sub-9", "one")


class Receiving:
    """The route for change notifications, before a product."""

    def __init__(self, url: str, metrics: ReceiverMetrics, arrivals: Arrivals) -> None:
        self.url = url
        self.metrics = metrics
        self.arrivals = arrivals

    async def post(self, body: bytes, query: str = "", **headers: str) -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/notifications{query}", data=body, headers=headers) as response,
        ):
            return response.status

    def counted(self, outcome: str) -> float | None:
        name = "graphmail_receiver_notifications_total"
        return self.metrics.registry.get_sample_value(name, {"kind": "change", "outcome": outcome})

    def in_flight(self, lane: Lane) -> float | None:
        return self.metrics.registry.get_sample_value("graphmail_receiver_in_flight", {"lane": lane.value})

    def forwards(self, code: str) -> float | None:
        return self.metrics.registry.get_sample_value("graphmail_receiver_forwards_total", {"code": code})


@asynccontextmanager
async def receiving(product_url: str, *, most: int = 16, seconds: float = 60) -> AsyncIterator[Receiving]:
    roster, metrics = Roster(), ReceiverMetrics()
    roster.note(NAME, KNOWN)
    arrivals = Arrivals(cast("Cluster", None), None, roster, metrics)
    async with Forwarding(product_url, metrics, most=most, seconds=seconds) as forwarding:
        changes = Changes(roster, forwarding, arrivals, metrics, now=lambda: AT)
        async with served({"/notifications": changes.take}, metrics) as url:
            yield Receiving(url, metrics, arrivals)


@pytest.mark.parametrize(
    ("status", "answer"),
    [(200, 200), (202, 202), (204, 204), (400, 400), (404, 404), (429, 429), (500, 500), (302, 503)],
)
async def test_graph_gets_the_product_s_status_and_no_redirect(status: int, answer: int) -> None:
    async with ProductRoute(status) as product, receiving(product.url) as receiver:
        assert await receiver.post(posted(RIGHT)) == answer
        taken = 200 <= status < 300
        assert len(receiver.arrivals) == taken
        assert receiver.counted("taken" if taken else "not_taken") == 1
        assert receiver.forwards(str(status)) == 1


async def test_the_body_goes_on_as_it_came_with_our_marker_and_its_kind() -> None:
    body = b' {"value": [ ' + posted(RIGHT)[11:-2] + b"]}\n"
    async with ProductRoute() as product, receiving(product.url) as receiver:
        sent = {"Content-Type": "application/json; charset=utf-8", "Cookie": "a=b", "Authorization": "Bearer abc"}
        assert await receiver.post(body, "?gms=here.p~2D1.inbox", **sent) == 202
    assert (product.got, product.queries) == ([body], ["gms=here.p~2D1.inbox"])
    [headers] = product.headers
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert not headers.keys() & {"Cookie", "Authorization"}


async def test_what_is_in_flight_is_told_for_each_lane() -> None:
    async with ProductRoute() as product, receiving(product.url) as receiver:
        product.hold()
        posts = [asyncio.create_task(receiver.post(posted(item))) for item in (RIGHT, RIGHT, WRONG)]
        await eventually(lambda: product.waiting == 3, "all of them wait")
        assert [receiver.in_flight(lane) for lane in (Lane.PROVEN, Lane.UNPROVEN)] == [2, 1]
        product.let_flow()
        assert await asyncio.gather(*posts) == [202] * 3
        assert [receiver.in_flight(lane) for lane in (Lane.PROVEN, Lane.UNPROVEN)] == [0, 0]


async def test_a_product_that_is_too_slow_has_taken_nothing() -> None:
    async with ProductRoute() as product, receiving(product.url, seconds=0.5) as receiver:
        product.hold()
        assert await receiver.post(posted(RIGHT)) == 503
        assert (len(receiver.arrivals), receiver.counted("not_taken"), receiver.forwards("timeout")) == (0, 1, 1)


async def test_a_product_that_is_away_has_taken_nothing() -> None:
    async with receiving(f"http://127.0.0.1:{free_port()}/hook") as receiver:
        assert await receiver.post(posted(RIGHT)) == 503
        assert (len(receiver.arrivals), receiver.forwards("error")) == (0, 1)


async def test_what_proves_nothing_is_the_product_s_to_judge_and_moves_no_time() -> None:
    async with ProductRoute() as product, receiving(product.url) as receiver:
        assert await receiver.post(posted(WRONG, UNKNOWN)) == 202
        assert len(product.got) == 1
        assert (len(receiver.arrivals), receiver.counted("wrong_state"), receiver.counted("unknown")) == (0, 1, 1)


async def test_in_a_mixed_batch_only_what_is_proven_moves_the_time() -> None:
    async with ProductRoute() as product, receiving(product.url) as receiver:
        assert await receiver.post(posted(UNKNOWN, RIGHT, WRONG, change("SUB-2", "two"))) == 202
        assert len(receiver.arrivals) == 1
        assert (receiver.counted("taken"), receiver.counted("wrong_state"), receiver.counted("unknown")) == (2, 1, 1)


async def test_beyond_the_bound_graph_is_told_to_come_again_at_once() -> None:
    async with ProductRoute() as product, receiving(product.url, most=8) as receiver:
        product.hold()
        begun = [asyncio.create_task(receiver.post(posted(RIGHT))) for _ in range(8)]
        await eventually(lambda: product.waiting == 8, "the product has eight to answer")
        assert await receiver.post(posted(RIGHT)) == 503
        assert receiver.forwards("full") == 1
        product.let_flow()
        assert await asyncio.gather(*begun) == [202] * 8
        assert await receiver.post(posted(RIGHT)) == 202


async def test_a_flood_of_what_proves_nothing_leaves_room_for_the_rest() -> None:
    async with ProductRoute() as product, receiving(product.url, most=8) as receiver:
        product.hold()
        first = asyncio.create_task(receiver.post(posted(UNKNOWN)))
        await eventually(lambda: product.waiting == 1, "the product has one to answer")
        assert await receiver.post(posted(WRONG)) == 503
        right = asyncio.create_task(receiver.post(posted(RIGHT)))
        await eventually(lambda: product.waiting == 2, "what is proven gets through")
        product.let_flow()
        assert await asyncio.gather(first, right) == [202, 202]


async def test_a_header_that_cannot_be_passed_on_is_left_out() -> None:
    async with ProductRoute() as product, receiving(product.url) as receiver:
        assert await receiver.post(posted(RIGHT), **{"User-Agent": "gräph"}) == 202
    assert "gr" not in product.headers[0].get("User-Agent", "")
