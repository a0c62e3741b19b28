"""The operator's metrics. What is told of each mailbox is worked out when it is scraped, so that no series goes stale."""

import asyncio
import math
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from graphmail.observability import families
from graphmail.observability.exposition import fleet_text
from graphmail.observability.families import Family
from graphmail.resource import GraphMailSubscription
from graphmail.resource.lifecycle import LifecycleEvent

Subscriptions = Callable[[], Iterable[GraphMailSubscription]]
"""All resources as the process knows them. Called on the thread that serves the scrape: `lambda: list(cache.values())` is safe."""

ACTIONS = ("create", "renew", "recreate", "replace", "verify", "adopt", "delete", "check-delivery")
"""The actions that are counted."""

CHECKS = ("quiet", "unheard", "refused", "failed")
"""The outcomes of checks of delivery."""

_LATENCIES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

DEFECT = "Defect"
"""The reason of what no part of ours may do."""

CERTIFICATE_TOLD_SECONDS = 86_400.0
"""How long a certificate is told of after the last sign-in with it: one that is used no more calls for nobody."""


class Store(StrEnum):
    """What the operator keeps things in."""

    POSTGRES = "postgres"
    KUBERNETES = "kubernetes"


class _LateGauge:
    """A gauge that is absent until it is first set: a 0 would read as the year 1970, or as a clock without skew."""

    def __init__(self, family: Family, registry: CollectorRegistry) -> None:
        self._family = family
        self._registry = registry
        self._gauge: Gauge | None = None

    def set(self, value: float) -> None:
        if self._gauge is None:
            self._appear(lambda gauge: gauge.set(value))
        else:
            self._gauge.set(value)

    def set_function(self, read: Callable[[], float]) -> None:
        """Asked at each scrape, on the scrape's thread."""
        self._appear(lambda gauge: gauge.set_function(read))

    def _appear(self, fill: Callable[[Gauge], None]) -> None:
        """Filled before it is first seen."""
        gauge = Gauge(self._family.name, self._family.help, registry=None)
        fill(gauge)
        self._registry.register(gauge)
        self._gauge = gauge


class Metrics:
    """Counts what the operator does. Each instance has a registry of its own; its methods may be called on any thread.

    Making one turns off prometheus-client's `_created` series for the process: they would double the number of series for nobody.

    Args:
        per_mailbox: each mailbox has series of its own; else only its tenant has.
        clock: seconds that never go back, of what is forgotten after a while.
    """

    def __init__(
        self,
        subscriptions: Subscriptions,
        version: str,
        *,
        per_mailbox: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        cast("Callable[[], None]", disable_created_metrics)()
        self._subscriptions = subscriptions
        self._per_mailbox = per_mailbox
        self._clock = clock
        self._certificates: dict[tuple[str, str], float] = {}
        self.registry = CollectorRegistry()
        """All but what is told of each mailbox."""
        self._renewals = self._counter(families.RENEWALS)
        self._errors = self._counter(families.RECONCILE_ERRORS)
        self._gaps = self._counter(families.GAPS)
        self._gap_seconds = self._counter(families.GAP_SECONDS)
        self._abandoned = self._counter(families.ABANDONED)
        self._orphans_found = self._counter(families.ORPHANS_FOUND)
        self._orphans_deleted = self._counter(families.ORPHANS_DELETED)
        self._peer_changes = self._counter(families.PEER_CHANGES)
        self._lifecycle = self._counter(families.LIFECYCLE)
        self._observed = self._counter(families.OBSERVED)
        self._checks = self._counter(families.DELIVERY_CHECKS)
        self._observing = self._gauge(families.OBSERVING)
        self._receiver_expected = self._gauge(families.RECEIVER_EXPECTED)
        self._requests = self._counter(families.REQUESTS)
        latency = families.REQUEST_SECONDS
        self._latency = Histogram(
            latency.name, latency.help, latency.labels, buckets=_LATENCIES, registry=self.registry
        )
        self._waiting = self._gauge(families.REQUESTS_WAITING)
        self._allowed = self._gauge(families.REQUESTS_ALLOWED)
        self._skew = _LateGauge(families.CLOCK_SKEW, self.registry)
        self._mirror_success = _LateGauge(families.MIRROR_SUCCESS, self.registry)
        self._mirror_rows = _LateGauge(families.MIRROR_ROWS, self.registry)
        self._mirror_blocked = self._gauge(families.MIRROR_BLOCKED)
        self._unsynced = self._gauge(families.UNSYNCED)
        self._store_up = self._gauge(families.STORE_UP)
        self._leader = self._gauge(families.LEADER)
        self._heartbeat = _LateGauge(families.HEARTBEAT, self.registry)
        self._tick = _LateGauge(families.TICK, self.registry)
        self._tick_interval = _LateGauge(families.TICK_INTERVAL, self.registry)
        self._certificate = self._gauge(families.CERTIFICATE)
        self._tasks = self._gauge(families.TASKS)
        self._events_dropped = self._counter(families.EVENTS_DROPPED)
        self._gauge(families.BUILD_INFO).labels(version).set(1)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._begin_series()

    def _begin_series(self) -> None:
        """What is 0 until it happens, so that a rate over the first one is not missed."""
        for action in ACTIONS:
            for outcome in ("success", "failure"):
                self._renewals.labels(action, outcome)
        self._renewals.labels("adopt", "refused")
        for outcome in CHECKS:
            self._checks.labels(outcome)
        self._errors.labels(DEFECT)
        for event in LifecycleEvent:
            self._lifecycle.labels(event.value)

    def _counter(self, family: Family) -> Counter:
        return Counter(family.name, family.help, family.labels, registry=self.registry)

    def _gauge(self, family: Family) -> Gauge:
        return Gauge(family.name, family.help, family.labels, registry=self.registry)

    def render(self) -> bytes:
        """All metrics, in Prometheus' text format (version 0.0.4)."""
        self._forget_certificates()
        text = fleet_text(self._subscriptions(), per_mailbox=self._per_mailbox)
        return text.encode() + generate_latest(self.registry)

    def request(self, route: str, method: str, code: int | str, seconds: float) -> None:
        """A call to Graph has ended: `code` is its status, or `error` when there was no answer."""
        self._requests.labels(route, method, str(code)).inc()
        self._latency.labels(route, method).observe(seconds)

    def renewal(self, action: str, *, succeeded: bool, refused: bool = False) -> None:
        """Work at Graph is finished; `action` is one of `ACTIONS`. Refused: what was looked up is not adopted, and that is no failure."""
        outcome = "refused" if refused else "success" if succeeded else "failure"
        self._renewals.labels(action, outcome).inc()

    def reconcile_error(self, reason: str) -> None:
        """An attempt has failed; `reason` is a word from a fixed list, never a text."""
        self._errors.labels(reason).inc()

    def gap(self, duration: timedelta) -> None:
        """A replacement had to delete first, and no subscription existed for this long."""
        self._gaps.inc()
        self._gap_seconds.inc(max(duration.total_seconds(), 0.0))

    def abandoned(self) -> None:
        """A subscription was left at Graph for want of a credential."""
        self._abandoned.inc()

    def orphan_found(self) -> None:
        """The sweep saw for the first time a subscription of ours that belongs to nobody."""
        self._orphans_found.inc()

    def orphan_deleted(self) -> None:
        """The sweep deleted one."""
        self._orphans_deleted.inc()

    def peer_change(self) -> None:
        """An id or expiry appeared in Postgres without us."""
        self._peer_changes.inc()

    def lifecycle_notification(self, event: LifecycleEvent) -> None:
        """What Graph told of a subscription itself was taken up."""
        self._lifecycle.labels(event.value).inc()

    def delivery_check(self, outcome: str) -> None:
        """A mailbox that had been quiet for long was checked; `outcome` is one of `CHECKS`."""
        self._checks.labels(outcome).inc()

    def observed(self, action: str) -> None:
        """That would have been done, if the operator did not only observe."""
        self._observed.labels(action).inc()

    def observing(self, *, only: bool) -> None:
        """Whether the operator only observes."""
        self._observing.set(float(only))

    def receiver_expected(self, *, change: bool, lifecycle: bool) -> None:
        """Whether the settings lead notifications of these kinds to the receiver."""
        self._receiver_expected.labels("change").set(float(change))
        self._receiver_expected.labels("lifecycle").set(float(lifecycle))

    def requests_waiting(self, requests: int) -> None:
        """So many requests wait for their turn in Graph's quota now."""
        self._waiting.set(requests)

    def requests_allowed(self, kind: str, *, app: float, tenant: float) -> None:
        """So many requests of this kind a second are allowed for an app, and for an app in one Entra tenant."""
        self._allowed.labels("app", kind).set(app)
        self._allowed.labels("tenant", kind).set(tenant)

    def clock_skew(self, offset: timedelta) -> None:
        """Graph's clock less ours."""
        self._skew.set(offset.total_seconds())

    def mirror_read(self, at: datetime, rows: int | None = None) -> None:
        """The mirror has read Postgres at this time, and there are this many providers; None: it read only what has changed."""
        self._mirror_success.set(at.timestamp())
        if rows is not None:
            self._mirror_rows.set(rows)

    def mirror_blocked(self, deletions: int) -> None:
        """So many deletions wait for a person's confirmation now."""
        self._mirror_blocked.set(deletions)

    def unsynced(self, outcomes: int) -> None:
        """So many outcomes wait to be written to Postgres now."""
        self._unsynced.set(outcomes)

    def store(self, store: Store, *, up: bool) -> None:
        """Whether the store could be reached just now."""
        self._store_up.labels(store.value).set(float(up))

    def leader(self, holds: Callable[[], bool]) -> None:
        """Whether this process holds the lease is asked at each scrape, on the scrape's thread: also of an event loop that hangs."""
        self._leader.set_function(lambda: float(holds()))

    def heartbeat(self, age: Callable[[], float]) -> None:
        """Seconds since the event loop last moved are asked for at each scrape, on the scrape's thread: also of a loop that hangs."""
        self._heartbeat.set_function(lambda: time.time() - age())

    def ticked(self) -> None:
        """A mailbox's timer has ticked, or timers may begin to."""
        self._tick.set(time.time())

    def tick_interval(self, interval: timedelta) -> None:
        """How often each timer ticks."""
        self._tick_interval.set(interval.total_seconds())

    def certificate(self, client_id: str, place: str, ends: datetime | None) -> None:
        """An app has signed in with a certificate that ends then; None: with something that does not say when it ends."""
        key = (client_id, place)
        if ends is None:
            self._drop_certificate(key)
            return
        self._certificates[key] = self._clock()
        self._certificate.labels(*key).set(ends.timestamp())

    def _drop_certificate(self, key: tuple[str, str]) -> None:
        if self._certificates.pop(key, None) is not None:
            self._certificate.remove(*key)

    def _forget_certificates(self) -> None:
        forgotten = self._clock() - CERTIFICATE_TOLD_SECONDS
        for key, used_at in list(self._certificates.items()):
            if used_at < forgotten:
                self._drop_certificate(key)

    def tasks(self, loop: asyncio.AbstractEventLoop) -> None:
        """The tasks of that loop are counted at each scrape, on the scrape's thread."""
        self._tasks.set_function(lambda: _count_tasks(loop))

    def event_dropped(self) -> None:
        """An event was not posted, since too many came at once."""
        self._events_dropped.inc()


def _count_tasks(loop: asyncio.AbstractEventLoop) -> float:
    try:
        return float(len(asyncio.all_tasks(loop)))
    except RuntimeError:  # the set of them changes all the time while the loop is busy
        return math.nan
