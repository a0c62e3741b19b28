"""The token that calls of the API server carry."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import Configuration

from graphmail.cluster import Cluster


class Tokens(Configuration):
    """A configuration that has another token each time it is asked."""

    asked = 0

    def get_api_key_with_prefix(self, identifier: str, alias: str | None = None) -> str | None:
        if identifier != "authorization":
            return None
        self.asked += 1
        return f"Bearer {self.asked}"


class Door:
    """The API server, as the middleware sees it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.tokens = Tokens(host="https://localhost:1")
        self.cluster = Cluster(self.tokens, "graphmail", clock=lambda: self.now)

    async def call(self, *, status: int = 200) -> str:
        """The Authorization that a call carries."""
        request: Any = SimpleNamespace(headers={})

        async def answer(_: Any) -> Any:
            await asyncio.sleep(0)
            return SimpleNamespace(status=status)

        await self.cluster._sign_in(request, answer)
        return str(request.headers["Authorization"])


@pytest.fixture
def door() -> Door:
    return Door()


async def test_calls_in_quick_succession_ask_for_the_token_once(door: Door) -> None:
    assert [await door.call() for _ in range(5)] == ["Bearer 1"] * 5


async def test_a_token_that_was_replaced_in_the_pod_is_used_within_ten_seconds(door: Door) -> None:
    await door.call()
    door.now += 10
    assert await door.call() == "Bearer 2"


async def test_a_token_that_is_refused_is_asked_for_anew_at_once(door: Door) -> None:
    await door.call(status=401)
    assert await door.call() == "Bearer 2"
