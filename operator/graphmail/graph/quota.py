"""Whose turn it is at Graph: one budget an app and one an Entra tenant, by kind of call, spent on what expires first."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

from graphmail.graph.errors import NoTurn
from graphmail.graph.lane import Lane, Waiter
from graphmail.graph.mailboxes import Mailboxes
from graphmail.graph.meaning import Meaning
from graphmail.graph.spending import CallKind, Limits, Spender


class Turn:
    """The right to one call of its kind. Give it back after the answer, or as soon as it is clear that there will be no call."""

    __slots__ = ("_give_back", "kind")

    def __init__(self, kind: CallKind, give_back: Callable[[bool], None]) -> None:
        self.kind = kind
        self._give_back: Callable[[bool], None] | None = give_back

    @property
    def over(self) -> bool:
        """It was given back."""
        return self._give_back is None

    def give_back(self, *, used: bool = True) -> None:
        """Used: Graph may have counted the call. Unused: it was never sent. Only the first time counts."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back(used)


class Budget:
    """Gives turns, a person's forced renewal first, then the earliest expiry, as fast as Graph allows and no faster."""

    def __init__(self, limits: Limits | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: monotonic seconds. Not the loop's by default: uvloop's stands still while a callback runs."""
        self.limits = limits or Limits()
        self._clock = clock
        self._lanes: dict[tuple[str, CallKind], Lane] = {}
        self._holds: dict[tuple[str, str], float] = {}
        self._mailboxes = Mailboxes(self.limits.mailbox_at_once, clock)

    async def acquire(self, kind: CallKind, spender: Spender, *, give_up: float | None = None) -> Turn:
        """Wait for a turn, `give_up` seconds at most. A wait that is cancelled gives its place away.

        Raises:
            NoTurn: time was up, or the tenant or mailbox is on hold for longer than that. Nothing was spent.
        """
        if give_up is not None:
            self._refuse_long_hold(spender, give_up)
        lane = self._lane(spender.app, kind)
        waiter = lane.enter(spender)
        turn = Turn(kind, partial(_give_back, lane, waiter))
        try:
            async with asyncio.timeout(give_up):
                await waiter.turn
        except asyncio.CancelledError:
            if _granted(waiter):
                turn.give_back(used=False)
            raise
        except TimeoutError as timeout:
            if not _granted(waiter):
                text = (
                    f"no turn within {give_up:.0f} s: the quota is spent on more urgent work, or the tenant is on hold"
                )
                raise NoTurn(Meaning.THROTTLED, text) from timeout
        return turn

    def hold_tenant(self, spender: Spender, seconds: float) -> None:
        """Graph told this app and tenant to wait: none of its calls, of whatever kind, gets a turn before that."""
        now = self._clock()
        self._holds = {key: until for key, until in self._holds.items() if until > now}
        key = (spender.app, spender.directory)
        self._holds[key] = max(self._holds.get(key, 0.0), now + seconds)

    def hold_mailbox(self, spender: Spender, seconds: float) -> None:
        """Outlook told this app and mailbox to wait."""
        self._mailboxes.hold(spender, self._clock() + seconds)

    @property
    def waiting(self) -> int:
        """How many calls wait for their turn."""
        return sum(lane.waiting for lane in self._lanes.values())

    def _lane(self, app: str, kind: CallKind) -> Lane:
        lane = self._lanes.get((app, kind))
        if lane is None:
            held = partial(self._held_until, app)
            lane = Lane(self.limits.of(kind), self.limits, self._mailboxes, held, self._clock)
            self._lanes[app, kind] = lane
        return lane

    def _held_until(self, app: str, directory: str) -> float:
        return self._holds.get((app, directory), 0.0)

    def _refuse_long_hold(self, spender: Spender, give_up: float) -> None:
        until = max(self._held_until(spender.app, spender.directory), self._mailboxes.held_until(spender))
        left = until - self._clock()
        if left > give_up:
            raise NoTurn(Meaning.THROTTLED, f"Graph said to wait; {left:.0f} s are left of that", retry_after=left)


def _granted(waiter: Waiter) -> bool:
    return waiter.turn.done() and not waiter.turn.cancelled()


def _give_back(lane: Lane, waiter: Waiter, used: bool) -> None:
    lane.give_back(waiter, used=used)
