"""How long to wait after a failure. Kept in the status as a moment, so that a restart does not retry everything at once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

FIRST = timedelta(seconds=30)
LONGEST = timedelta(hours=1)
LEAST = timedelta(seconds=10)
UNCOVERED = timedelta(minutes=5)
"""The longest quick pause while there is no live subscription: soon enough for one mailbox, and bearable from a whole fleet."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=15)
"""Between tries to tell a store what it refuses (a missing right, a webhook): it doubles, since a whole fleet may be refused."""


class Pace(StrEnum):
    """How soon a failure is worth another try."""

    QUICK = "quick"
    """It heals by itself, usually soon: exponential, from half a minute to an hour."""
    SLOW = "slow"
    """It heals by itself, but in its own time (an access policy spreading, our endpoint coming back): a quarter to a whole hour."""


def retry_delay(
    pace: Pace,
    failures: int,
    random: Callable[[], float],
    *,
    told: timedelta | None = None,
    left: timedelta | None = None,
) -> timedelta:
    """The time until the next attempt, with full jitter.

    Args:
        pace: how soon it is worth another try.
        failures: failed attempts in a row, this one included.
        random: a number in [0, 1).
        told: what Graph's Retry-After said; never undercut.
        left: what is left of the subscription; near its end the tries come closer, since a gap is the worst outcome. Once it has
            expired, or is lost (None), there is no end to hurry towards, and a fleet that hammers would only make an outage longer.
    """
    least, longest = timedelta(), min(LONGEST, FIRST * (1 << min(max(failures - 1, 0), 16)))
    if pace is Pace.SLOW:
        least, longest = LONGEST / 4, LONGEST
    longest = min(longest, _limit(pace, left))
    least = min(least, longest / 2)
    delay = least + (longest - least) * random()
    return max(delay, LEAST, told or timedelta())


def _limit(pace: Pace, left: timedelta | None) -> timedelta:
    if left is not None and left > timedelta():
        return max(left / 4, FIRST)
    return UNCOVERED if pace is Pace.QUICK else LONGEST


@dataclass(slots=True)
class Pause:
    """The wait between tries to tell a store what it refuses for one mailbox."""

    refusals: int = 0
    """How often in a row."""
    until: datetime | None = None
    """When it is tried again by itself."""
    _begun: int = 0

    def refused(self, now: datetime, *, told: timedelta = timedelta()) -> None:
        """Wait, twice as long as the last time. What is refused to work that could not wait makes a running wait no longer.

        Args:
            told: what the store asked for; never undercut.
        """
        self.refusals += 1
        if self.lasts_until(now) is None:
            doubled: timedelta = FIRST_PAUSE * (1 << min(self._begun, 16))
            self.until = now + min(doubled, LONGEST_PAUSE)
            self._begun += 1
        self.until = max(self.until or now, now + told)

    def lasts_until(self, now: datetime) -> datetime | None:
        """When the wait ends; None: it is over, or there is none."""
        return self.until if self.until is not None and now < self.until else None

    def lift(self) -> None:
        """There is hope again: it may be tried at once. If it is in vain, the next wait is longer all the same."""
        self.until = None

    def taken(self) -> int:
        """It was taken. Returns how often it was refused before."""
        refusals, self.refusals, self.until, self._begun = self.refusals, 0, None, 0
        return refusals
