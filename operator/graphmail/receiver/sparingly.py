"""A few lines a minute of what anybody can cause: a flood must not fill the log."""

import time
from collections.abc import Callable

LINES = 10
PER_SECONDS = 60.0


class Sparingly:
    """Says of each line whether it may be written."""

    def __init__(
        self, lines: int = LINES, per_seconds: float = PER_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lines = lines
        self._per_seconds = per_seconds
        self._clock = clock
        self._begun = clock()
        self._written = 0
        self._left_out = 0

    def may(self) -> int | None:
        """How many were left out since the last that was written; None: leave this one out too."""
        now = self._clock()
        if now - self._begun >= self._per_seconds:
            self._begun, self._written = now, 0
        if self._written >= self._lines:
            self._left_out += 1
            return None
        self._written += 1
        left_out, self._left_out = self._left_out, 0
        return left_out
