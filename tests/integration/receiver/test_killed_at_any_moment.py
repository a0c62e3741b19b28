"""No notification is acknowledged that the product, or for a lifecycle notification the API server, did not take: whatever is killed."""

import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from integration.receiver.conftest import Ground
from localstack.processes import free_port
from support.gate import ClusterGate, Gate, PostgresGate
from support.receiving import change, lifecycle, posted
from support.waiting import eventually

POSTERS = 8
ROUNDS = 3
ROW = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"


class Process:
    """`graphmail receiver` at a fixed port, which is killed and begun again."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.port, metrics = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}/notifications"
        self.lifecycle_url = f"http://127.0.0.1:{self.port}/lifecycle"
        self._metrics = f"http://127.0.0.1:{metrics}"
        self._environment = os.environ | environment
        self._environment |= {
            "GRAPHMAIL_RECEIVER_ADDRESS": f"127.0.0.1:{self.port}",
            "GRAPHMAIL_METRICS_URL": f"{self._metrics}/metrics",
        }

    async def start(self) -> None:
        program = Path(sys.executable).parent / "graphmail"
        self._process = await asyncio.create_subprocess_exec(program, "receiver", env=self._environment)
        await eventually(self._ready, "the receiver is ready")

    async def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    async def end(self) -> int:
        """As kubelet ends a pod; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._process.wait(), 60)

    async def is_storing(self) -> bool:
        """A lifecycle notification is on its way to the API server."""
        async with aiohttp.ClientSession() as session, session.get(f"{self._metrics}/metrics") as answer:
            return 'graphmail_receiver_in_flight{lane="lifecycle"} 1.0' in await answer.text()

    async def _ready(self) -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as session, session.get(f"{self._metrics}/readyz") as answer:
                return answer.status == 200
        return False


class Graph:
    """Posts numbered notifications all the time, and remembers those that were acknowledged."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = itertools.count()
        self.acknowledged: set[str] = set()
        self.refused = 0

    @asynccontextmanager
    async def posting(self) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as session:
            posters = [asyncio.create_task(self._post(session)) for _ in range(POSTERS)]
            try:
                yield
            finally:
                for poster in posters:
                    poster.cancel()
                await asyncio.gather(*posters, return_exceptions=True)

    async def _post(self, session: aiohttp.ClientSession) -> None:
        for number in self._numbers:
            message = f"message-{number}"
            status = 0
            with contextlib.suppress(aiohttp.ClientError):
                body = posted(change("sub-1", "state") | {"resource": message})
                async with session.post(self._url, data=body) as answer:
                    status = answer.status
            if 200 <= status < 300:
                self.acknowledged.add(message)
            else:
                self.refused += 1
                await asyncio.sleep(0.01)

    async def goes_on(self) -> None:
        """Something is acknowledged anew."""
        before = len(self.acknowledged)
        await eventually(lambda: len(self.acknowledged) > before, "notifications are taken")


def taken(ground: Ground) -> set[str]:
    return {json.loads(body)["value"][0]["resource"] for body in ground.product.got}


async def test_what_graph_was_told_to_be_taken_the_product_has(ground: Ground, postgres_gate: PostgresGate) -> None:
    ground.add("a@example.com", {"sub-1": "state"}, provider=ROW)
    ground.add_health(ROW)
    chance = random.Random(7)
    async with Gate(urlsplit(ground.product.url).port or 0) as product_gate:
        forward = f"http://127.0.0.1:{product_gate.port}/hook"
        process = Process(ground.environment | {"GRAPHMAIL_RECEIVER_FORWARD_URL": forward})
        await process.start()
        graph = Graph(process.url)
        async with graph.posting():
            for _ in range(ROUNDS):
                await graph.goes_on()
                refused = graph.refused
                await _after_a_while(chance, product_gate.shut)
                await eventually(lambda: graph.refused > refused, "Graph is told to come again")  # noqa: B023
                product_gate.open()
                await graph.goes_on()
                missed = postgres_gate.refused
                await _after_a_while(chance, postgres_gate.shut)
                await eventually(lambda: postgres_gate.refused > missed, "Postgres is found away")  # noqa: B023
                await graph.goes_on()
                postgres_gate.open()
                await graph.goes_on()
                await asyncio.sleep(chance.random() / 20)
                await process.kill()
                await process.start()
            await graph.goes_on()
        assert graph.acknowledged
        assert graph.acknowledged <= taken(ground)
        assert await process.end() == 0
        await ground.notified(ROW)


async def _after_a_while(chance: random.Random, what: Callable[[], None]) -> None:
    await asyncio.sleep(chance.random() / 20)  # any moment will do, and each run takes others
    what()


async def tells(process: Process, subscription: str, event: str) -> int | None:
    """What Graph gets for that lifecycle notification; None: nothing."""
    with contextlib.suppress(aiohttp.ClientError):
        body = posted(lifecycle(subscription, event, "state"))
        async with aiohttp.ClientSession() as session, session.post(process.lifecycle_url, data=body) as answer:
            return answer.status
    return None


async def tells_until_taken(process: Process, subscriptions: Iterable[str], event: str) -> None:
    """One after the other, as Graph does: it comes again until it is told that it was taken, and never after that."""
    for subscription in subscriptions:

        async def taken() -> bool:
            return await tells(process, subscription, event) == 202  # noqa: B023

        await eventually(taken, f"{event} of {subscription} is taken")


async def test_what_graph_told_of_a_subscription_while_the_receiver_was_killed_is_told_again(
    ground: Ground, cluster_gate: ClusterGate
) -> None:
    name = ground.add("a@example.com", {"sub-1": "state"})
    process = Process(ground.environment)
    await process.start()
    cluster_gate.hold()
    telling = asyncio.create_task(tells(process, "sub-1", "subscriptionRemoved"))
    await eventually(process.is_storing, "it is on its way to the API server")
    assert ground.told(name) == {}
    await process.kill()
    assert await telling is None
    cluster_gate.let_flow()
    await process.start()
    assert await tells(process, "sub-1", "subscriptionRemoved") == 202
    assert ground.told(name) == {"sub-1": {"subscriptionRemoved"}}
    assert await process.end() == 0


async def test_each_lifecycle_notification_that_was_acknowledged_stands_there_whenever_the_receiver_was_killed(
    ground: Ground,
) -> None:
    held = [[f"sub-{number}-{one}" for one in range(6)] for number in range(4)]
    names = [
        ground.add(f"a{number}@example.com", dict.fromkeys(one, "state"), provider=f"p-{number}")
        for number, one in enumerate(held)
    ]
    chance, process = random.Random(7), Process(ground.environment)
    await process.start()
    for event in ("missed", "subscriptionRemoved"):
        async with asyncio.TaskGroup() as graph:
            for subscriptions in held:
                graph.create_task(tells_until_taken(process, subscriptions, event))
            await eventually(lambda: event in ground.told(names[0]).get(held[0][1], ()), "two stand there")  # noqa: B023
            await asyncio.sleep(chance.random() / 20)
            await process.kill()
            await process.start()
        for name, subscriptions in zip(names, held, strict=True):
            told = ground.told(name)
            assert {subscription for subscription in told if event in told[subscription]} == set(subscriptions)
    assert await process.end() == 0
