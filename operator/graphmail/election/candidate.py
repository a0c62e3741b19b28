"""A candidate for the lease: what it has seen, what follows from it, and until when it may act. No I/O, no threads, no clock.

Times are seconds of a clock that never goes back. A holder counts from the moment before it asks for a renewal, a standby from the moment
after it has seen one: so the holder always stops first, whatever their wall clocks say, and however long an answer takes.
"""

from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class Terms:
    """What is agreed about a lease. All else follows from its length, in the proportions of Kubernetes' own components (15, 10 and 2 s).

    Attributes:
        seconds: how long a renewal holds: a standby takes over that long after the last one that it saw.
    """

    seconds: float = 15.0

    @property
    def renew_within(self) -> float:
        """A holder that has not renewed for so long has lost: a third of the lease is left to stop in."""
        return self.seconds * 2 / 3

    @property
    def stop_within(self) -> float:
        """What a loser gets to stop in order, before it is ended by force; the lease lives a little longer."""
        return self.seconds / 5

    @property
    def period(self) -> float:
        """Between two renewals, and between two looks of a standby."""
        return self.seconds * 2 / 15

    @property
    def answer_within(self) -> float:
        """A request that takes longer has failed. Below `renew_within`, so that there is time for another one."""
        return self.seconds / 3

    @property
    def silence(self) -> float:
        """An event loop that has not moved for so long is not spoken for any more: nothing is renewed."""
        return self.seconds / 3


@dataclass(frozen=True, slots=True)
class Record:
    """A Lease, as the API server has it."""

    holder: str
    """Empty when it was given back."""
    seconds: float
    """How long its holder's renewals hold, by the holder's own terms; 0: it does not say."""
    transitions: int
    """How often it has changed hands."""
    version: str
    """Changes with every write."""


class Standing(Enum):
    """What a process may do at this moment."""

    HOLDS = auto()
    """Everything: nobody else can have the lease."""
    STOOD_IN_FOR = auto()
    """What holds a claim in Postgres, which stands in for the lease while the API server is away."""
    OUT = auto()
    """Nothing: another one may act."""


class Move(Enum):
    """What a candidate does next about the lease."""

    CREATE = auto()
    """There is none."""
    TAKE = auto()
    """It is nobody's, or was not renewed in time."""
    RENEW = auto()
    """It is ours."""
    WAIT = auto()
    """Another one holds it."""
    YIELD = auto()
    """It was ours, and is not any more."""


class Candidate:
    """One process that would act.

    Attributes:
        leading: it has won, and has not lost since; whether it may act is another question (`holds`).
        record: the lease as it was last seen; None: there is none, or it was not seen yet.
    """

    def __init__(self, name: str, terms: Terms) -> None:
        self.name = name
        self.terms = terms
        self.leading = False
        self.record: Record | None = None
        self.acts_until = float("-inf")
        """When the right to act ends, unless it is renewed before."""
        self._seen_at = float("-inf")

    def see(self, record: Record | None, now: float) -> None:
        """The lease was read; `now` is after the answer."""
        if record != self.record:
            self.record, self._seen_at = record, now

    def renewed(self, record: Record, asked_at: float) -> None:
        """The API server has written our name; `asked_at` is before the request."""
        self.record = record
        self.acts_until = asked_at + self.terms.renew_within
        self.leading = True

    def holds(self, now: float) -> bool:
        """It may act: nobody else can have the lease yet."""
        return self.leading and now < self.acts_until

    def move(self, now: float) -> Move:
        """What follows from what was seen last.

        A holder that finds anything but its own name has lost, also when it finds nobody's: whoever had the lease meanwhile has acted.
        """
        record = self.record
        if record is not None and record.holder == self.name:
            return Move.RENEW
        if self.leading:
            return Move.YIELD
        if record is None:
            return Move.CREATE
        expired = not record.holder or now >= self._seen_at + (record.seconds or self.terms.seconds)
        return Move.TAKE if expired else Move.WAIT
