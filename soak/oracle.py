"""What should have been covered, and what was: pure, and built from the plan and the simulator's account alone.

A moment without a live subscription is avoidable unless something excuses it: a loss that nobody reported, until the verification that
must find it; a missing consent; a suspension. Nothing else does: no restart, no kill, no outage that is shorter than the lookahead.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Span(NamedTuple):
    """A stretch of simulated time, in seconds since 1970."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return max(0.0, self.end - self.start)

    def within(self, other: "Span") -> "Span":
        """What both have in common; of no length where that is nothing."""
        start = max(self.start, other.start)
        return Span(start, max(start, min(self.end, other.end)))


@dataclass(frozen=True, slots=True)
class Allowance:
    """What passes before something can be known and done, in simulated seconds."""

    verification: float
    """The operator's verification interval."""
    noticing: float
    """Until the mirror has seen a changed row."""
    handling: float
    """Machines work in real time, so that a look of a second takes half an hour: from being due to being done."""
    backoff: float
    """The longest pause between two tries, which may have begun right before an outage ended."""


@dataclass(slots=True)
class Expected:
    """What is expected for one mailbox."""

    since: float
    until: float | None = None
    """When its provider was deleted."""
    excuses: list[Span] = field(default_factory=list)

    def excuse(self, start: float, end: float) -> None:
        """This much of its time may be uncovered."""
        self.excuses.append(Span(start, end))


class Uncovered(NamedTuple):
    """Stretches without a subscription, those that should not be and those that could not be helped."""

    avoidable: list[Span]
    unavoidable: list[Span]

    def minutes(self) -> tuple[float, float]:
        """Of each, in simulated minutes."""
        return total(self.avoidable) / 60, total(self.unavoidable) / 60


def done_by(since: float, delay: float, outages: Sequence[Span], allowance: Allowance) -> float:
    """When something that came about silently must have been noticed and mended at the latest.

    Args:
        since: when it came about.
        delay: what passes usually until it is noticed.
        outages: of Graph, of sign-in and of the stores. While one goes on nothing can be created, so it delays what falls into it.
    """
    latest = since + delay + allowance.handling
    for outage in sorted(outages):
        if outage.start < latest and outage.end > since:
            latest = max(latest, outage.end + allowance.backoff + allowance.handling)
    return latest


def judge(expected: Expected, gaps: Iterable[Span], end: float) -> Uncovered:
    """Divide the gaps of a mailbox."""
    wanted = Span(expected.since, end if expected.until is None else min(end, expected.until))
    judged = Uncovered([], [])
    for gap in gaps:
        missing = gap.within(wanted)
        if missing.seconds <= 0:
            continue
        avoidable = without(missing, expected.excuses)
        judged.avoidable.extend(avoidable)
        judged.unavoidable.extend(without(missing, avoidable))
    return judged


def without(span: Span, others: Iterable[Span]) -> list[Span]:
    """What is left of a span."""
    left, start = [], span.start
    for other in sorted(others):
        if other.end <= start:
            continue
        if other.start >= span.end:
            break
        if other.start > start:
            left.append(Span(start, other.start))
        start = max(start, other.end)
    if start < span.end:
        left.append(Span(start, span.end))
    return left


def total(spans: Iterable[Span]) -> float:
    """Seconds, in sum."""
    return sum(span.seconds for span in spans)
