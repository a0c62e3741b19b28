"""Whatever is lost, late or killed, and whatever their clocks show: no two candidates ever hold the lease at the same time.

Worlds by the thousand, each played from a seed, so that a failure names the one that it was found in.
"""

import itertools
from dataclasses import dataclass
from random import Random

import pytest

from graphmail.election import Candidate, Move, Record, Terms

TERMS = Terms(15)
WORLDS = 4_000
STEPS = 60


class Server:
    """A Lease with the API server's precondition on its version."""

    def __init__(self) -> None:
        self.record: Record | None = None
        self._versions = itertools.count()

    def write(self, holder: str, over: Record | None) -> Record | None:
        """None: refused, since something else is there."""
        if self.record != over:
            return None
        self.record = Record(holder, TERMS.seconds, 0, str(next(self._versions)))
        return self.record


@dataclass(eq=False)
class Process:
    """A candidate on a machine whose steady clock began anywhere."""

    candidate: Candidate
    offset: float
    unsure: bool = True
    """It must read the lease before it writes."""


@dataclass(eq=False)
class Write:
    """A request on its way."""

    process: Process
    over: Record | None
    asked_at: float
    given_up: bool = False


class World:
    """Two candidates, one Lease, and a network that may keep any write for any time."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = 0.0
        self.server = Server()
        self.names = (f"process {number}" for number in itertools.count())
        self.processes = [self.started(5_000.0), self.started(-90.0)]
        self.flying: list[Write] = []

    def started(self, offset: float) -> Process:
        return Process(Candidate(next(self.names), TERMS), offset)

    def play(self) -> int:
        """How many steps somebody held the lease in."""
        held = 0
        for _ in range(STEPS):
            [act] = self.random.choices([self.look, self.wait, self.arrive_late, self.end], [8, 8, 2, 1])
            act()
            holders = [one.candidate.name for one in self.processes if one.candidate.holds(self.now + one.offset)]
            assert len(holders) <= 1, holders
            held += len(holders)
        return held

    def wait(self) -> None:
        self.now += self.random.choice([0.5, 2.0, 4.9, 5.0, 10.0, 15.0])

    def look(self) -> None:
        """What a look at the lease leads to."""
        one = self.random.choice(self.processes)
        candidate, now = one.candidate, self.now + one.offset
        for write in self.flying:
            if write.process is one:
                write.given_up = one.unsure = True
        if one.unsure or not candidate.leading:
            candidate.see(self.server.record, now)
            one.unsure = False
        move = candidate.move(now)
        if move is Move.YIELD:
            self.replace(one)
        elif move is not Move.WAIT:
            [fate] = self.random.choices(["answered", "answer lost", "late"], [6, 1, 2])
            write = Write(one, candidate.record, asked_at=now, given_up=fate == "answer lost")
            one.unsure = write.given_up
            self.flying.append(write)
            if fate != "late":
                self.arrive(write)

    def arrive_late(self) -> None:
        if self.flying:
            self.arrive(self.random.choice(self.flying))

    def arrive(self, write: Write) -> None:
        """At the server, and its answer at the sender, if that still waits for it."""
        self.flying.remove(write)
        one = write.process
        written = self.server.write(one.candidate.name, write.over)
        if write.given_up or one not in self.processes:
            return
        if written is None:
            one.unsure = True
        else:
            one.candidate.renewed(written, write.asked_at)

    def end(self) -> None:
        """Killed, or told to stop, which gives the lease back."""
        one = self.random.choice(self.processes)
        record = one.candidate.record
        if one.candidate.leading and record is not None and self.random.random() < 0.5:
            self.server.write("", record)
        self.replace(one)

    def replace(self, one: Process) -> None:
        """It has ended, and is started again."""
        self.processes[self.processes.index(one)] = self.started(one.offset)


def test_at_most_one_ever_holds_the_lease_and_mostly_one_does() -> None:
    held = 0
    for seed in range(WORLDS):
        try:
            held += World(seed).play()
        except AssertionError as error:
            pytest.fail(f"world {seed}: {error}")
    assert held > WORLDS * STEPS / 4
