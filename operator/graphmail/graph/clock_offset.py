"""How far our clock is from Graph's, by the `Date` header of its answers."""

from collections import deque
from datetime import datetime, timedelta

from graphmail.graph.text import http_date

SAMPLES = 9
WARN_ABOVE = timedelta(minutes=1)
BELIEVABLE = timedelta(days=366)
"""A header that is further off was not written by a clock."""
_HALF_A_SECOND = timedelta(seconds=0.5)


class ClockOffset:
    """The median of the last few answers: one slow or odd answer moves nothing."""

    def __init__(self) -> None:
        self._samples: deque[timedelta] = deque(maxlen=SAMPLES)
        self._last_header: str | None = None
        self._warned = False
        self.value = timedelta(0)
        """Graph's time minus ours."""

    def observe(self, date: str | None, sent_at: datetime, received_at: datetime) -> bool:
        """Take an answer into account. True, once until it is well again: the clocks are more than a minute apart.

        `Date` drops the fraction of its second, so half a second is added; Graph wrote it halfway between the two moments.
        """
        if date is None or date == self._last_header:
            return False
        moment = http_date(date)
        if moment is None:
            return False
        self._last_header = date
        if abs(moment - received_at) > BELIEVABLE:
            return False
        self._samples.append(moment + _HALF_A_SECOND - (sent_at + (received_at - sent_at) / 2))
        self.value = sorted(self._samples)[len(self._samples) // 2]
        apart = abs(self.value) > WARN_ABOVE
        warn = apart and not self._warned
        self._warned = apart
        return warn
