"""Waiting for a condition, never for a time."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeVar

T = TypeVar("T")

LIMIT_SECONDS = 240.0
"""Only a hang takes this long: the machine may be slow, and the test still tells the truth."""


async def eventually(condition: Callable[[], T | Awaitable[T]], what: str, *, limit: float = LIMIT_SECONDS) -> T:
    """The condition's first true answer.

    Raises:
        AssertionError: it never came true; the text says what was waited for.
    """
    answer: object = None
    try:
        async with asyncio.timeout(limit):
            while True:
                answer = condition()
                if isawaitable(answer):
                    answer = await answer
                if answer:
                    return answer  # type: ignore[return-value]  # the awaited answer has the type of the plain one
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"never came true within {limit:.0f} s: {what}; last answer: {answer!r}") from None
