"""The roster follows the API server, and says so only while it hears of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import pytest
from aiohttp import web
from kubernetes import client as kubernetes_client

from graphmail.cluster import Cluster
from graphmail.receiver.roster import Roster, follow
from support.receiving import resource
from support.waiting import eventually


@dataclass
class ApiServer:
    """Lists and watches, or takes a question and never answers it."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    lists: int = 0
    watches: int = 0
    _answers: asyncio.Event = field(default_factory=asyncio.Event)
    _watched: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        self.answer_lists()
        self._runner = web.ServerRunner(web.Server(self._take, access_log=None), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.answer_lists()
        self.end_watches()
        await self._runner.cleanup()

    def answer_lists(self) -> None:
        self._answers.set()

    def keep_lists_waiting(self) -> None:
        """As a load balancer that has lost the flow, or a server that is stuck."""
        self._answers.clear()

    def end_watches(self) -> None:
        """In good order, as an API server does now and then."""
        self._watched.set()
        self._watched = asyncio.Event()

    async def _take(self, request: web.BaseRequest) -> web.StreamResponse:
        if "watch" not in request.query:
            self.lists += 1
            await self._answers.wait()
            return web.json_response({"items": self.bodies, "metadata": {"resourceVersion": "1"}})
        self.watches += 1
        ended, response = self._watched, web.StreamResponse()
        await response.prepare(request)
        await ended.wait()
        return response


@asynccontextmanager
async def following(server: ApiServer) -> AsyncIterator[Roster]:
    roster = Roster()
    cluster = Cluster(kubernetes_client.Configuration(host=server.url), "mail")
    task = asyncio.create_task(follow(roster, cluster, listed=lambda: None, pause=0.01, list_seconds=0.5))
    try:
        yield roster
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with ApiServer() as serving:
        yield serving


async def test_a_list_that_is_never_answered_is_given_up_and_asked_for_again(server: ApiServer) -> None:
    async with following(server) as roster:
        await eventually(lambda: server.watches, "it watches")
        assert roster.current
        server.keep_lists_waiting()
        server.end_watches()
        asked = server.lists
        await eventually(lambda: server.lists >= asked + 2, "it is asked for again")
        assert not roster.current
        server.bodies = [resource("a@example.com", {"sub-1": "state"})]
        server.answer_lists()
        await eventually(lambda: roster.current, "it is heard of again")
        assert roster.find("sub-1") is not None


async def test_between_a_watch_and_the_next_list_nobody_says_that_something_does_not_exist(server: ApiServer) -> None:
    async with following(server) as roster:
        await eventually(lambda: server.watches, "it watches")
        server.keep_lists_waiting()
        asked = server.lists
        server.end_watches()
        await eventually(lambda: server.lists > asked, "all are asked for anew")
        assert not roster.current
