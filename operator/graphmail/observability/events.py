"""What is said in Kubernetes events, without posting it.

Events are core/v1, not events.k8s.io/v1: the API server stores both as the same object, but only core/v1 lets a writer set `count` and
`lastTimestamp`, which `kubectl get events --sort-by=.lastTimestamp` and most collectors of events read; `kubectl describe` shows either.
They carry `eventTime` as well, the only moment with microseconds: what happens to a mailbox within one second has an order by it. With it
the API server asks for `action` and `reportingInstance`, too.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from graphmail.observability.redaction import redact
from graphmail.resource import GraphMailSubscription
from graphmail.resource.model import Metadata
from graphmail.resource.moments import write_time
from graphmail.resource.names import API_VERSION, KIND, OPERATOR

WINDOW = timedelta(hours=1)
"""The API server forgets an event an hour after it was last written (`--event-ttl`), so what is older cannot be added to."""
LONGEST_MESSAGE = 1024
"""Characters; events.k8s.io/v1 would refuse a longer note."""
_LONGEST_NAME = 253


class EventReason(StrEnum):
    """What events tell of."""

    CREATED = "Created"
    RENEWED = "Renewed"
    RECREATED = "Recreated"
    REPLACED = "Replaced"
    ADOPTED = "Adopted"
    DELETED = "Deleted"
    SUSPENDED = "Suspended"
    RESUMED = "Resumed"
    RENEWAL_FAILED = "RenewalFailed"
    REAUTHORIZATION_REQUIRED = "ReauthorizationRequired"
    NOTIFICATION_ENDPOINT_FAILED = "NotificationEndpointFailed"
    PEER_ACTIVE = "PeerActive"
    ABANDONED = "Abandoned"
    OBSERVED = "Observed"
    SUBSCRIPTION_REMOVED = "SubscriptionRemoved"
    RENEWAL_ASKED_BY_GRAPH = "RenewalAskedByGraph"
    NOTIFICATIONS_MISSED = "NotificationsMissed"
    SILENT_SUBSCRIPTION = "SilentSubscription"
    DELIVERING = "Delivering"

    @property
    def type(self) -> Literal["Normal", "Warning"]:
        """Warning when something is wrong, or somebody must act."""
        return "Warning" if self in _WARNINGS else "Normal"


_WARNINGS = frozenset(
    {
        EventReason.RENEWAL_FAILED,
        EventReason.REAUTHORIZATION_REQUIRED,
        EventReason.NOTIFICATION_ENDPOINT_FAILED,
        EventReason.PEER_ACTIVE,
        EventReason.ABANDONED,
        EventReason.SUBSCRIPTION_REMOVED,
        EventReason.NOTIFICATIONS_MISSED,
        EventReason.SILENT_SUBSCRIPTION,
    }
)


def build_event(about: Metadata, reason: EventReason, message: str, *, now: datetime, reporter: str) -> dict[str, Any]:
    """The event as the API server takes it.

    Its name is made from what is said and when: one that is posted again after a lost answer is the same event (409 AlreadyExists).

    Args:
        about: the resource that it is about.
        reason: in one word.
        message: for people; secrets are masked, and it is cut at 1,024 characters.
        now: when it happened.
        reporter: the process that reports, such as the pod's name.
    """
    moment = write_time(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": _name(about, reason, message, now), "namespace": about.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
        },
        "type": reason.type,
        "reason": reason.value,
        "message": _cut(redact(message)),
        "action": reason.value,
        "eventTime": _micro_time(now),
        "count": 1,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "source": {"component": OPERATOR},
        "reportingComponent": OPERATOR,
        "reportingInstance": reporter,
    }


def _micro_time(moment: datetime) -> str:
    """As Kubernetes writes a MicroTime: UTC, always with six digits."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


def _name(about: Metadata, reason: EventReason, message: str, now: datetime) -> str:
    said = "\0".join((about.uid, reason.value, message, now.isoformat()))
    digest = hashlib.blake2b(said.encode(), digest_size=8).hexdigest()
    return f"{about.name[: _LONGEST_NAME - len(digest) - 1].rstrip('-.')}.{digest}"


class Ended(StrEnum):
    """How a call to the API server ended."""

    POSTED = "posted"
    """It was written, or was there already."""
    GONE = "gone"
    """404 on a patch: the API server has forgotten the event."""
    FAILED = "failed"


_Key = tuple[str, EventReason, str]


@dataclass(frozen=True, slots=True)
class EventCall:
    """What to ask of the API server: create this event, or apply this merge patch to the one of that name."""

    verb: Literal["create", "patch"]
    namespace: str
    name: str
    body: Mapping[str, Any]
    key: _Key = field(repr=False)
    """What is said; for the book alone."""


@dataclass(slots=True)
class _Page:
    """One thing that is said, and how often."""

    about: Metadata
    """Not the whole resource: thousands of these are kept for an hour."""
    last: datetime
    name: str = ""
    told: int = 0
    """How often, as the API server knows; 0: it knows of no event."""
    sending: int = 0
    """How many more the call in flight tells of; 0: there is none."""
    waiting: int = 0
    """How many came since."""


class EventBook:
    """Merges repeats of the same words about the same resource within an hour into a count.

    It asks nobody: `say` returns the call to make, if there is one now, and `done` is told how it ended. At most one call for the same
    words is in flight, so that none overtakes another; repeats that come meanwhile are told in the next one.

    Args:
        reporter: the process that reports, such as the pod's name.
        most_remembered: different words; beyond that the oldest are forgotten, and told as new when they come again.
    """

    def __init__(self, reporter: str = OPERATOR, *, most_remembered: int = 10_000) -> None:
        self._reporter = reporter
        self._most_remembered = most_remembered
        self._pages: OrderedDict[_Key, _Page] = OrderedDict()

    def say(
        self, resource: GraphMailSubscription, reason: EventReason, message: str, now: datetime
    ) -> EventCall | None:
        """Note that this happened. The call to make; None when it waits for one in flight."""
        self._forget(now)
        key = (resource.metadata.uid, reason, message)
        page = self._pages.get(key)
        if page is None:
            page = self._pages[key] = _Page(resource.metadata, now)
        page.waiting += 1
        page.last = max(page.last, now)
        self._pages.move_to_end(key)
        return self._next(key, page)

    def done(self, call: EventCall, ended: Ended) -> EventCall | None:
        """Note how a call ended; each is done once. The call to make next for the same words, or None."""
        page = self._pages[call.key]
        if ended is Ended.FAILED:
            del self._pages[call.key]
            return None
        if ended is Ended.POSTED:
            page.told += page.sending
        else:
            page.told, page.waiting = 0, page.waiting + page.sending
        page.sending = 0
        return self._next(call.key, page) if page.waiting else None

    def _next(self, key: _Key, page: _Page) -> EventCall | None:
        if page.sending:
            return None
        page.sending, page.waiting = page.waiting, 0
        _, reason, message = key
        namespace = page.about.namespace
        if page.told:
            patch = {"count": page.told + page.sending, "lastTimestamp": write_time(page.last)}
            return EventCall("patch", namespace, page.name, patch, key)
        body = build_event(page.about, reason, message, now=page.last, reporter=self._reporter)
        page.name = body["metadata"]["name"]
        return EventCall("create", namespace, page.name, {**body, "count": page.sending}, key)

    def _forget(self, now: datetime) -> None:
        """Forget what the API server forgets, and the oldest beyond the bound; never what is in flight."""
        while self._pages:
            key, page = next(iter(self._pages.items()))
            expired = page.last <= now - WINDOW
            if page.sending or not (expired or len(self._pages) >= self._most_remembered):
                return
            del self._pages[key]
