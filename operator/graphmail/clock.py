"""The clock of everything that is about Graph: expiry, decisions, backoff, verification, and the times in rows and conditions.

It is the machine's own, except in a simulation, where a month passes in half an hour. Leases, claims, time-outs, quotas and Kopf's timers
are about machines and always keep real time.
"""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The moment, in UTC."""

    @property
    def rate(self) -> float:
        """Seconds of this clock in a real second: what is planned in its time and slept in real time is divided by it."""


class RealClock:
    """The machine's clock."""

    rate: float = 1.0

    def now(self) -> datetime:
        """The moment, in UTC."""
        return datetime.now(UTC)


class _Reading(NamedTuple):
    """What a simulated clock's file says."""

    monotonic: float
    """A moment of the machine's monotonic clock, which all its processes share."""
    simulated: float
    """Simulated seconds since 1970 at that moment."""
    rate: float
    paused: bool

    @classmethod
    def parse(cls, text: str) -> "_Reading":
        """Raises ValueError, TypeError or KeyError for what is no such reading."""
        fields = json.loads(text)
        reading = cls(
            float(fields["monotonic"]), float(fields["simulated"]), float(fields["rate"]), bool(fields["paused"])
        )
        if not 0 < reading.rate < float("inf"):
            raise ValueError("the rate must be above zero")
        return reading


class SimulatedClock:
    """A clock that somebody else sets, through a file that is replaced whole: origin, rate, and whether it stands still.

    While it is paused the rate stays what it was: what was planned comes too early then, finds nothing due and is planned again.
    """

    def __init__(self, path: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Raises OSError when the file cannot be read, and ValueError when it holds no clock."""
        self._path = path
        self._monotonic = monotonic
        self._seen = self._stamp()
        try:
            self._reading = _Reading.parse(path.read_text())
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path} holds no clock") from error

    def now(self) -> datetime:
        """The moment, in UTC."""
        reading = self._fresh()
        passed = 0.0 if reading.paused else (self._monotonic() - reading.monotonic) * reading.rate
        return datetime.fromtimestamp(reading.simulated + passed, UTC)

    @property
    def rate(self) -> float:
        """Simulated seconds in a real second."""
        return self._fresh().rate

    def _stamp(self) -> tuple[int, int]:
        found = os.stat(self._path)  # noqa: PTH116  # at every look at the clock, and Path.stat takes three times as long
        return found.st_ino, found.st_mtime_ns

    def _fresh(self) -> _Reading:
        """What the file says now; what it said last, while it cannot be read."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            stamp = self._stamp()
            if stamp != self._seen:
                self._reading = _Reading.parse(self._path.read_text())
                self._seen = stamp
        return self._reading


def clock_of(simulated: str | None) -> Clock:
    """The simulated clock of that file; None: the machine's own.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds no clock.
    """
    return RealClock() if simulated is None else SimulatedClock(Path(simulated))
