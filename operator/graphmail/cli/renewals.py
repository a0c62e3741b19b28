"""Requests for renewals, a few at a time, and the wait for what becomes of them."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from graphmail.cli.bulk import Run
from graphmail.cli.failures import FAILED
from graphmail.cli.output import Screen, bar, count
from graphmail.cli.requests import Fate, Outcome, answer, no_answer, pending, request
from graphmail.cli.selection import Selection
from graphmail.cli.spans import human
from graphmail.cluster import Cluster, ClusterUnavailable
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import ANNOTATION_RENEW

POLL_SECONDS = 1.0
AT_ONCE = 8
"""Calls to the API server."""
WINDOW = 200
"""Mailboxes that are asked for and not answered. Graph renews at most 100 a second for an app, so more would only stand in line."""
QUEUED_ROUNDS = 5
"""What waits for Graph's quota is looked at only every so many rounds."""
FEW = 20
"""Of more mailboxes than these, a terminal shows only those that need a look; the others are in the bar."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to renew, and how long to wait."""

    selection: Selection
    again: bool
    wait: bool
    timeout: timedelta


class Renewals:
    """Requests for renewals, and the wait for what becomes of them.

    Args:
        clock: seconds, for the end of the wait.
    """

    def __init__(
        self, cluster: Cluster, screen: Screen, wish: Wish, run: Run, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cluster = cluster
        self._screen = screen
        self._wish = wish
        self._run = run
        self._clock = clock
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._ahead: list[GraphMailSubscription] = []
        """Not asked for yet; the next one last."""
        self._asked: dict[str, tuple[Outcome, str]] = {}
        """Not answered yet: the request, and its value."""
        self._queued: dict[str, Outcome] = {}
        """Of those, the ones that wait for Graph's quota."""
        self._seen: dict[str, tuple[GraphMailSubscription, GraphMailSubscription]] = {}
        """Each as it was at first, and as it was last seen."""
        self._done: list[Outcome] = []
        self._heard = 0.0

    async def carry_out(self, resources: Sequence[GraphMailSubscription]) -> int:
        """Ask for all of them, tell what became of each, and return the exit code.

        Raises:
            ClusterError: the API server refuses, or cannot be reached for a request.
        """
        never = datetime.max.replace(tzinfo=UTC)
        self._ahead = sorted(resources, key=lambda one: one.status.expiration_time or never, reverse=True)
        self._seen = {one.metadata.name: (one, one) for one in resources}
        self._heard = begun = self._clock()
        total = len(resources)
        try:
            with self._screen.progress(self._state(total, 0.0)) as show:
                rounds = 0
                while await self._ask() or self._asked:
                    await self._look(queued=rounds % QUEUED_ROUNDS == 0)
                    rounds += 1
                    show(self._state(total, self._clock() - begun))
                    if self._clock() - self._heard >= self._wish.timeout.total_seconds():
                        break
                    if self._asked:
                        await asyncio.sleep(POLL_SECONDS)
        except asyncio.CancelledError:
            if self._run.bulk:
                self._screen.note(f"stopped: {self._summary()}; the same command goes on with the rest")
            raise
        self._give_up()
        if len(self._done) > 1:
            self._screen.note(summary(self._done))
        return FAILED if any(bad(outcome, self._wish.selection) for outcome in self._done) else 0

    async def _ask(self) -> bool:
        """Ask for as many as there is room for; whether any is left."""
        while self._ahead and len(self._asked) - len(self._queued) < WINDOW:
            batch = [self._ahead.pop() for _ in range(min(AT_ONCE, len(self._ahead)))]
            for outcome, value in await asyncio.gather(*map(self._request, batch)):
                if outcome.fate is Fate.REQUESTED and self._wish.wait:
                    self._asked[outcome.name] = (outcome, value)
                else:
                    self._tell(outcome)
        return bool(self._ahead)

    async def _request(self, resource: GraphMailSubscription) -> tuple[Outcome, str]:
        value = resource.metadata.annotations.get(ANNOTATION_RENEW, "")
        if not self._wish.again and pending(resource) and self._run.bulk and self._run.asked_by(value):
            return Outcome(resource.metadata.name, resource.spec.mailbox, Fate.REQUESTED), value
        async with self._limit:
            asked = await request(self._cluster, resource, self._run.value, again=self._wish.again)
        return asked, self._run.value

    async def _look(self, *, queued: bool) -> None:
        """See what became of those that are waited for. An API server that is away for a while is waited for too."""
        names = [name for name in self._asked if queued or name not in self._queued]
        try:
            found = await asyncio.gather(*map(self._fetch, names))
        except ClusterUnavailable:
            return
        for name, resource in zip(names, found, strict=True):
            outcome, value = self._asked[name]
            gone = replace(outcome, fate=Fate.GONE)
            answered = gone if resource is None else answer(resource, value, datetime.now(UTC))
            if resource is not None:
                self._seen[name] = (self._seen[name][0], resource)
            if answered is not None:
                self._take(name, answered)

    async def _fetch(self, name: str) -> GraphMailSubscription | None:
        async with self._limit:
            body = await self._cluster.subscription(name)
        return None if body is None else GraphMailSubscription.parse(body)

    def _take(self, name: str, answered: Outcome) -> None:
        if answered.fate is Fate.QUEUED:
            if name not in self._queued:
                self._heard = self._clock()
            self._queued[name] = answered
            return
        self._heard = self._clock()
        self._queued.pop(name, None)
        del self._asked[name]
        self._tell(answered)

    def _give_up(self) -> None:
        """Tell about those that nobody answered in time; what waits for quota is in the operator's hands."""
        for name, (outcome, _) in self._asked.items():
            message = no_answer(*self._seen[name], self._wish.timeout, datetime.now(UTC))
            late = replace(outcome, fate=Fate.UNANSWERED, message=message)
            self._tell(self._queued.get(name, late))
        for resource in reversed(self._ahead):
            left = "not asked for, since nobody answers: is the operator running?"
            self._tell(Outcome(resource.metadata.name, resource.spec.mailbox, Fate.UNANSWERED, left))

    def _tell(self, outcome: Outcome) -> None:
        self._done.append(outcome)
        many = len(self._ahead) + len(self._asked) + len(self._done) > FEW
        if not (many and self._screen.terminal and outcome.fate in {Fate.RENEWED, Fate.REQUESTED}):
            self._screen.say(line(outcome))

    def _state(self, total: int, seconds: float) -> str:
        """The bar: how many are done, how many wait for quota, and how long it goes on at this pace."""
        done = len(self._done)
        parts = [f"{bar(done, total)} {done}/{total}"]
        if self._queued:
            parts.append(f"{len(self._queued)} waiting for quota")
        if FEW < done < total:
            parts.append(f"about {human(timedelta(seconds=seconds * (total - done) / done))} left")
        return ", ".join(parts)

    def _summary(self) -> str:
        told = summary(self._done) if self._done else "nothing was answered"
        asked = f", {len(self._asked)} asked for" if self._asked else ""
        return f"{told}{asked}" + (f", {len(self._ahead)} not yet asked for" if self._ahead else "")


def bad(outcome: Outcome, selection: Selection) -> bool:
    """What was asked for did not happen. To skip a mailbox is right where nobody named it."""
    right = {Fate.REQUESTED, Fate.RENEWED, Fate.QUEUED} | (set() if selection.names else {Fate.SKIPPED})
    return outcome.fate not in right


def line(outcome: Outcome) -> str:
    """One outcome for people."""
    return f"{outcome.mailbox}  {outcome.fate}" + (f": {outcome.message}" if outcome.message else "")


def summary(done: Collection[Outcome]) -> str:
    """How many there are of each fate."""
    counts = Counter(outcome.fate for outcome in done)
    return f"{count(len(done), 'mailbox', 'mailboxes')}: {', '.join(f'{counts[fate]} {fate}' for fate in Fate if counts[fate])}"
