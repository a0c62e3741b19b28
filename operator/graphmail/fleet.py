"""Every mailbox in memory: the newest state of its resource, and what only this process knows of it.

The API server's watch may lag behind our own writes, so the newest of both counts. Metrics, the mirror and the reconciler read
from here; a tick that finds nothing to do needs nothing else.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from graphmail.backoff import Pause
from graphmail.decision import Rhythm, adoption_pending
from graphmail.provider import Credential, Outcome, ProviderKey
from graphmail.resource import CredentialSource, GraphMailSubscription, Status
from graphmail.resource.moments import read_moment
from graphmail.resource.names import (
    ANNOTATION_ADOPT,
    ANNOTATION_CLIENT_STATE,
    ANNOTATION_CREDENTIAL,
    ANNOTATION_LAST_NOTIFICATION,
    ANNOTATION_LIFECYCLE,
    ANNOTATION_RENEW,
)
from graphmail.resource.versions import version_number

_WATCHED_ANNOTATIONS = (
    ANNOTATION_RENEW,
    ANNOTATION_ADOPT,
    ANNOTATION_CREDENTIAL,
    ANNOTATION_CLIENT_STATE,
    ANNOTATION_LIFECYCLE,
)


class Unreadable(ValueError):
    """A resource is not what the CRD promises: it was stored under another one, or by hand while there was none.

    Attributes:
        name: the resource.
        fields: what is wrong in it, without the values.
    """

    def __init__(self, name: str, error: ValidationError) -> None:
        self.name = name
        self.fields = ", ".join(".".join(str(part) for part in fault["loc"]) for fault in error.errors())
        super().__init__(f"{name}: {self.fields}")


@dataclass(frozen=True, slots=True)
class Access:
    """What was last used to work at Graph for a mailbox; it carries on while Postgres is away."""

    credential: Credential
    client_state: str | None = field(repr=False)
    row_subscription_id: str | None
    """The id that the provider's row names, as last read; None for a resource without a row."""
    row_expires_at: datetime | None = None


@dataclass(slots=True)
class Entry:
    """One mailbox in memory."""

    resource: GraphMailSubscription
    seen_at: datetime
    """When this process first saw it, in Graph's time."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    """Held while it is worked on: timers and changes of one resource may come at the same time."""
    verified: dict[str, datetime] = field(default_factory=dict)
    """When Graph last confirmed the subscription of each folder to this process."""
    uncounted: dict[str, int] = field(default_factory=dict)
    """Of each folder, the failed attempts since the last success that nobody counts against the provider: they wait longer all the same."""
    settled_at: float = 0.0
    """When work on it last ended, by the monotonic clock: what was read from Postgres before that may be older than the status."""
    notified_at: datetime | None = None
    """When a notification last arrived, as the provider's row tells."""
    heard_of: datetime | None = None
    """The last arrival that whoever learns of them was told of."""
    heard_until: datetime | None = None
    """When the row was last asked for that, in Graph's time: what arrived before is known."""
    rhythm: Rhythm | None = field(default=None, repr=False)
    """When notifications usually arrive, as far as it was learned."""
    named: tuple[str | None, datetime | None] = (None, None)
    """The subscription that the provider's row names, and its expiry there; told by the mirror where the operator only observes."""
    found_credential: str | None = None
    """Fingerprint of what the Secret held when it was looked at since the last attempt."""
    spends_as: tuple[str, str] | None = None
    """The app and the directory that its work counts for at Graph, as its row or its credential tells."""
    access: Access | None = field(default=None, repr=False)
    waiting: asyncio.Future[Any] | None = field(default=None, repr=False)
    """The wait for a turn at Graph, while there is one."""
    unwritten: bool = False
    """The status here is newer than the API server's, which could not be reached, or refused it."""
    status_pause: Pause = field(default_factory=Pause, repr=False)
    """Until a status that the API server has refused is tried again by itself, in Graph's time."""
    row_pause: Pause = field(default_factory=Pause, repr=False)
    """Until Postgres, which refuses something for this mailbox, is asked again by itself, in Graph's time."""
    unsynced: Outcome | None = field(default=None, repr=False)
    """The last outcome that Postgres has not got."""
    unsynced_over: str | None = None
    """The subscription id that Postgres held when the unsynced outcome came about."""
    row_emptied: bool = False
    """The provider's row names no subscription, though there is one."""
    begun_here: bool = False
    """This process wrote the intent to create that the status tells of, and knows what came of it so far."""
    gone: bool = False

    @property
    def credential(self) -> Credential | None:
        """What was last signed in with."""
        return self.access.credential if self.access else None

    @property
    def annotated_at(self) -> datetime | None:
        """When a notification last arrived, as an annotation of the resource tells."""
        text = self.resource.metadata.annotations.get(ANNOTATION_LAST_NOTIFICATION)
        return read_moment(text) if text else None

    @property
    def arrived_at(self) -> datetime | None:
        """When a notification last arrived: the later of what the row and an annotation tell.

        A resource without a row has the annotation alone. Of one that has a row, the receiver tells by the annotation where it has no
        database, or found no health in it; what the row tells may be old then, or nothing.
        """
        if self.told_by_annotation:
            return self.annotated_at
        return self.notified_at if self.has_row else None

    @property
    def told_by_annotation(self) -> bool:
        """The annotation tells of a later arrival than the row."""
        annotated = self.annotated_at
        return annotated is not None and not (self.has_row and self.notified_at and self.notified_at >= annotated)

    @property
    def has_row(self) -> bool:
        """Its credential stands in the provider's row, and so does what the product tells of notifications."""
        return self.resource.spec.credentials.source is CredentialSource.PROVIDER_ROW

    def hurry(self) -> None:
        """Something has changed: whoever waits for a turn decides again."""
        if self.waiting is not None:
            self.waiting.cancel()

    def take(self, body: Mapping[str, Any]) -> None:
        """The resource as the API server has just returned it from a write of ours."""
        resource = GraphMailSubscription.parse(body)
        if _version(resource) >= _version(self.resource):
            self.resource = resource

    def keep_status(self, status: Status, *, unwritten: bool) -> None:
        """The status as it is known here, before the API server has it."""
        self.resource = self.resource.model_copy(update={"status": status})
        self.unwritten = unwritten


class Fleet:
    """All entries of the namespace."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._forgotten: list[Callable[[Entry], None]] = []
        self._kin: defaultdict[str, set[str]] = defaultdict(set)
        """Names by what two resources of one subscription would share: the provider, or the mailbox. Both never change."""

    def when_forgotten(self, told: Callable[[Entry], None]) -> None:
        """Tell of each mailbox that goes, where no other resource is about its provider."""
        self._forgotten.append(told)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def get(self, name: str) -> Entry | None:
        """The entry of that resource's name."""
        return self._entries.get(name)

    @property
    def any_timer(self) -> bool:
        """There is a mailbox that a timer ticks for: Kopf ends those of what is being deleted."""
        return any(entry.resource.metadata.deletion_timestamp is None for entry in self)

    def resources(self) -> list[GraphMailSubscription]:
        """Every resource in its newest known state."""
        return [entry.resource for entry in self]

    def other_holder(self, subscription_id: str, *, name: str, provider: ProviderKey, mailbox: str) -> str | None:
        """The name of another resource that holds this subscription, or is asked to adopt it; None: there is none.

        Only those of the same provider (which had another mailbox before) or of the same mailbox (in another tenant) can.
        """
        kin = self._kin.get(str(provider), set()) | self._kin.get(mailbox.casefold(), set())
        return next(
            (other for other in sorted(kin - {name}) if _holds(self._entries[other].resource, subscription_id)), None
        )

    def observe(self, body: Mapping[str, Any], *, now: datetime) -> tuple[Entry, bool]:
        """Take in what the API server's list or watch shows.

        Returns:
            The entry, and whether there is something in it that is worth a look before the next tick: a new generation, an
            annotation of ours, a deletion, or another object under the same name.

        Raises:
            Unreadable: the object is not what the CRD promises.
        """
        entry = self._entries.get(body["metadata"]["name"])
        if entry is not None and _is_echo(body["metadata"], entry.resource):
            return entry, False
        resource = _read(body)
        if entry is None or (
            entry.resource.metadata.uid != resource.metadata.uid and not _older(resource, entry.resource)
        ):
            former, entry = entry, Entry(resource=resource, seen_at=now)
            if former is not None:
                self._part(former)
            self._entries[resource.metadata.name] = entry
            for bond in _bonds(resource):
                self._kin[bond].add(resource.metadata.name)
            if former is not None:
                self._tell_of(former)
            return entry, True
        if _version(resource) < _version(entry.resource):
            return entry, False
        before, entry.resource = entry.resource, resource
        if entry.unwritten:
            entry.resource = resource.model_copy(update={"status": before.status})
        return entry, _news(before, resource)

    def forget(self, name: str, uid: str) -> None:
        """The resource is gone from the API server."""
        entry = self._entries.get(name)
        if entry is not None and entry.resource.metadata.uid == uid:
            del self._entries[name]
            self._part(entry)
            self._tell_of(entry)

    def _tell_of(self, gone: Entry) -> None:
        if str(key_of(gone.resource)) not in self._kin:
            for told in self._forgotten:
                told(gone)

    def _part(self, entry: Entry) -> None:
        entry.gone = True
        entry.hurry()
        for bond in _bonds(entry.resource):
            names = self._kin[bond]
            names.discard(entry.resource.metadata.name)
            if not names:
                del self._kin[bond]


def _read(body: Mapping[str, Any]) -> GraphMailSubscription:
    try:
        return GraphMailSubscription.parse(body)
    except ValidationError as error:
        raise Unreadable(body["metadata"]["name"], error) from error


def _version(resource: GraphMailSubscription) -> int:
    return version_number(resource.metadata.resource_version)


def _is_echo(metadata: Mapping[str, Any], known: GraphMailSubscription) -> bool:
    """What the watch shows is known already, mostly from the answer to a write of ours: it need not be read again."""
    version = version_number(metadata.get("resourceVersion", ""))
    return metadata["uid"] == known.metadata.uid and 0 < version <= _version(known)


def _bonds(resource: GraphMailSubscription) -> tuple[str, str]:
    return str(key_of(resource)), resource.spec.mailbox.casefold()


def key_of(resource: GraphMailSubscription) -> ProviderKey:
    """The provider that the resource is about."""
    return ProviderKey(resource.spec.tenant, resource.spec.provider_id)


def _holds(resource: GraphMailSubscription, subscription_id: str) -> bool:
    rows = resource.status.subscriptions
    return any(row.subscription_id == subscription_id for row in rows) or adoption_pending(resource) == subscription_id


def _older(resource: GraphMailSubscription, than: GraphMailSubscription) -> bool:
    return _version(resource) < _version(than)


def _news(before: GraphMailSubscription, after: GraphMailSubscription) -> bool:
    old, new = before.metadata, after.metadata
    return (
        old.generation != new.generation
        or old.deletion_timestamp != new.deletion_timestamp
        or any(old.annotations.get(name) != new.annotations.get(name) for name in _WATCHED_ANNOTATIONS)
    )
