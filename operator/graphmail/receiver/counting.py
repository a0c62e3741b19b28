"""The receiver's metrics, in a registry of their own."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from itertools import product
from typing import cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from graphmail.observability.families import Family
from graphmail.resource.lifecycle import LifecycleEvent

NOTIFICATIONS = Family(
    "graphmail_receiver_notifications_total",
    "counter",
    "Notifications by kind (change, a lifecycle event, or other) and outcome: taken, unknown (no such subscription), wrong_state "
    "(another clientState), unproven (no clientState is known), not_taken (the product or the API server did not take it), ignored.",
    ("kind", "outcome"),
)
REQUESTS = Family(
    "graphmail_receiver_requests_total",
    "counter",
    "Requests by route and the status of their answer.",
    ("route", "code"),
)
ANSWER_SECONDS = Family(
    "graphmail_receiver_answer_seconds",
    "histogram",
    "Time until a request was answered, its body included; one that was cut for its slow body (408) does not count.",
    ("route",),
)
FORWARDS = Family(
    "graphmail_receiver_forwards_total",
    "counter",
    "Requests passed on to the product by the status of its answer, or `timeout`, `error`, and `full` where too many were in flight.",
    ("code",),
)
FORWARD_SECONDS = Family("graphmail_receiver_forward_seconds", "histogram", "Time that the product took for an answer.")
IN_FLIGHT = Family(
    "graphmail_receiver_in_flight",
    "gauge",
    "What is under way: requests to the product that name a subscription with its clientState (proven) or none (unproven), and lifecycle "
    "requests that are being stored (lifecycle).",
    ("lane",),
)
BATCHES = Family(
    "graphmail_receiver_batch_writes_total",
    "counter",
    "Writes of the times of last notifications by place (postgres, annotation) and outcome (success, failure).",
    ("place", "outcome"),
)
TIMES_KEPT = Family(
    "graphmail_receiver_times_kept",
    "gauge",
    "Times of last notifications that wait to be written, one a mailbox at most.",
)
TIMES_DROPPED = Family(
    "graphmail_receiver_times_dropped_total", "counter", "Such times that were not kept, since too many waited."
)
SUBSCRIPTIONS = Family("graphmail_receiver_subscriptions", "gauge", "Subscriptions that the receiver knows.")
CURRENT = Family(
    "graphmail_receiver_watching", "gauge", "1 while the receiver hears of changes of the subscriptions, else 0."
)
READY = Family("graphmail_receiver_ready", "gauge", "1 while `/readyz` answers 200, else 0.")
FAMILIES = (
    NOTIFICATIONS,
    REQUESTS,
    ANSWER_SECONDS,
    FORWARDS,
    FORWARD_SECONDS,
    IN_FLIGHT,
    BATCHES,
    TIMES_KEPT,
    TIMES_DROPPED,
    SUBSCRIPTIONS,
    CURRENT,
    READY,
)
"""All of the receiver's, in the order of docs/receiver.md."""

_LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 3.0, 5.0, 10.0)
"""Graph counts an answer that takes longer than 3 seconds as none."""
CHANGE, OTHER = "change", "other"
KINDS = (CHANGE, *(event.value for event in LifecycleEvent), OTHER)
POSTGRES, ANNOTATION = "postgres", "annotation"
_SUCCESS, _FAILURE = "success", "failure"
_CUT = 408
"""So is answered whoever is slow with the body: it says nothing of how soon Graph has its answer."""


class Lane(StrEnum):
    """Where something may be in flight."""

    PROVEN = "proven"
    UNPROVEN = "unproven"
    LIFECYCLE = "lifecycle"


class Outcome(StrEnum):
    """What became of a notification."""

    TAKEN = "taken"
    UNKNOWN = "unknown"
    WRONG_STATE = "wrong_state"
    UNPROVEN = "unproven"
    NOT_TAKEN = "not_taken"
    IGNORED = "ignored"


class ReceiverMetrics:
    """Counts what the receiver does. Series that alerts compare exist from the start, so that the first of them is not missed."""

    def __init__(self) -> None:
        cast("Callable[[], None]", disable_created_metrics)()
        self.registry = CollectorRegistry()
        self._notifications = self._counter(NOTIFICATIONS)
        self._requests = self._counter(REQUESTS)
        self._answers = self._histogram(ANSWER_SECONDS)
        self._forwards = self._counter(FORWARDS)
        self._forwarding = self._histogram(FORWARD_SECONDS)
        self._in_flight = self._gauge(IN_FLIGHT)
        self._batches = self._counter(BATCHES)
        self._kept = self._gauge(TIMES_KEPT)
        self._dropped = self._counter(TIMES_DROPPED)
        self._subscriptions = self._gauge(SUBSCRIPTIONS)
        self._current = self._gauge(CURRENT)
        self._ready = self._gauge(READY)
        for kind, outcome in product(KINDS, Outcome):
            self._notifications.labels(kind, outcome.value)
        for place, written in product((POSTGRES, ANNOTATION), (_SUCCESS, _FAILURE)):
            self._batches.labels(place, written)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

    def _counter(self, family: Family) -> Counter:
        return Counter(family.name, family.help, family.labels, registry=self.registry)

    def _gauge(self, family: Family) -> Gauge:
        return Gauge(family.name, family.help, family.labels, registry=self.registry)

    def _histogram(self, family: Family) -> Histogram:
        return Histogram(family.name, family.help, family.labels, buckets=_LATENCIES, registry=self.registry)

    def render(self) -> bytes:
        """All metrics, in Prometheus' text format (version 0.0.4)."""
        return generate_latest(self.registry)

    def notifications(self, tally: Mapping[tuple[str, Outcome], int]) -> None:
        """So many notifications of each kind have come, and this became of them. A kind that nobody knows is `other`."""
        for (kind, outcome), number in tally.items():
            self._notifications.labels(kind if kind in KINDS else OTHER, outcome.value).inc(number)

    def answered(self, route: str, code: int, seconds: float) -> None:
        """A request was answered; `route` is one of a few words."""
        self._requests.labels(route, str(code)).inc()
        if code != _CUT:
            self._answers.labels(route).observe(seconds)

    def forwarded(self, code: int | str, seconds: float | None) -> None:
        """The product was asked; None: it was not, since too much was in flight."""
        self._forwards.labels(str(code)).inc()
        if seconds is not None:
            self._forwarding.observe(seconds)

    def batch(self, place: str, *, succeeded: bool) -> None:
        """Times were written to `postgres`, or one to an `annotation`."""
        self._batches.labels(place, _SUCCESS if succeeded else _FAILURE).inc()

    def time_dropped(self) -> None:
        """A time was not kept."""
        self._dropped.inc()

    def in_flight(self, lane: Lane, read: Callable[[], int]) -> None:
        """How much is in flight there is asked at each scrape, on the scrape's thread."""
        self._in_flight.labels(lane.value).set_function(read)

    def ready(self, is_ready: Callable[[], bool]) -> None:
        """Whether it is ready is asked in the same way."""
        self._ready.set_function(lambda: float(is_ready()))

    def watch(self, subscriptions: Callable[[], int], kept: Callable[[], int], current: Callable[[], bool]) -> None:
        """And so are these."""
        self._subscriptions.set_function(subscriptions)
        self._kept.set_function(kept)
        self._current.set_function(lambda: float(current()))
