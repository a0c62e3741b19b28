"""Whether the operator is alive, and whether it is ready: small states that the event loop writes and the probes' thread reads."""

import asyncio
import threading
import time
from collections.abc import Callable


class Heartbeat:
    """The event loop's sign of life. The clock counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()

    def beat(self) -> None:
        """The loop has moved."""
        self._last = self._clock()

    def age(self) -> float:
        """Seconds since the loop last moved; before the first beat, since the start."""
        return self._clock() - self._last

    async def run(self, every: float = 1.0) -> None:
        """Beat from the loop until cancelled, `every` so many seconds."""
        while True:
            self.beat()
            await asyncio.sleep(every)


TICKS_MISSED = 3
"""So many intervals may pass without a tick of any timer."""
LONGEST_LOOK = 300.0
"""Seconds for which none may tick however short their interval is: a timer waits for the look that it began, and that for Graph."""


class Ticking:
    """The timers' sign of life, while this process acts: an event loop may move, and nobody look at mailboxes. The clock never goes back.

    Args:
        interval: seconds between two ticks of one timer, in real time.
        told: told of each tick.
    """

    def __init__(
        self, interval: float, told: Callable[[], None] = lambda: None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._patience = max(TICKS_MISSED * interval, LONGEST_LOOK)
        self._told = told
        self._clock = clock
        self._last: float | None = None

    def tick(self) -> None:
        """A timer has ticked; or timers may begin to, since this process acts now; or there is no mailbox that could have one."""
        self._last = self._clock()
        self._told()

    def overdue(self) -> float:
        """Seconds since the last tick, where these are too many; else, and in a standby, 0."""
        age = 0.0 if self._last is None else self._clock() - self._last
        return age if age > self._patience else 0.0


class Readiness:
    """Named parts that must be ready. A part that was never heard of is not."""

    def __init__(self, *parts: str) -> None:
        self._lock = threading.Lock()
        self._missing: dict[str, str] = dict.fromkeys(parts, "not started")
        self._parts = parts
        self._standing_by = ""

    def stand_by(self, behind: str) -> None:
        """Ready as a standby: another process works, and no part of this one has to. `behind` names it, for whoever asks."""
        with self._lock:
            self._standing_by = behind

    def take_over(self) -> None:
        """This process works from now on, so its parts must be ready."""
        self.stand_by("")

    @property
    def standing_by(self) -> str:
        """The process that works instead of this one; empty: this one does, or it is not known yet."""
        return self._standing_by

    def set_ready(self, part: str) -> None:
        """This part is ready."""
        with self._lock:
            self._missing.pop(self._known(part), None)

    def set_missing(self, part: str, why: str) -> None:
        """This part is not ready; `why` is shown to whoever asks, so it holds no secret."""
        with self._lock:
            self._missing[self._known(part)] = why

    def missing(self) -> dict[str, str]:
        """What is not ready, and why; empty when all is, and for a standby."""
        with self._lock:
            return {} if self._standing_by else dict(self._missing)

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of all parts."""
        return self._parts

    def _known(self, part: str) -> str:
        if part not in self._parts:
            raise KeyError(f"{part!r} is none of the parts: {', '.join(self._parts)}")
        return part
