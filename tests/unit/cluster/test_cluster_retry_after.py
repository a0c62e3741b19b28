"""The API server asks to wait: the same call is not made before that, and no other call is held up."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.client import Configuration

from graphmail.cluster import Cluster, ClusterUnavailable


class Busy:
    """An API server that is too busy for one resource, and how often each was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.now = 1000.0
        self.retry_after = "60"

    async def answer(self, request: web.Request) -> web.Response:
        name = request.path.rpartition("/")[2]
        self.asked.append(name)
        if name != "busy":
            return web.json_response({"metadata": {"name": name}})
        return web.json_response({}, status=429, headers={"Retry-After": self.retry_after})


@pytest.fixture
def busy() -> Busy:
    return Busy()


@pytest.fixture
async def cluster(busy: Busy) -> AsyncIterator[Cluster]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", busy.answer)
    async with TestServer(app) as server:
        configuration = Configuration(host=str(server.make_url("/")))
        async with Cluster(configuration, "mail", clock=lambda: busy.now) as cluster:
            yield cluster


async def refusal(cluster: Cluster) -> ClusterUnavailable:
    with pytest.raises(ClusterUnavailable) as caught:
        await cluster.subscription("busy")
    return caught.value


async def test_the_same_call_is_not_made_before_the_time_that_it_asked_for(cluster: Cluster, busy: Busy) -> None:
    assert (await refusal(cluster)).retry_after == 60
    busy.now += 59.5
    again = await refusal(cluster)
    assert (again.status, again.answered, again.retry_after) == (429, True, 1)
    assert busy.asked == ["busy"]
    busy.now += 0.5
    await refusal(cluster)
    assert busy.asked == ["busy", "busy"]


async def test_other_calls_go_on(cluster: Cluster, busy: Busy) -> None:
    await refusal(cluster)
    assert await cluster.subscription("other") == {"metadata": {"name": "other"}}


async def test_no_call_is_held_for_more_than_an_hour(cluster: Cluster, busy: Busy) -> None:
    busy.retry_after = "99999999"
    await refusal(cluster)
    busy.now += 3600
    await refusal(cluster)
    assert busy.asked == ["busy", "busy"]
