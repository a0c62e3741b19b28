"""The election at work: one thread asks for the lease, another watches the time, and the event loop is told what came of it.

Both threads are beside the event loop. It cannot keep them from giving up by hanging, since they speak for it only while its heartbeat
goes on; and it cannot be late by being busy, since it has nothing to do with the renewals themselves.
"""

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Protocol, Self

import structlog

from graphmail.cluster import ClusterError, ClusterUnavailable
from graphmail.election.candidate import Candidate, Move, Record, Standing, Terms
from graphmail.election.ending import end_now

_log = structlog.get_logger("graphmail.election")
_NOT_FOUND = 404
_CONFLICT = 409


class LeadershipLost(Exception):
    """Another process may hold the lease by now: this one must not act any more. The text says why."""


class Lease(Protocol):
    """The Lease at the API server; `LeaseClient` says what each call does."""

    def read(self) -> Record | None:
        """The lease; None when there is none."""

    def create(self, holder: str, seconds: float) -> Record:
        """A lease that is held from the start."""

    def take(self, holder: str, seconds: float, over: Record) -> Record:
        """Take over a lease that is free."""

    def renew(self, holder: str, seconds: float, over: Record) -> Record:
        """Prolong a lease of our own."""

    def give_back(self, over: Record) -> Record:
        """Blank the holder."""


def steady() -> float:
    """Seconds that never jump, and that go on while the machine sleeps: a lease runs out meanwhile."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Election:
    """This process's part in the election, from `async with` to its end, where a lease that is held is given back.

    Args:
        lease: used by one thread alone.
        name: who we are; no two processes have the same.
        silent_for: seconds since the event loop last moved. May be asked on any thread.
        stands_by: told on a thread of the election that another one holds the lease, and who.
        stand_in: something else keeps two processes apart while the API server is away: claims in Postgres. Then its absence does not end
            a holder, who must do no more than the claims allow meanwhile.
        clock: seconds that never go back.
        end: ends a process whose event loop does not stop after a loss.
    """

    def __init__(
        self,
        lease: Lease,
        name: str,
        terms: Terms,
        *,
        silent_for: Callable[[], float],
        stands_by: Callable[[str], None],
        stand_in: bool = False,
        clock: Callable[[], float] = steady,
        end: Callable[[], None] = end_now,
    ) -> None:
        self._lease = lease
        self._candidate = Candidate(name, terms)
        self._terms = terms
        self._silent_for = silent_for
        self._stands_by = stands_by
        self._stand_in = stand_in
        self._clock = clock
        self._end = end
        self._unanswered = False
        self._refused_since: float | None = None
        """By the clock, since the last look that was answered otherwise, or not at all."""
        self._outdated = True
        self._told: tuple[str, dict[str, str]] = ("", {})
        self._over = threading.Event()
        self._news = threading.Event()
        self._deciding = threading.Lock()
        self._verdict: Exception | None = None
        self._won = asyncio.Event()
        self._decided = asyncio.Event()
        self._threads = (
            threading.Thread(target=self._stand, name="election", daemon=True),
            threading.Thread(target=self._watch, name="watch over the election", daemon=True),
        )

    # --- what the event loop asks --------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._news.set()
        for thread in self._threads:
            await asyncio.to_thread(thread.join, self._terms.seconds)

    async def won(self, stop: asyncio.Event) -> bool:
        """Stand by until the lease is ours; False when told to stop before.

        Raises:
            ClusterError: the API server refuses the lease to us.
        """
        await _first_of(self._won, self._decided, stop)
        if self._verdict is not None:
            raise self._verdict
        return not stop.is_set()

    async def guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this work for as long as the lease is ours.

        Raises:
            LeadershipLost: it was lost, and the work was cancelled.
        """
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._raise_verdict(), name="the leader's lease")
                try:
                    await work
                finally:
                    watching.cancel()
        except BaseExceptionGroup as failed:
            if self._verdict is not None:
                raise self._verdict from failed
            raise

    async def _raise_verdict(self) -> None:
        await self._decided.wait()
        if self._verdict is not None:
            raise self._verdict

    def standing(self) -> Standing:
        """What we may do at this moment. Waits for nobody, and may be asked on any thread."""
        if not self._candidate.leading or self._verdict is not None or self._over.is_set():
            return Standing.OUT
        if self._candidate.holds(self._clock()):
            return Standing.HOLDS
        excused = self._stand_in and self._unanswered and self._silent_for() < self._terms.seconds
        return Standing.STOOD_IN_FOR if excused else Standing.OUT

    def holds(self) -> bool:
        """The lease is ours at this moment."""
        return self.standing() is Standing.HOLDS

    # --- the thread that asks for the lease ----------------------------------------------------------------------------

    def _stand(self) -> None:
        try:
            while not self._over.is_set() and self._verdict is None:
                self._look()
                self._over.wait(self._terms.period)
            if self._candidate.leading and self._verdict is None:
                self._give_back()
        except Exception as error:
            # A defect of ours: the thread is of no use any more, and the process ends with it.
            self._decide(error)

    def _look(self) -> None:
        """Ask once, and do what follows. Nothing is asked in the name of an event loop that does not move."""
        if self._silent_for() > self._terms.silence:
            return
        away, self._unanswered = self._unanswered, True
        try:
            self._step()
        except ClusterUnavailable:
            self._without_answer()
        except ClusterError as error:
            self._refused(error)
            self._unanswered = away and self._may_be_starting()
        else:
            self._unanswered, self._refused_since = False, None

    def _step(self) -> None:
        """Do what follows from the lease. What somebody has written to it since it was seen is seen at once: it may be a mere note."""
        try:
            self._act()
        except ClusterError as error:
            if error.status != _CONFLICT:
                raise
            self._outdated = True
            self._act()

    def _act(self) -> None:
        candidate, lease, terms = self._candidate, self._lease, self._terms
        if self._outdated or not candidate.leading:
            candidate.see(lease.read(), self._clock())
            self._outdated = False
        asked_at = self._clock()
        match (candidate.move(asked_at), candidate.record):
            case Move.CREATE, _:
                self._renewed(lease.create(candidate.name, terms.seconds), asked_at)
            case Move.TAKE, Record() as record:
                self._renewed(lease.take(candidate.name, terms.seconds, record), asked_at)
            case Move.RENEW, Record() as record:
                self._renewed(lease.renew(candidate.name, terms.seconds, record), asked_at)
            case Move.WAIT, Record() as record:
                self._wait_for(record.holder)
            case Move.YIELD, record:
                holder = (record and record.holder) or "nobody"
                self._decide(LeadershipLost(f"the lease is lost: it is held by {holder}"))

    def _renewed(self, record: Record, asked_at: float) -> None:
        self._candidate.renewed(record, asked_at)
        self._tell("leading: the lease is ours", holder=record.holder)
        self._news.set()
        self._call(self._won.set)

    def _refused(self, error: ClusterError) -> None:
        """Somebody was quicker, which the next look shows; or it is refused for good, as for want of a right."""
        self._outdated = True
        if error.status == _CONFLICT or (error.status == _NOT_FOUND and self._candidate.record is not None):
            return
        if not self._candidate.leading:
            self._decide(error)
            return
        _log.warning("the API server refuses to renew the lease", error=str(error), remedy=error.grant)

    def _may_be_starting(self) -> bool:
        """After an outage, an API server that does not know its roles and keys yet refuses everybody (401, 403) for a while."""
        now = self._clock()
        if self._refused_since is None:
            self._refused_since = now
        return now < self._refused_since + self._terms.renew_within

    def _without_answer(self) -> None:
        """What was asked for may have been done all the same: then the lease is of another version by now."""
        self._outdated, self._refused_since = True, None
        if not self._candidate.leading:
            self._tell("the API server cannot be reached: nobody can take the lease")
        elif self._stand_in and not self._candidate.holds(self._clock()):
            self._tell("the lease has run out, and the API server cannot be reached: only what holds a claim goes on")

    def _wait_for(self, holder: str) -> None:
        self._stands_by(holder)
        self._tell("standing by: another one holds the lease", holder=holder)

    def _tell(self, news: str, **fields: str) -> None:
        """Each change once."""
        if (news, fields) != self._told:
            self._told = (news, fields)
            (_log.info if fields else _log.warning)(news, **fields)

    def _give_back(self) -> None:
        candidate = self._candidate
        try:
            if self._outdated or self._unanswered:
                candidate.see(self._lease.read(), self._clock())
            if candidate.record is not None and candidate.record.holder == candidate.name:
                self._lease.give_back(candidate.record)
        except ClusterError as error:
            _log.warning("the lease could not be given back: it runs out by itself", error=str(error))

    # --- the thread that watches the time ------------------------------------------------------------------------------
    # It waits for nothing but time, and writes no log: whatever hangs, it comes to its end.

    def _watch(self) -> None:
        while not self._over.is_set() and self._verdict is None:
            self._news.wait(self._patience())
            self._news.clear()
            if self._candidate.leading and self.standing() is Standing.OUT and not self._over.is_set():
                self._decide(LeadershipLost(f"the lease is lost: {self._why_late()}"))
        if self._candidate.leading and self._verdict is not None and not self._over.wait(self._terms.stop_within):
            self._end()

    def _patience(self) -> float:
        left = self._candidate.acts_until - self._clock()
        return left if left > 0 else self._terms.period

    def _why_late(self) -> str:
        if self._silent_for() > self._terms.silence:
            return "the event loop did not move"
        return "the API server did not answer" if self._unanswered else "it was not renewed in time"

    def _decide(self, verdict: Exception) -> None:
        """The election is over for this process; the first verdict stands."""
        with self._deciding:
            if self._verdict is not None:
                return
            self._verdict = verdict
        self._news.set()
        self._call(self._decided.set)

    def _call(self, act: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed already: nobody waits any more
            self._loop.call_soon_threadsafe(act)


async def _first_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
