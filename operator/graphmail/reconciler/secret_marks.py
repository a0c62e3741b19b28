"""Whether a Secret has changed, asked once for all who wait for it: a fleet that shares one would ask for it as often as it has mailboxes.

A watch would tell at once, but needs the right to list every Secret of the namespace.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from graphmail.graph.flights import take_note


@dataclass(frozen=True, slots=True)
class _Reading:
    begun_at: datetime
    task: "asyncio.Task[str]"


class SecretMarks:
    """The fingerprint of each Secret that somebody waits for.

    Args:
        read: reads that of the Secret of this name.
    """

    def __init__(self, read: Callable[[str], Awaitable[str]]) -> None:
        self._read = read
        self._readings: dict[str, _Reading] = {}

    async def of(self, name: str, *, now: datetime, lasts: timedelta) -> str:
        """The fingerprint, as it was read at most `lasts` ago. Raises what reading raises."""
        self._forget(now - lasts)
        reading = self._readings.get(name)
        if reading is None:
            task = asyncio.create_task(self._mark(name), name=f"mark of Secret {name}")
            task.add_done_callback(take_note)
            reading = self._readings[name] = _Reading(now, task)
        return await asyncio.shield(reading.task)

    async def _mark(self, name: str) -> str:
        return await self._read(name)

    def _forget(self, before: datetime) -> None:
        for name, reading in list(self._readings.items()):
            if reading.task.done() and (reading.begun_at <= before or _failed(reading.task)):
                del self._readings[name]


def _failed(task: "asyncio.Task[str]") -> bool:
    return task.cancelled() or task.exception() is not None
