"""Who is an orphan: one pure function over an ordered list of small checks; the first that answers wins.

Resource and URL of a subscription prove nothing, for all mailboxes of the product share one URL: only the marker says that it is ours
(design, rule 3). Whatever is in doubt is no orphan. A subscription that is left expires by itself within seven days; one that is deleted
wrongly costs notifications.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from graphmail.database import Holdings
from graphmail.database.keys import as_uuid
from graphmail.graph import Marker, Subscription, read_marker
from graphmail.resource import GraphMailSubscription
from graphmail.resource.folders import wanted_folders
from graphmail.resource.names import ANNOTATION_ADOPT


class Standing(StrEnum):
    """How a subscription stands."""

    NEIGHBOUR = "neighbour"
    """Somebody else's: it is never touched."""
    OWNED = "owned"
    """A resource or a row knows it."""
    BUSY = "busy"
    """Its provider is being worked on, or something that was begun there has no known end: it is looked at another time."""
    LEFT = "left"
    """Nobody owns it, and it is left to expire all the same."""
    ORPHAN = "orphan"
    """It is ours and belongs to nobody."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a subscription stands, and why."""

    standing: Standing
    why: str
    """For people."""
    instead: tuple[str, ...] = ()
    """Those that cover the folder in its place: they must live before it may go."""


@dataclass(frozen=True, slots=True)
class Owners:
    """Everybody who may own a subscription, as they stand now."""

    held: frozenset[str]
    """Ids that the resources know, in small letters."""
    resources: Mapping[str, tuple[GraphMailSubscription, ...]]
    """By provider id, in small letters. The marker names no tenant, so there may be several."""
    holdings: Holdings | None
    """What Postgres knows; None: the operator works without it."""
    several: bool
    """Every folder is subscribed, not only the first (design, rule 12)."""
    now: datetime
    """The time at Graph."""

    @classmethod
    def of(
        cls, resources: Iterable[GraphMailSubscription], holdings: Holdings | None, *, several: bool, now: datetime
    ) -> Self:
        """Put together what the stores say."""
        held: set[str] = set()
        by_provider: dict[str, tuple[GraphMailSubscription, ...]] = {}
        for resource in resources:
            held.update(_known_to(resource))
            provider = resource.spec.provider_id.lower()
            by_provider[provider] = (*by_provider.get(provider, ()), resource)
        return cls(frozenset(held), by_provider, holdings, several, now)

    def claimed_by_us(self) -> Self:
        """The same, where every claim that is held is our own."""
        holdings = self.holdings
        return self if holdings is None else replace(self, holdings=replace(holdings, claimed=frozenset()))


def _known_to(resource: GraphMailSubscription) -> set[str]:
    """The ids that a resource names: what it holds, and what it was asked to adopt."""
    status = resource.status
    ids = {row.subscription_id for row in status.subscriptions}
    ids |= {status.subscription_id, resource.metadata.annotations.get(ANNOTATION_ADOPT)}
    return {one.lower() for one in ids if one}


@dataclass(frozen=True, slots=True)
class _Case:
    found: Subscription
    marker: Marker
    owners: Owners

    @property
    def id(self) -> str:
        return self.found.id.lower()

    @property
    def resources(self) -> tuple[GraphMailSubscription, ...]:
        return self.owners.resources.get(self.marker.provider.lower(), ())

    @property
    def has_row(self) -> bool:
        holdings = self.owners.holdings
        return holdings is not None and str(as_uuid(self.marker.provider)) in holdings.providers

    @property
    def name(self) -> str:
        return f"provider {self.marker.provider}"


def judge(found: Subscription, *, client_id: str, installation: str, owners: Owners) -> Judgement:
    """How a subscription stands that Graph lists.

    Args:
        client_id: of the app that it was listed for.
        installation: the first part of our marker.
        owners: everybody who may own it, asked after it was listed: what was made since then is known to them.
    """
    marker = read_marker(found.notification_url)
    if marker is None or marker.installation != installation:
        return Judgement(Standing.NEIGHBOUR, "it does not carry the mark of this installation")
    if (found.application_id or "").lower() != client_id.lower():
        return Judgement(Standing.NEIGHBOUR, "it belongs to another app")
    case = _Case(found, marker, owners)
    for check in CHECKS:
        judgement = check(case)
        if judgement is not None:
            return judgement
    raise AssertionError("the last check always answers")


def _owned(case: _Case) -> Judgement | None:
    holdings = case.owners.holdings
    if case.id in case.owners.held:
        return Judgement(Standing.OWNED, "a resource knows it")
    if holdings is not None and case.id in holdings.subscriptions:
        return Judgement(Standing.OWNED, "Postgres knows it")
    return None


def _retained(case: _Case) -> Judgement | None:
    holdings = case.owners.holdings
    if holdings is not None and case.id in holdings.retained:
        return Judgement(Standing.LEFT, "deletionPolicy Retain leaves it to expire")
    return None


def _under_way(case: _Case) -> Judgement | None:
    """Who is being worked on may adopt what belongs to nobody now."""
    holdings, key = case.owners.holdings, str(as_uuid(case.marker.provider))
    if holdings is not None and key in holdings.claimed:
        return Judgement(Standing.BUSY, f"{case.name} is being worked on")
    known = bool(case.resources) or case.has_row
    if holdings is not None and known and key in holdings.unsettled:
        return Judgement(Standing.BUSY, f"work on {case.name} was begun whose end is not known")
    if any(_pending(resource) for resource in case.resources):
        return Judgement(Standing.BUSY, f"a create for {case.name} was begun, and its answer is not known")
    return None


def _pending(resource: GraphMailSubscription) -> bool:
    status = resource.status
    begun = [status.pending_create_time, *(row.pending_create_time for row in status.subscriptions)]
    return any(moment is not None for moment in begun)


def _resting(case: _Case) -> Judgement | None:
    """A suspended mailbox is not called for, and a deleted one is cleared by its own farewell."""
    if any(resource.metadata.deletion_timestamp is not None for resource in case.resources):
        return Judgement(Standing.BUSY, f"the resource of {case.name} is being deleted")
    if any(resource.spec.suspend for resource in case.resources):
        return Judgement(Standing.BUSY, f"{case.name} is suspended: no calls are made for it")
    if case.has_row and not case.resources:
        return Judgement(Standing.BUSY, f"{case.name} has a row and no resource yet")
    return None


def _gone(case: _Case) -> Judgement | None:
    """An accident looks the same: a database that lost its rows, or a person's wish that nobody wrote down, proves nothing."""
    if case.resources:
        return None
    holdings = case.owners.holdings
    if holdings is None:
        return Judgement(Standing.LEFT, f"{case.name} has no resource; without Postgres nobody knows who let go of it")
    if not holdings.any_provider:
        return Judgement(Standing.LEFT, f"{case.name} has no resource, and Postgres shows no provider at all")
    return Judgement(Standing.ORPHAN, f"{case.name} has neither a resource nor a row")


def _unwanted(case: _Case) -> Judgement | None:
    folder, several = case.marker.folder, case.owners.several
    if any(folder in wanted_folders(resource, several=several) for resource in case.resources):
        return None
    return Judgement(Standing.ORPHAN, f"{case.name} does not watch folder {folder}")


def _superseded(case: _Case) -> Judgement:
    """It may go when each resource that watches the folder has another one. Otherwise it may be all that covers the mailbox."""
    folder, several = case.marker.folder, case.owners.several
    watching = [one for one in case.resources if folder in wanted_folders(one, several=several)]
    rows = [resource.status.folder(folder) for resource in watching]
    instead = tuple(
        row.subscription_id
        for row in rows
        if row is not None
        and row.subscription_id is not None
        and row.expiration_time is not None
        and row.expiration_time > case.owners.now
    )
    if len(instead) < len(watching):
        return Judgement(Standing.LEFT, f"folder {folder} of {case.name} has no other subscription")
    return Judgement(
        Standing.ORPHAN, f"folder {folder} of {case.name} has subscription {', '.join(instead)} now", instead
    )


CHECKS: tuple[Callable[[_Case], Judgement | None], ...] = (
    _owned,
    _retained,
    _under_way,
    _resting,
    _gone,
    _unwanted,
    _superseded,
)
