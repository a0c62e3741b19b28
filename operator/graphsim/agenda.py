"""What happens in the simulated world at moments of its own: mail arrives, subscriptions fall silent, consents run short.

Nothing here runs by itself. `World.settle` works off what is due, in the order of time and each at its own moment, however
late that is; whoever has to act at once waits with `stirred_or_due`.
"""

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable
from typing import Any

from graphsim.clock import SimulatedClock

Action = Callable[[float], None]
"""Gets the simulated moment at which it was due."""


class Agenda:
    """A queue of actions by simulated moment. `stirred` is set when there is a new first one."""

    def __init__(self, stirred: asyncio.Event) -> None:
        self._stirred = stirred
        self._numbers = itertools.count()
        self._heap: list[tuple[float, int, Action]] = []

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_at(self) -> float:
        """The moment of the first action; infinity when there is none."""
        return self._heap[0][0] if self._heap else math.inf

    def add(self, at: float, action: Action) -> None:
        """Plan an action; those of one moment keep the order in which they were planned."""
        if at < self.next_at:
            self._stirred.set()
        heapq.heappush(self._heap, (at, next(self._numbers), action))

    def run_first(self) -> None:
        """Take the first action from the queue and do it, due or not."""
        at, _number, action = heapq.heappop(self._heap)
        action(at)


async def stirred_or_due(stirred: asyncio.Event, agenda: Agenda, clock: SimulatedClock) -> None:
    """Return when `stirred` is set (and clear it), or when the agenda's first action is due."""
    if not stirred.is_set():
        waiting: set[asyncio.Task[Any]] = {asyncio.create_task(stirred.wait())}
        if agenda.next_at < math.inf:
            waiting.add(asyncio.create_task(clock.wait_until(agenda.next_at)))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
    stirred.clear()
