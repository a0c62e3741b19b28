"""The sweep: list, ask all owners, judge, remember, delete (design, rule 3)."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from graphmail.database import Sighting
from graphmail.graph import Subscription, read_marker
from graphmail.observability.logs import bind
from graphmail.observability.metrics import Metrics
from graphmail.sweep.census import Census
from graphmail.sweep.judgement import Judgement, Owners, Standing, judge
from graphmail.sweep.removal import Removal
from graphmail.sweep.sightings import Sightings
from graphmail.sweep.strays import Fate, Stray
from graphmail.sweep.walk import Listed, Walk

_log = structlog.get_logger("graphmail.sweep")

_FATES = {Standing.BUSY: Fate.BUSY, Standing.LEFT: Fate.LEFT}


@dataclass(frozen=True, slots=True)
class Look:
    """What Graph shows of ours, and how it stands. Nothing has been written, and nothing deleted."""

    at: datetime
    marked: int
    """Subscriptions that carry the mark of this installation."""
    strays: Sequence[Stray]
    """Those of them that nobody knows."""
    owned: Collection[str]
    """Ids of those that somebody does."""
    unseen: int
    """Apps and users whose list could not be had."""


class Sweeper:
    """Looks for orphans and deletes them.

    Args:
        installation: the first part of our marker.
        grace: how long an orphan must have been known as one.
        now: the time at Graph.
    """

    def __init__(
        self,
        walk: Walk,
        census: Census,
        sightings: Sightings,
        removal: Removal,
        metrics: Metrics,
        *,
        installation: str,
        grace: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self.grace = grace
        self._walk = walk
        self._census = census
        self._sightings = sightings
        self._removal = removal
        self._metrics = metrics
        self._installation = installation
        self._now = now

    async def look(self) -> Look:
        """List everything and judge it. The owners are asked after the lists: what was made meanwhile is known to them.

        Raises:
            DatabaseError: Postgres cannot be asked, or refuses.
            ClusterError: the API server cannot be asked, or refuses.
        """
        resources = await self._census.resources()
        marked = await self._walk.lists(resources, self._is_marked)
        owners = await self._owners(marked)
        judged = await self._respecting_overlooked([(listed, self._judge(listed, owners)) for listed in marked])
        strays = [Stray(listed, judgement, Fate.LEFT) for listed, judgement in judged if _is_stray(judgement)]
        seen = await self._sightings.seen([stray.found.id for stray in strays]) if strays else {}
        at = self._now()
        return Look(
            at=at,
            marked=len(marked),
            strays=[self._aged(stray, _known_since(stray, seen, owners), at) for stray in strays],
            owned=[listed.found.id for listed, judgement in judged if judgement.standing is Standing.OWNED],
            unseen=self._walk.unseen,
        )

    async def carry_out(self, look: Look) -> AsyncIterator[Stray]:
        """Remember the orphans, and delete those that are due; each with what became of it.

        Raises:
            DatabaseError: Postgres cannot be asked, or refuses.
            ClusterError: the API server cannot be asked, or refuses.
        """
        since = await self._remember(look)
        for stray in look.strays:
            known = replace(stray, since=stray.since or since.get(stray.found.id))
            yield await self._remove(known) if stray.fate is Fate.DUE else known

    def _is_marked(self, found: Subscription) -> bool:
        marker = read_marker(found.notification_url)
        return marker is not None and marker.installation == self._installation

    async def _owners(self, marked: Sequence[Listed]) -> Owners:
        markers = (read_marker(listed.found.notification_url) for listed in marked)
        providers = {marker.provider for marker in markers if marker is not None}
        return await self._census.owners([listed.found.id for listed in marked], providers)

    def _judge(self, listed: Listed, owners: Owners) -> Judgement:
        client_id = listed.holder.credential.client_id
        return judge(listed.found, client_id=client_id, installation=self._installation, owners=owners)

    async def _respecting_overlooked(self, judged: list[tuple[Listed, Judgement]]) -> list[tuple[Listed, Judgement]]:
        """What looks like an orphan may belong to a resource that we do not know: the API server is asked once more, for all of them."""
        if not any(judgement.standing is Standing.ORPHAN for _, judgement in judged):
            return judged
        overlooked = await self._census.overlooked()
        unknown = Judgement(Standing.BUSY, "its provider has a resource that is not known here, or cannot be read")

        def is_overlooked(listed: Listed) -> bool:
            marker = read_marker(listed.found.notification_url)
            return marker is not None and marker.provider.lower() in overlooked

        return [
            (listed, unknown if judgement.standing is Standing.ORPHAN and is_overlooked(listed) else judgement)
            for listed, judgement in judged
        ]

    def _aged(self, stray: Stray, since: datetime | None, at: datetime) -> Stray:
        if stray.judgement.standing is not Standing.ORPHAN:
            return replace(stray, fate=_FATES[stray.judgement.standing])
        old = since is not None and at - since >= self.grace
        return replace(stray, since=since, fate=Fate.DUE if old else Fate.YOUNG)

    async def _remember(self, look: Look) -> Mapping[str, datetime]:
        orphans = [stray for stray in look.strays if stray.judgement.standing is Standing.ORPHAN]
        since = await self._sightings.see([_sighting(stray) for stray in orphans], look.owned, look.at)
        for stray in orphans:
            if since.get(stray.found.id) == look.at:
                self._metrics.orphan_found()
                _log.warning("an orphan was found", **_told(stray), reason=stray.why)
        return since

    async def _remove(self, stray: Stray) -> Stray:
        told = _told(stray)
        with bind(**told):
            done = await self._removal.remove(stray)
        if done.fate is Fate.DELETED:
            self._metrics.orphan_deleted()
            _log.info("an orphan was deleted", **told, reason=stray.why)
        elif done.fate is Fate.FAILED:
            _log.warning("an orphan could not be deleted; the next sweep tries again", **told, reason=done.why)
        return done


def _is_stray(judgement: Judgement) -> bool:
    return judgement.standing not in {Standing.NEIGHBOUR, Standing.OWNED}


def _known_since(stray: Stray, seen: Mapping[str, datetime], owners: Owners) -> datetime | None:
    """Since when it is on record as belonging to nobody: seen by an earlier sweep, or abandoned."""
    abandoned = owners.holdings.abandoned if owners.holdings is not None else {}
    known = [seen.get(stray.found.id), abandoned.get(stray.found.id.lower())]
    return min((moment for moment in known if moment is not None), default=None)


def _sighting(stray: Stray) -> Sighting:
    return Sighting(stray.found.id, stray.marker.provider, stray.found.expires_at, stray.judgement.why)


def _told(stray: Stray) -> dict[str, str]:
    return {"provider": stray.marker.provider, "folder": stray.marker.folder, "subscription": stray.found.id}
