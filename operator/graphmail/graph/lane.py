"""One app's calls of one kind, waiting for their turns.

Each tenant has a queue of its own within the lane, so that a tenant that used up its limit, or was told to wait, stands
aside and stops nobody else.
"""

import asyncio
import heapq
import math
from collections.abc import Callable
from itertools import count

from graphmail.graph.mailboxes import Mailboxes
from graphmail.graph.spending import KindLimit, Limits, Spender
from graphmail.graph.window import Window

Order = tuple[int, float, int]


class Waiter:
    """A call that waits. Its turn has come when the future is done; a waiter that went away has cancelled it."""

    __slots__ = ("order", "queue", "spender", "turn")

    def __init__(self, spender: Spender, number: int, queue: "TenantQueue", turn: asyncio.Future[None]) -> None:
        self.order: Order = (*spender.order, number)
        self.spender = spender
        self.queue = queue
        self.turn = turn

    def __lt__(self, other: "Waiter") -> bool:
        return self.order < other.order


class TenantQueue:
    """A tenant's waiters, most urgent first. While it is asleep, none of them may go."""

    __slots__ = ("asleep_until", "directory", "listed", "waiters", "window")

    def __init__(self, directory: str, window: Window) -> None:
        self.directory = directory
        self.window = window
        self.waiters: list[Waiter] = []
        self.listed: Order | None = None
        """The order under which the lane's list of ready tenants has it; older entries there count for nothing."""
        self.asleep_until: float | None = None

    def head(self) -> Waiter | None:
        """The most urgent waiter that is still there."""
        while self.waiters and self.waiters[0].turn.done():
            heapq.heappop(self.waiters)
        return self.waiters[0] if self.waiters else None


class Lane:
    """Gives turns to the most urgent waiter whose tenant and mailbox may go."""

    def __init__(
        self,
        limit: KindLimit,
        limits: Limits,
        mailboxes: Mailboxes,
        held: Callable[[str], float],
        clock: Callable[[], float],
    ) -> None:
        self._span = limits.window + limits.guard
        self._tenant_limit = limit.tenant
        self._window = Window(limit.app, self._span, in_flight=limits.in_flight)
        self._mailboxes = mailboxes
        self._held = held
        """Until when a tenant is on hold."""
        self._clock = clock
        self._queues: dict[str, TenantQueue] = {}
        self._ready: list[tuple[Order, int, TenantQueue]] = []
        self._asleep: list[tuple[float, int, TenantQueue]] = []
        self._numbers = count()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = math.inf

    def enter(self, spender: Spender) -> Waiter:
        """Line up."""
        queue = self._queues.get(spender.directory)
        if queue is None:
            queue = TenantQueue(spender.directory, Window(self._tenant_limit, self._span))
            self._queues[spender.directory] = queue
        waiter = Waiter(spender, next(self._numbers), queue, asyncio.get_running_loop().create_future())
        self.admit(waiter)
        return waiter

    def admit(self, waiter: Waiter) -> None:
        """Let a waiter line up, or line up again after its mailbox kept it."""
        heapq.heappush(waiter.queue.waiters, waiter)
        self._list(waiter.queue)
        self._serve()

    def give_back(self, waiter: Waiter, *, used: bool) -> None:
        """The turn is over; used means that Graph may have counted the call."""
        now = self._clock()
        for window in (self._window, waiter.queue.window):
            if used:
                window.answered(now)
            else:
                window.unused()
        if waiter.queue.asleep_until == math.inf:
            self._wake(waiter.queue)
        self._mailboxes.leave(waiter.spender)
        self._serve()

    @property
    def waiting(self) -> int:
        """Waiters that have no turn yet, those kept by their mailbox excepted."""
        return sum(not waiter.turn.done() for queue in self._queues.values() for waiter in queue.waiters)

    def _serve(self) -> None:
        now = self._clock()
        while self._asleep and self._asleep[0][0] <= now:
            self._wake(heapq.heappop(self._asleep)[2])
        while self._ready and (ready_at := self._window.ready_at(now)) <= now:
            order, _, queue = heapq.heappop(self._ready)
            if order == queue.listed:
                queue.listed = None
                self._serve_tenant(queue, now)
        if self._asleep:
            self._set_alarm(self._asleep[0][0])
        if self._ready:
            self._set_alarm(ready_at)

    def _serve_tenant(self, queue: TenantQueue, now: float) -> None:
        ready_at = max(self._held(queue.directory), queue.window.ready_at(now))
        if ready_at > now:
            queue.asleep_until = ready_at
            if ready_at < math.inf:
                heapq.heappush(self._asleep, (ready_at, next(self._numbers), queue))
            return
        if waiter := queue.head():
            heapq.heappop(queue.waiters)
            if self._mailboxes.enter(waiter.spender, now, on_leave=lambda: self._readmit(waiter)):
                self._window.take(now)
                queue.window.take(now)
                waiter.turn.set_result(None)
        self._list(queue)

    def _readmit(self, waiter: Waiter) -> None:
        if not waiter.turn.done():
            self.admit(waiter)

    def _wake(self, queue: TenantQueue) -> None:
        queue.asleep_until = None
        self._list(queue)

    def _list(self, queue: TenantQueue) -> None:
        """Let the tenant stand among those that are ready, under its most urgent waiter."""
        if queue.asleep_until is not None:
            return
        head = queue.head()
        if head is not None and (queue.listed is None or head.order < queue.listed):
            queue.listed = head.order
            heapq.heappush(self._ready, (head.order, next(self._numbers), queue))

    def _set_alarm(self, when: float) -> None:
        if when >= self._alarm_at:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = when
        self._alarm = asyncio.get_running_loop().call_later(when - self._clock(), self._ring)

    def _ring(self) -> None:
        self._alarm, self._alarm_at = None, math.inf
        self._serve()
