"""Graph, as far as it posts: requests at even intervals, whether the last was answered or not."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

GIVEN_UP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Post:
    """One request."""

    url: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it: the status (0: none), and the seconds since it was to be sent."""

    status: int
    seconds: float


async def post_all(posts: Sequence[Post], per_second: float) -> list[Answer]:
    """Send them all, and wait for the last answer."""
    timeout = aiohttp.ClientTimeout(total=GIVEN_UP_SECONDS)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        begun = time.perf_counter() + 0.1
        async with asyncio.TaskGroup() as group:
            sending = []
            for number, post in enumerate(posts):
                due = begun + number / per_second
                if (wait := due - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                sending.append(group.create_task(_send(session, post, due)))
    return [task.result() for task in sending]


async def _send(session: aiohttp.ClientSession, post: Post, due: float) -> Answer:
    try:
        async with session.post(post.url, data=post.body, headers={"Content-Type": "application/json"}) as answer:
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, OSError):
        status = 0
    return Answer(status, time.perf_counter() - due)
