"""When a mailbox usually gets mail, by the hour of the week, learned from the moments at which notifications arrived. Pure.

One is held for each mailbox in memory, so it is small: a byte for each hour of the week, and three numbers. Nothing is done while time
passes; what the hours without an arrival tell is learned with the next arrival.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOURS = 168
"""Of a week, in UTC: where clocks are put forward and back, the rhythm is an hour off until that is learned."""
BURST = timedelta(minutes=10)
"""What arrives within this of the last one that was counted is the same burst: twenty mails of one thread tell of one moment."""
MOST_AN_HOUR = 6
"""Follows from it."""
WEEKS = 8
"""How many weeks are remembered: each further one replaces an eighth of what is known of its hours."""
ENOUGH = 6.0
"""So many arrivals were expected that none is unlikely: about one silence in four hundred, e^-6."""
SOONEST = timedelta(hours=1)
"""No silence is remarkable before this."""
UNLEARNED = timedelta(hours=12)
"""What counts as long for a mailbox of which less than a week is known."""
LONGEST = timedelta(hours=24)
"""No mailbox is taken on trust for longer: to look costs one call."""

_HOUR = 3600
_UNIT = 40
"""Steps of a weight for one arrival an hour; the most, six, are 240, and a byte holds them."""
_BURST_SECONDS = int(BURST.total_seconds())


@dataclass(frozen=True, slots=True)
class Kept:
    """A rhythm as it is kept in Postgres."""

    weights: bytes
    since: datetime
    last: datetime
    counted: int


class Rhythm:
    """How many arrivals are to be expected in each hour of the week."""

    __slots__ = ("_counted", "_last", "_since", "_weights")

    def __init__(self, first: datetime) -> None:
        """`first`: when a notification first arrived, as far as known."""
        self._weights = bytearray(HOURS)
        self._last = int(first.timestamp())
        self._since = self._last // _HOUR
        self._counted = 1
        """Arrivals in the hour of the last one, which is not over."""

    @classmethod
    def of(cls, kept: Kept) -> "Rhythm | None":
        """The rhythm that was kept; None where that cannot be read: it is learned anew."""
        if len(kept.weights) != HOURS or max(kept.weights) > MOST_AN_HOUR * _UNIT or kept.last < kept.since:
            return None
        rhythm = cls(kept.since)
        rhythm._weights = bytearray(kept.weights)
        rhythm._last = int(kept.last.timestamp())
        rhythm._counted = min(max(kept.counted, 0), MOST_AN_HOUR)
        return rhythm

    def kept(self) -> Kept:
        """As it is to be kept."""
        return Kept(bytes(self._weights), _moment(self._since * _HOUR), _moment(self._last), self._counted)

    def saw(self, arrived: datetime) -> bool:
        """A notification arrived then. False: it tells nothing new, as it is older than the last one or of the same burst."""
        second = int(arrived.timestamp())
        if second < self._last + _BURST_SECONDS:
            return False
        before, hour = self._last // _HOUR, second // _HOUR
        if hour > before:
            self._close(before, hour)
        self._counted += 1
        self._last = second
        return True

    def learned(self, now: datetime) -> bool:
        """Each hour of the week was seen at least once."""
        return now.timestamp() // _HOUR - self._since >= HOURS

    def expected(self, start: datetime, end: datetime) -> float:
        """How many arrivals are to be expected in that span."""
        first, last = start.timestamp() / _HOUR, end.timestamp() / _HOUR
        hours = range(int(first), int(last) + 1)
        return sum(self._weight(hour) * max(min(hour + 1, last) - max(hour, first), 0.0) for hour in hours)

    def patience(self, start: datetime) -> timedelta:
        """How long a silence that begins then is normal."""
        if not self.learned(start):
            return UNLEARNED
        at, expected = start.timestamp() / _HOUR, 0.0
        latest = at + LONGEST.total_seconds() / _HOUR
        while at < latest:
            hour = int(at)
            weight = self._weight(hour)
            more = weight * (hour + 1 - at)
            if expected + more >= ENOUGH:
                at += (ENOUGH - expected) / weight
                break
            expected += more
            at = hour + 1.0
        passed = timedelta(hours=at - start.timestamp() / _HOUR)
        return min(max(passed, SOONEST), LONGEST)

    def _weight(self, hour: int) -> float:
        return self._weights[hour % HOURS] / _UNIT

    def _close(self, before: int, hour: int) -> None:
        """Learn of the hour of the last arrival, and of those without one since then. A longer silence tells no more than a week of it."""
        self._learn(before, self._counted)
        for quiet in range(before + 1, min(hour, before + HOURS)):
            self._learn(quiet, 0)
        self._counted = 0

    def _learn(self, hour: int, arrivals: int) -> None:
        """A mean of the first weeks, and slow forgetting after them. It moves by one step at least, or the last traces would stay."""
        weeks = min(1 + (hour - self._since) // HOURS, WEEKS)
        place = hour % HOURS
        difference = arrivals * _UNIT - self._weights[place]
        self._weights[place] += difference // weeks if difference < 0 else -(-difference // weeks)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
