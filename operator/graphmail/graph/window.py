"""One limit of Graph: so many calls in any 20 seconds."""

import math
from collections import deque


class Window:
    """Slots for calls, that no window of Graph can ever hold more of than the limit.

    Graph counts calls in windows of 20 seconds and does not say where they begin. A slot is busy from the moment a call may
    go until a window after its answer. Graph counts the call somewhere in between; so two calls of one slot are counted at
    least a window apart, wherever Graph's windows lie and however long an answer takes. The price is the duration of an
    answer a window: under 1% at 150 ms.

    A pace spreads the calls over the window, a second's worth at most at once, so that a burst does not starve what becomes
    urgent a moment later. All times are seconds of one monotonic clock.
    """

    __slots__ = ("_bound", "_in_flight", "_interval", "_limit", "_next", "_resting", "_slack", "_span")

    def __init__(self, limit: int, span: float, *, in_flight: int | None = None) -> None:
        self._limit = limit
        self._span = span
        self._bound = limit if in_flight is None else min(limit, in_flight)
        self._in_flight = 0
        self._resting: deque[float] = deque()
        """When the slots of answered calls become free, earliest first."""
        self._interval = span / limit
        burst = min(limit, max(2, int(limit / span)))
        self._slack = (burst - 1) * self._interval
        self._next = -math.inf
        """When the next call is due if calls come at an even pace; a burst may be ahead of it by the slack."""

    def ready_at(self, now: float) -> float:
        """When a call may go: at most `now` if at once, infinity if an answer must come first."""
        resting = self._resting
        while resting and resting[0] <= now:
            resting.popleft()
        if self._in_flight >= self._bound:
            return math.inf
        paced = self._next - self._slack
        if self._in_flight + len(resting) < self._limit:
            return paced
        return max(paced, resting[0])

    def take(self, now: float) -> None:
        """A call may go now."""
        self._in_flight += 1
        self._next = max(self._next, now) + self._interval

    def answered(self, now: float) -> None:
        """The call was answered, or given up."""
        self._in_flight -= 1
        self._resting.append(now + self._span)

    def unused(self) -> None:
        """The call was never sent."""
        self._in_flight -= 1
