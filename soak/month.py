"""The run itself: time flows, what the plan says happens, and what is expected is written down beside it."""

import heapq
import random
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from graphsim.client import SimulatorControl
from graphsim.control_run_models import FaultView
from localstack.messages import LocalStackError, say
from localstack.processes import wait_until
from rig.parts import Parts
from rig.population import Customer, Mailbox
from soak.oracle import Allowance, Expected, Span, done_by
from soak.plan import CHANGES_ROWS, DAY, RESTARTS, Happening, Plan, What
from soak.product import Product
from soak.replicas import Replicas
from soak.timekeeper import Timekeeper
from soak.webhook import Webhook

CLAIMS_SECONDS = 130.0
"""A claim holds for 120 (docs/decisions/claims.md)."""
ROWS_SECONDS = 60.0
"""Until the rows tell of what has arrived, on a machine that stood still for a moment."""
_NEEDS_STORES = CHANGES_ROWS | RESTARTS
"""These wait while a store is away."""
_LOOK_SECONDS = 0.02
_REVIVE_SECONDS = 1.0
_SAMPLE_SECONDS = 5.0
"""Between two looks at the replicas' metrics, which cost them processor time."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened, for the picture and for the reader of the logs."""

    what: What
    simulated: Span
    real: Span
    mailbox: str = ""
    """To which it happened; empty: to all."""


@dataclass(slots=True)
class Box:
    """A mailbox, and what is expected for it."""

    mailbox: Mailbox
    expected: Expected
    silent: list[tuple[float, float]] = field(default_factory=list)
    """What came about silently: since when it excuses, and when it began to be findable by the usual delay."""
    busy: bool = False
    """It is paused, or its consent is gone: nothing else happens to it now."""


@dataclass(slots=True)
class Month:
    """All that takes part."""

    plan: Plan
    parts: Parts
    control: SimulatorControl
    product: Product
    replicas: Replicas
    clock: Timekeeper
    allowance: Allowance
    boxes: list[Box]
    webhook: Webhook | None = None
    """None: no mail arrives."""
    daily: list[Callable[[], None]] = field(default_factory=list)
    """What is done once a simulated day."""
    marks: list[Mark] = field(default_factory=list)
    outages: list[Span] = field(default_factory=list)
    _coming: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _stores_away: set[What] = field(default_factory=set)
    _postponed: list[Callable[[], None]] = field(default_factory=list)
    _chance: random.Random = field(default_factory=random.Random)
    _order: int = 0
    _revived: float = 0.0
    _sampled: float = 0.0

    def run(self) -> None:
        """From the first moment to the last; the clock is held at both."""
        self._chance.seed(f"{self.plan.seed}/victims")
        for happening in self.plan.happenings:
            self._at(happening.at, self._begin(happening))
        end, told = self.clock.origin + self.plan.seconds, 0
        self.clock.let_go()
        while self.clock.now() < end:
            self._happen()
            self._tend()
            day = int((self.clock.now() - self.clock.origin) / DAY)
            if day > told:
                told = day
                self._tell(day)
                for deed in self.daily:
                    deed()
            time.sleep(_LOOK_SECONDS)
        self.clock.hold()

    def judged_excuses(self) -> None:
        """Turn what came about silently into excuses, now that all outages are known."""
        for box in self.boxes:
            for begun, findable in box.silent:
                delay = self.allowance.noticing if findable > begun else self.allowance.verification
                since = max(begun, findable)
                box.expected.excuse(begun, done_by(since, delay, self.outages, self.allowance))

    def _tell(self, day: int) -> None:
        """That it goes on, and how."""
        silenced = sum(mark.what is What.SUBSCRIPTION_SILENCED for mark in self.marks)
        deaths = f", {silenced} silent deaths" if self.webhook is not None else ""
        say(f"  day {day}: {len(self.boxes)} mailboxes, {self.replicas.restarts} restarts{deaths}")

    # --- the stream of events ----------------------------------------------------------------------------------------

    def _at(self, offset: float, what: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._coming, (self.clock.origin + offset, self._order, what))

    def _in(self, seconds: float, what: Callable[[], None]) -> None:
        self._at(self.clock.now() - self.clock.origin + seconds, what)

    def _happen(self) -> None:
        while self._coming and self._coming[0][0] <= self.clock.now():
            heapq.heappop(self._coming)[2]()

    def _tend(self) -> None:
        """Measure the replicas now and then, and start those that have ended."""
        if self.webhook is not None:
            self._await_rows(self.webhook)
        now = time.monotonic()
        if now - self._sampled > _SAMPLE_SECONDS:
            self._sampled = now
            for replica in self.replicas.running():
                replica.measure(self.clock.now())
        if now - self._revived < _REVIVE_SECONDS:
            return
        self._revived = now
        if not self._stores_away and len(self.replicas.running()) < 2:
            with self.clock.held():
                self.replicas.revive()
                self.replicas.acting()
                self._await_claims()

    def _await_rows(self, webhook: Webhook) -> None:
        """Rows are written in real time, and the operator believes them after the simulated time that a notification may take."""
        webhook.check()
        if webhook.late and not self._stores_away:
            with self.clock.held():
                wait_until(lambda: not webhook.late, ROWS_SECONDS)

    def _begin(self, happening: Happening) -> Callable[[], None]:
        actions: dict[What, Callable[[Happening], None]] = {
            What.GRAPH_OUTAGE: self._graph_outage,
            What.THROTTLING_STORM: self._storm,
            What.POSTGRES_OUTAGE: self._postgres_outage,
            What.PRODUCT_OUTAGE: self._product_outage,
            What.API_SERVER_OUTAGE: self._api_server_outage,
            What.SECRET_ROTATED: self._rotate,
            What.SECRET_REPLACED: self._rotate,
            What.CEILING_LOWERED: self._lower,
            What.SUBSCRIPTION_LOST: self._lose,
            What.CONSENT_REVOKED: self._revoke,
            What.PROVIDER_PAUSED: self._pause,
            What.PROVIDER_ADDED: self._add,
            What.PROVIDER_DELETED: self._delete,
            What.REPLICA_KILLED: self._restart,
            What.REPLICA_RESTARTED: self._restart,
            What.SUBSCRIPTION_SILENCED: self._silence,
        }

        def begin() -> None:
            if self._stores_away and happening.what in _NEEDS_STORES:
                self._postponed.append(begin)
                return
            actions[happening.what](happening)

        return begin

    def _with_stores(self, action: Callable[[], None]) -> Callable[[], None]:
        def later() -> None:
            if self._stores_away:
                self._postponed.append(later)
            else:
                action()

        return later

    def _mark(self, what: What, since: tuple[float, float] | None = None, mailbox: str = "") -> None:
        simulated, real = self.clock.now(), time.time()
        begun = since or (simulated, real)
        self.marks.append(Mark(what, Span(begun[0], simulated), Span(begun[1], real), mailbox))

    # --- outages -----------------------------------------------------------------------------------------------------

    def _lasting(self, happening: Happening, begin: Callable[[], object], end: Callable[[], object]) -> None:
        """An outage: how it begins and how it ends; while it is mended the clock stands still."""
        since = self.clock.now(), time.time()
        begin()

        def over() -> None:
            with self.clock.held():
                end()
                self.outages.append(Span(since[0], self.clock.now()))
                self._mark(happening.what, since)
                waiting, self._postponed = self._postponed, []
            for action in waiting:
                action()

        self._in(happening.seconds, over)

    def _graph_outage(self, happening: Happening) -> None:
        """A third of the calls gets no answer; Graph says 503, sign-in is busy."""
        faults: list[FaultView] = []

        def begin() -> None:
            faults.append(self.control.add_fault(drop=True, share=0.3))
            faults.append(self.control.add_fault("token", answer="signin-busy"))
            faults.append(self.control.add_fault(answer="service-unavailable"))

        self._lasting(happening, begin, lambda: self._lift(faults))

    def _storm(self, happening: Happening) -> None:
        """Most calls are too many. The pause that Graph asks for is a second of real time, which is half an hour here."""
        faults: list[FaultView] = []
        routes = ("create", "patch", "get", "list", "delete")

        def begin() -> None:
            faults.append(self.control.add_fault(*routes, answer="throttled", share=0.8, retry_after="1"))

        self._lasting(happening, begin, lambda: self._lift(faults))

    def _lift(self, faults: Iterable[FaultView]) -> None:
        for fault in faults:
            self.control.clear_fault(fault.id)

    def _postgres_outage(self, happening: Happening) -> None:
        self._without_store(happening, self.parts.postgres.stop, self.parts.postgres.start)

    def _api_server_outage(self, happening: Happening) -> None:
        self._without_store(happening, self.parts.cluster.stop_api_server, self.parts.cluster.start_api_server)

    def _product_outage(self, happening: Happening) -> None:
        """It takes no notification; Graph tries each again."""

        def takes(notifications: bool) -> Callable[[], object]:
            return lambda: self.control.change_settings(takes_notifications=notifications)

        self._lasting(happening, takes(False), takes(True))

    def _without_store(self, happening: Happening, stop: Callable[[], object], start: Callable[[], object]) -> None:
        def begin() -> None:
            self._stores_away.add(happening.what)
            stop()

        def end() -> None:
            start()
            self._stores_are_back(happening.what)

        self._lasting(happening, begin, end)

    def _stores_are_back(self, what: What) -> None:
        """Only then time flows: connections are made anew, and stores are asked whether they are back, in real time."""
        self._stores_away.discard(what)
        self.replicas.await_stores()
        self._await_claims()

    def _await_claims(self) -> None:
        """Claims keep real time: one that could not be given back blocks for two minutes, which must not become two days."""
        begun = datetime.now(UTC)
        if not wait_until(lambda: not self.product.claims_before(begun), CLAIMS_SECONDS):
            raise LocalStackError("claims that nobody works under did not run out")

    def _restart(self, happening: Happening) -> None:
        killed = happening.what is What.REPLICA_KILLED
        with self.clock.held():
            since = self.clock.now(), time.time()
            pid = self.replicas.end_acting(signal.SIGKILL if killed else signal.SIGTERM)
            if killed:
                self.product.let_claims_run_out(pid)
            self._await_claims()
            self._mark(happening.what, since)

    # --- Microsoft and the product -----------------------------------------------------------------------------------

    def _rotate(self, happening: Happening) -> None:
        """A new secret: beside the old one, which ends later; or instead of it, and the product learns of it later."""
        replaced = happening.what is What.SECRET_REPLACED
        since = self.clock.now(), time.time()
        self.product.add_secret(old_dies=replaced)
        if not replaced:
            self.product.store_secret()

        def end() -> None:
            if replaced:
                self.product.store_secret()
                self.outages.append(Span(since[0], self.clock.now() + self.allowance.noticing))
            else:
                self.product.end_old_secret()
            self._mark(happening.what, since)

        self._in(happening.seconds, self._with_stores(end))

    def _lower(self, happening: Happening) -> None:
        self.control.change_settings(ceiling_minutes=happening.minutes)
        self._mark(happening.what)

    def _calm(self) -> list[Box]:
        """Those to whom something may happen, in an order of chance."""
        calm = [box for box in self.boxes if not box.busy and box.expected.until is None]
        self._chance.shuffle(calm)
        return calm

    def _lose(self, happening: Happening) -> None:
        calm, now = self._calm(), self.clock.now()
        lost = self.product.lose(box.mailbox for box in calm)
        for box in calm:
            if box.mailbox is lost:
                box.silent.append((now, now))
        self._mark(happening.what)

    def _silence(self, happening: Happening) -> None:
        if self.product.silence(box.mailbox for box in self._calm()) is not None:
            self._mark(happening.what)

    def _revoke(self, happening: Happening) -> None:
        box = self._calm()[0]
        box.busy, begun = True, (self.clock.now(), time.time())
        self.product.revoke(box.mailbox)

        def consent() -> None:
            self.product.consent(box.mailbox)
            self._over(box, happening, begun)

        self._in(happening.seconds, self._with_stores(consent))

    def _pause(self, happening: Happening) -> None:
        box = self._calm()[0]
        box.busy, begun = True, (self.clock.now(), time.time())
        self.product.pause(box.mailbox)

        def resume() -> None:
            self.product.resume(box.mailbox)
            self._over(box, happening, begun)

        self._in(happening.seconds, self._with_stores(resume))

    def _over(self, box: Box, happening: Happening, begun: tuple[float, float]) -> None:
        box.busy = False
        box.silent.append((begun[0], self.clock.now()))
        self._mark(happening.what, begun, box.mailbox.address)

    def _add(self, happening: Happening) -> None:
        number, customer = len(self.boxes), Customer(happening.number % self.plan.customers)
        now = self.clock.now()
        mailbox = self.product.add(number, customer, now)
        self.boxes.append(Box(mailbox, Expected(now), [(now, now + 1.0)]))
        self._mark(happening.what)

    def _delete(self, happening: Happening) -> None:
        box = self._calm()[0]
        box.expected.until = self.clock.now()
        self.product.delete(box.mailbox)
        self._mark(happening.what, mailbox=box.mailbox.address)
