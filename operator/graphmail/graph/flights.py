"""Many who ask for the same thing at once wait for one that fetches it."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Flights(Generic[T]):
    """One flight a key. A passenger who leaves does not end it for the others."""

    def __init__(self) -> None:
        self._flying: dict[Hashable, asyncio.Task[T]] = {}

    async def join(self, key: Hashable, fetch: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `fetch` returns or raises; it is started only if nobody's is under way for this key."""
        task = self._flying.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(fetch())
            self._flying[key] = task
            task.add_done_callback(lambda done: self._land(key, done))
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Give up what is under way."""
        tasks = list(self._flying.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _land(self, key: Hashable, task: asyncio.Task[T]) -> None:
        self._flying.pop(key, None)
        take_note(task)


def take_note(task: asyncio.Task[T]) -> None:
    """For a task that is done: its failure is known, also where everybody who waited for it has left."""
    if not task.cancelled():
        task.exception()
