"""Rows of Postgres become resources: applied where something differs, deleted where the row is gone, within limits.

A cheap question by `updated_at` every few seconds, and a full comparison every minute: deletions, and some writers of the product,
never touch that column. The mirror never calls Graph.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from graphmail.cluster import Cluster, ClusterError, ClusterUnavailable
from graphmail.database import Database, DatabaseError, DatabaseUnavailable, Discovery, PeerChange
from graphmail.decision import notification_is_news
from graphmail.fleet import Entry, Fleet, Unreadable, key_of
from graphmail.mirror.desired import OWN_ANNOTATIONS, Body, Template, desired, differs, pause
from graphmail.mirror.listener import Changes
from graphmail.observability.events import EventReason
from graphmail.observability.metrics import DEFECT, Metrics, Store
from graphmail.provider import Provider, ProviderKey
from graphmail.reconciler.journal import Announcer
from graphmail.resource import GraphMailSubscription
from graphmail.resource.conditions import ConditionType
from graphmail.resource.names import MIRROR, resource_name
from graphmail.stores import Stores

_log = structlog.get_logger("graphmail.mirror")

GUARDED_SHARE = 0.2
"""More deletions than this share of the mirrored resources at once wait for a person (design, rule 5)."""

_AT_ONCE = 8
_LIST_SECONDS = 15 * 60


@dataclass(frozen=True, slots=True)
class Compared:
    """What one comparison did."""

    rows: int
    applied: int
    deleted: int
    withheld: int
    """Deletions that wait for `graphmail mirror --confirm-deletions`."""


class Mirror:
    """Keeps one resource for each provider's row.

    Args:
        clock: the time at Graph, for the moment at which a resource was first seen.
        requested: told when a row asks for a renewal.
        heard: told of a mailbox in which a notification has arrived.
    """

    def __init__(
        self,
        *,
        database: Database,
        cluster: Cluster,
        fleet: Fleet,
        stores: Stores,
        metrics: Metrics,
        announce: Announcer,
        template: Template,
        clock: Callable[[], datetime],
        noticed: Callable[[Entry], None],
        requested: Callable[[], None] = lambda: None,
        heard: Callable[[Entry], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._cluster = cluster
        self._fleet = fleet
        self._stores = stores
        self._metrics = metrics
        self._announce = announce
        self._template = template
        self._clock = clock
        self._noticed = noticed
        self._requested = requested
        self._heard = heard
        self._as_of: datetime | None = None
        self._read_at = 0.0
        self._asked_at: datetime | None = None
        self._listed_at: float | None = None
        self._forbidden: dict[bool, ClusterError] = {}
        """Whether what we lack the right to write is new: the others of its kind need not be tried."""
        self._peers: dict[ProviderKey, PeerChange] = {}
        self._unknown_tenants: frozenset[str] = frozenset()
        self.compared = asyncio.Event()
        """Set once the first full comparison is done."""
        self._limit = asyncio.Semaphore(_AT_ONCE)

    async def run(self, *, poll_seconds: float, compare_seconds: float, changes: Changes | None = None) -> None:
        """Mirror until cancelled. A store that is away, a resource that the API server refuses, or a defect of ours ends nothing.

        Args:
            changes: end a poll's pause early.
        """
        changes = changes or Changes()
        compare_at = time.monotonic()
        while True:
            started, everything = time.monotonic(), changes.take()
            try:
                if started >= compare_at:
                    await self.compare()
                    compare_at = started + compare_seconds
                else:
                    await self.follow(everything=everything)
            except DatabaseUnavailable:
                self._stores.lost(Store.POSTGRES)
            except ClusterUnavailable as error:
                self._stores.unanswered(error)
            except (DatabaseError, ClusterError) as error:
                remedy = error.grant if isinstance(error, ClusterError) else None
                _log.error("the mirror could not do its work, and tries again", error=str(error), remedy=remedy)
            except Exception:
                # A defect of ours must not end the care for mailboxes: it is told, counted, and tried again.
                self._defect("the mirror failed unexpectedly, and tries again")
            await changes.rest(max(0.1, poll_seconds - (time.monotonic() - started)), asked_at=started)

    async def compare(self, *, confirm_deletions: bool = False) -> Compared:
        """The full comparison: every row, and every resource."""
        if self._listed_at is None or time.monotonic() - self._listed_at >= _LIST_SECONDS:
            await self._list()
        discovery = await self._read(since=None)
        rows = self._served(discovery.providers)
        applied = await self._apply_all(rows)
        self._tell_of_requests(discovery)
        deleted, withheld = await self._delete_rowless(discovery.providers, confirmed=confirm_deletions)
        self._as_of = discovery.as_of
        if not self._template.observe:
            await self._mark_delivering(rows)
        self._tell_of_unknown_tenants(discovery.providers)
        self._forget_peers(discovery.providers)
        self._metrics.mirror_read(discovery.as_of, len(rows))
        self._metrics.mirror_blocked(withheld)
        self.compared.set()
        return Compared(len(rows), applied, deleted, withheld)

    async def follow(self, *, everything: bool = False) -> int:
        """The cheap question: which rows have changed since the last time, or all of them. Returns how many resources were applied."""
        discovery = await self._read(since=None if everything else self._as_of)
        applied = await self._apply_all(self._served(discovery.providers))
        self._tell_of_requests(discovery)
        self._as_of = discovery.as_of
        self._metrics.mirror_read(discovery.as_of)
        return applied

    async def _read(self, since: datetime | None) -> Discovery:
        self._read_at, self._asked_at = time.monotonic(), self._clock()
        discovery = await self._database.providers(changed_since=since)
        self._stores.back(Store.POSTGRES)
        self._tell_of_peers(discovery)
        return discovery

    def _served(self, rows: Sequence[Provider]) -> Sequence[Provider]:
        """Those of the tenants that are served (`GRAPHMAIL_TENANTS`)."""
        return [row for row in rows if self._template.serves(row.key.tenant)]

    def _tell_of_requests(self, discovery: Discovery) -> None:
        if discovery.requested:
            self._requested()

    def _tell_of_unknown_tenants(self, rows: Sequence[Provider]) -> None:
        """A tenant that is named and has no row may be misspelt: told when the set of them changes."""
        unknown = (self._template.tenants or frozenset()) - {row.key.tenant for row in rows}
        if unknown != self._unknown_tenants and unknown:
            _log.warning("GRAPHMAIL_TENANTS names tenants without a Microsoft provider", tenants=sorted(unknown))
        self._unknown_tenants = unknown

    def _tell_of_peers(self, discovery: Discovery) -> None:
        """Somebody else writes ids or expiries: the product's own renewal loop must be off (design, rule 15). Each change is told once."""
        for provider in discovery.providers:
            change = discovery.peer_changes.get(provider.key)
            entry = self._fleet.get(self._name(provider))
            if change is None or entry is None or entry.lock.locked() or self._peers.get(provider.key) == change:
                continue
            self._peers[provider.key] = change
            self._metrics.peer_change()
            message = (
                f"the provider's row names subscription {change.subscription_id} until {change.expires_at}, which the operator did not "
                f"write: turn the product's own renewal loop off, then see graphmail check"
            )
            self._announce(entry.resource, EventReason.PEER_ACTIVE, message)

    def _forget_peers(self, rows: Sequence[Provider]) -> None:
        """What was told of providers that are gone."""
        keys = {row.key for row in rows}
        self._peers = {key: change for key, change in self._peers.items() if key in keys}

    async def _list(self) -> None:
        """A list of our own: after a lost watch, Kopf reports no deletions, and ghosts would go on ticking.

        The list may be old, too: what it leaves out is asked for by its name before it is forgotten.
        """
        before = {entry.resource.metadata.uid: entry.resource.metadata.name for entry in self._fleet}
        async for body in self._cluster.subscriptions():
            before.pop(body["metadata"]["uid"], None)
            with contextlib.suppress(Unreadable):  # the watch has told of it
                entry, news = self._fleet.observe(body, now=self._clock())
                if news:  # where the list was first, what the watch shows is known, and wakes nobody
                    self._noticed(entry)
        for uid, name in before.items():
            found = await self._cluster.subscription(name)
            if found is None or found["metadata"]["uid"] != uid:
                self._fleet.forget(name, uid)
        self._listed_at = time.monotonic()

    # --- rows to resources -------------------------------------------------------------------------------------------

    async def _apply_all(self, rows: Iterable[Provider]) -> int:
        self._forbidden.clear()
        bodies = [(row, body) for row in rows if (body := self._thought_of(row)) is not None]
        outcomes = await asyncio.gather(*(self._apply(row, body) for row, body in bodies), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return outcomes.count(True)

    def _thought_of(self, row: Provider) -> Body | None:
        """What is to be applied for that row; None also where that cannot be told, which must not cost the other rows their resources."""
        try:
            return self._needed(row)
        except Exception:
            self._defect("a row could not be mirrored", tenant=row.key.tenant, provider=row.key.provider_id)
            return None

    def _defect(self, what: str, **facts: str) -> None:
        _log.exception(what, **facts)
        self._metrics.reconcile_error(DEFECT)

    def _needed(self, row: Provider) -> Body | None:
        """What is to be applied for that row; None where the resource is as it should be, or on its way out."""
        entry = self._fleet.get(self._name(row))
        if entry is None:
            return desired(row, None, self._template, taken=self._taken(row))
        self._tell_of_arrival(entry, row)
        self._tell_of_named(entry, row)
        entry.spends_as = (sys.intern(row.app), sys.intern(row.directory)) if row.app else None
        if entry.resource.metadata.deletion_timestamp is not None:
            return None
        busy = entry.lock.locked() or entry.settled_at >= self._read_at
        if not busy:
            self._tell_of_emptied_row(entry, row)
        known = row.subscription_id in {None, entry.resource.status.subscription_id}
        body = desired(row, entry.resource, self._template, busy=busy, taken=not known and self._taken(row))
        return body if differs(entry.resource, body) else None

    def _taken(self, row: Provider) -> bool:
        """Another resource holds what the row names: that of the mailbox which the provider had before, for one."""
        wanted = row.subscription_id
        if wanted is None:
            return False
        holder = self._fleet.other_holder(wanted, name=self._name(row), provider=row.key, mailbox=row.mailbox)
        return holder is not None

    def _tell_of_emptied_row(self, entry: Entry, row: Provider) -> None:
        """The product finds a provider by the id in its row: one that was lost there is written again (design, rule 3)."""
        lost = row.subscription_id is None and row.active and entry.resource.status.subscription_id is not None
        if lost and not entry.row_emptied and entry.unsynced is None:
            entry.row_emptied = True
            self._noticed(entry)

    def _tell_of_arrival(self, entry: Entry, row: Provider) -> None:
        """The row tells when a notification last arrived, or an annotation of the resource does."""
        entry.heard_until, entry.notified_at = self._asked_at, row.last_notification_at
        arrived = entry.arrived_at
        if entry.heard_of != arrived:
            entry.heard_of = arrived
            self._heard(entry)
        if notification_is_news(entry.resource, arrived):
            self._noticed(entry)

    def _tell_of_named(self, entry: Entry, row: Provider) -> None:
        """Whoever only observes has the row's word for what there is at Graph."""
        named = (row.subscription_id, row.expires_at)
        if self._template.observe and entry.named != named:
            entry.named = named
            self._noticed(entry)

    async def _apply(self, row: Provider, body: Body) -> bool:
        new = self._fleet.get(self._name(row)) is None
        async with self._limit:
            if new in self._forbidden:
                raise self._forbidden[new]
            try:
                applied = await self._applied(body)
            except ClusterUnavailable:
                raise
            except ClusterError as error:
                if error.missing_right is not None:
                    self._forbidden[new] = error
                    raise
                _log.error(
                    "the API server refuses the resource of a provider's row: mend the row",
                    tenant=row.key.tenant, provider=row.key.provider_id, mailbox=row.mailbox, error=str(error),
                )  # fmt: skip
                return False
        try:
            entry, news = self._fleet.observe(applied, now=self._clock())
        except Unreadable:
            return False  # the watch has told of it
        self._tell_of_named(entry, row)
        if news:
            self._noticed(entry)
        return True

    async def _applied(self, body: Body) -> dict[str, Any]:
        """The resource as it is then. What a person has put into annotations of ours is taken away, as apply does not: they own it."""
        applied = await self._cluster.apply(body, manager=MIRROR)
        found, wanted = applied["metadata"].get("annotations", {}), body["metadata"]["annotations"]
        theirs = [name for name in OWN_ANNOTATIONS if name in found and name not in wanted]
        if not theirs:
            return applied
        patch = {"metadata": {"annotations": dict.fromkeys(theirs)}}
        return await self._cluster.merge(body["metadata"]["name"], patch) or applied

    def _name(self, row: Provider) -> str:
        return resource_name(row.key.tenant, row.key.provider_id, row.mailbox)

    # --- resources without rows --------------------------------------------------------------------------------------

    async def _delete_rowless(self, rows: Sequence[Provider], *, confirmed: bool) -> tuple[int, int]:
        names, by_key = {self._name(row) for row in self._served(rows)}, {row.key: row for row in rows}
        mirrored = [resource for resource in self._fleet.resources() if self._may_go(resource)]
        doomed = [
            resource
            for resource in mirrored
            if resource.metadata.name not in names and not self._waits_for_successor(by_key.get(key_of(resource)))
        ]
        # Of a tenant that is not served only the resource goes, and nothing happens at Graph: there is nothing to guard.
        rowless = [
            resource
            for resource in doomed
            if key_of(resource) not in by_key and self._template.serves(resource.spec.tenant)
        ]
        if not confirmed and _too_many(len(rowless), len(mirrored), rows):
            _log.error(
                "too many rows are gone at once; their resources are kept. If that is right, run: graphmail mirror --confirm-deletions",
                missing=len(rowless), mirrored=len(mirrored),
            )  # fmt: skip
            doomed = [resource for resource in doomed if resource not in rowless]
        for resource in doomed:
            await self._cluster.delete(resource.metadata.name, uid=resource.metadata.uid)
        return len(doomed), 0 if confirmed else len(rowless) - sum(resource in rowless for resource in doomed)

    def _may_go(self, resource: GraphMailSubscription) -> bool:
        """Whoever only observes keeps what tells of a subscription: only who acts can delete that at Graph as well."""
        told = resource.status.subscription_id is not None
        keeps = self._template.observe and self._template.serves(resource.spec.tenant) and told
        return resource.mirrored and resource.metadata.deletion_timestamp is None and not keeps

    def _waits_for_successor(self, row: Provider | None) -> bool:
        """The provider has another mailbox now: the old one is kept until the new one is covered, or needs no cover."""
        if row is None or not self._template.serves(row.key.tenant) or pause(row, self._template) is not None:
            return False
        successor = self._fleet.get(self._name(row))
        ready = successor.resource.status.condition(ConditionType.READY) if successor else None
        return ready is None or ready.status != "True"

    async def _mark_delivering(self, rows: Iterable[Provider]) -> None:
        """A polling row whose notifications really arrive is told so; it is never set back."""
        arrived = [row.key for row in rows if row.polling and self._delivers(row)]
        if arrived:
            await self._database.mark_delivering(arrived)

    def _delivers(self, row: Provider) -> bool:
        entry = self._fleet.get(self._name(row))
        if entry is None or row.last_notification_at is None or entry.resource.metadata.creation_timestamp is None:
            return False
        subscribed = entry.resource.status.subscription_id is not None
        return subscribed and row.last_notification_at > entry.resource.metadata.creation_timestamp


def _too_many(rowless: int, mirrored: int, rows: Sequence[Provider]) -> bool:
    """An empty answer never deletes; a single deletion is never withheld from a small fleet otherwise."""
    if rowless == 0:
        return False
    return not rows or (rowless > 1 and rowless > mirrored * GUARDED_SHARE)
