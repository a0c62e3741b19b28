"""What a request of Graph leads to: for each route, from the body to the status of the answer."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

import structlog

from graphmail.receiver.arrivals import Arrivals
from graphmail.receiver.counting import CHANGE, OTHER, Lane, Outcome, ReceiverMetrics
from graphmail.receiver.forwarding import UNAVAILABLE, Forwarding
from graphmail.receiver.handing import Handing, NotHanded
from graphmail.receiver.reading import Notification
from graphmail.receiver.roster import Known, Roster
from graphmail.receiver.sparingly import Sparingly
from graphmail.resource.lifecycle import LifecycleEvent

_log = structlog.get_logger("graphmail.receiver")

ACCEPTED = 202
Tally = Counter[tuple[str, Outcome]]
"""How many of each kind had which outcome: one request counts once for each, whatever anybody has put into it."""
_EVENTS = frozenset(event.value for event in LifecycleEvent)


class Request(Protocol):
    """What is known of a request beside its items."""

    @property
    def body(self) -> bytes:
        """As it came."""

    @property
    def query(self) -> str:
        """As it came."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Those that are passed on."""


class Checking:
    """Tells what can be believed: a subscription that is known, and its clientState."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._sparingly = Sparingly()

    def check(self, item: Notification) -> tuple[Known | None, Outcome]:
        """Whose it is where it is proven, else None and why not."""
        known = self._roster.find(item.subscription_id)
        if known is None:
            return None, Outcome.UNKNOWN
        fingerprint = known.states[item.subscription_id]
        if not fingerprint:
            return None, Outcome.UNPROVEN
        return (known, Outcome.TAKEN) if item.proves(fingerprint) else (None, Outcome.WRONG_STATE)

    def refuse(self, item: Notification, kind: str, outcome: Outcome) -> None:
        """Tell of some of what cannot be believed."""
        if (left_out := self._sparingly.may()) is not None:
            known = self._roster.find(item.subscription_id)
            _log.warning(
                "a notification that proves nothing changes nothing",
                subscription=item.subscription_id,
                kind=kind,
                why=outcome.value,
                name=known.name if known else None,
                not_told=left_out,
            )


class Lifecycle:
    """Lifecycle notifications: what is proven is handed to the operator."""

    def __init__(
        self, roster: Roster, handing: Handing, metrics: ReceiverMetrics, *, now: Callable[[], datetime], most: int
    ) -> None:
        self._roster = roster
        self._handing = handing
        self._metrics = metrics
        self._now = now
        self._checking = Checking(roster)
        self._room = most
        metrics.in_flight(Lane.LIFECYCLE, lambda: most - self._room)

    async def take(self, items: list[Notification], _: Request) -> int:
        """202 when all that is proven stands at the API server; 503 when it does not, or when we cannot know yet whose it is."""
        proven: list[tuple[Known, str, LifecycleEvent]] = []
        tally = Tally()
        for item in items:
            known, outcome = self._checking.check(item)
            if known is not None and item.event in _EVENTS:
                proven.append((known, item.subscription_id, LifecycleEvent(item.event)))
                continue
            kind = item.event if item.event in _EVENTS else OTHER
            if outcome is Outcome.UNKNOWN and not self._roster.current:
                outcome = Outcome.NOT_TAKEN
            elif known is None:
                self._checking.refuse(item, item.event or OTHER, outcome)
            else:
                outcome = Outcome.IGNORED
            tally[kind, outcome] += 1
        self._metrics.notifications(tally)
        away = any(outcome is Outcome.NOT_TAKEN for _, outcome in tally)
        stored = await self._store(proven)
        return ACCEPTED if stored and not away else UNAVAILABLE

    async def _store(self, proven: list[tuple[Known, str, LifecycleEvent]]) -> bool:
        outcome = Outcome.TAKEN
        if proven and not await self._hand(proven):
            outcome = Outcome.NOT_TAKEN
        self._metrics.notifications(Tally((event.value, outcome) for _, _, event in proven))
        for known, subscription, event in proven:
            _log.info(
                "a lifecycle notification",
                subscription=subscription,
                kind=event.value,
                name=known.name,
                outcome=outcome.value,
            )
        return outcome is Outcome.TAKEN

    async def _hand(self, proven: list[tuple[Known, str, LifecycleEvent]]) -> bool:
        if self._room <= 0:
            return False
        self._room -= 1
        try:
            await self._handing.hand(proven, self._now())
        except NotHanded as error:
            _log.warning("lifecycle notifications could not be stored; Graph is told to come again", error=str(error))
            return False
        finally:
            self._room += 1
        return True


class Changes:
    """Change notifications: the product has the word, and afterwards the time is kept."""

    def __init__(
        self,
        roster: Roster,
        forwarding: Forwarding,
        arrivals: Arrivals,
        metrics: ReceiverMetrics,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._forwarding = forwarding
        self._arrivals = arrivals
        self._metrics = metrics
        self._now = now
        self._checking = Checking(roster)

    async def take(self, items: list[Notification], request: Request) -> int:
        """The product's status. It compares clientStates itself: what proves nothing to us is passed on too, in a lane of its own."""
        checked = [(item, *self._checking.check(item)) for item in items]
        proven = [known for _, known, _ in checked if known is not None]
        status = await self._forwarding.forward(request.body, request.query, request.headers, proven=bool(proven))
        taken = 200 <= status < 300
        if taken:
            at = self._now()
            for known in proven:
                self._arrivals.note(known, at)
        for item, whose, outcome in checked:
            if whose is None:
                self._checking.refuse(item, CHANGE, outcome)
        told = Outcome.TAKEN if taken else Outcome.NOT_TAKEN
        self._metrics.notifications(
            Tally((CHANGE, outcome if whose is None else told) for _, whose, outcome in checked)
        )
        return status
