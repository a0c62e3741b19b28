"""Renewals that rows of `graphmail.renewal_requests` ask for: taken up, carried to the resource's annotation, and answered."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from graphmail.cluster import Cluster, ClusterError, ClusterUnavailable
from graphmail.database import Database, DatabaseError, DatabaseUnavailable, Progress, RenewalRequest, RequestState
from graphmail.decision import Policy
from graphmail.fleet import Entry, Fleet, key_of
from graphmail.observability.metrics import Store
from graphmail.pages.judgement import FEW, WAIT, Move, judge, judge_absent, now_is
from graphmail.provider import ProviderKey
from graphmail.resource.names import ANNOTATION_RENEW
from graphmail.stores import Stores

_log = structlog.get_logger("graphmail.pages")

LOOK_SECONDS = 0.5
"""Between two looks at the resources while requests are open; no store is asked for it."""
READ_SPACING = 2.0
"""Between two questions to Postgres, however many requests come."""
READ_AGAIN_SECONDS = 15.0
"""While requests are open: rows may be deleted, and providers may appear or go."""
_CONFLICT = 409


class Requests:
    """Takes up the requests, and writes into each row what became of it. Begun once the memory is complete.

    Args:
        noticed: told of a mailbox whose annotation was set.
        now: the machine's clock.
    """

    def __init__(
        self,
        *,
        database: Database,
        cluster: Cluster,
        fleet: Fleet,
        stores: Stores,
        policy: Policy,
        noticed: Callable[[Entry], None],
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._cluster = cluster
        self._fleet = fleet
        self._stores = stores
        self._policy = policy
        self._noticed = noticed
        self._now = now
        self._told = asyncio.Event()
        self._told.set()  # what was open when this process began
        self._read_at = float("-inf")
        self._open: dict[str, RenewalRequest] = {}

    def tell(self) -> None:
        """There are rows that nobody has taken up yet."""
        self._told.set()

    async def run(self, *, look_seconds: float = LOOK_SECONDS) -> None:
        """Work on requests until cancelled. While there are none, nobody is asked."""
        while True:
            if not self._open:
                await self._told.wait()
            try:
                await self.look()
            except DatabaseUnavailable:
                self._stores.lost(Store.POSTGRES)
            except ClusterUnavailable as error:
                self._stores.unanswered(error)
            except (DatabaseError, ClusterError) as error:
                _log.error("requests for renewals are refused by a store, and tried again", error=str(error))
                await asyncio.sleep(READ_AGAIN_SECONDS)
            await asyncio.sleep(look_seconds)

    async def look(self) -> None:
        """One look at all that are open.

        Raises:
            DatabaseError: Postgres could not be asked, or refused.
            ClusterError: the same of the API server.
        """
        if self._stores.away:
            return
        fresh = await self._read()
        entries = self._entries()
        under_way: dict[ProviderKey, str] = {}
        made: list[Progress] = []
        asked: dict[ProviderKey, str] = {}
        for request in sorted(self._open.values(), key=lambda request: request.state is RequestState.QUEUED):
            move = await self._move(request, entries.get(request.key), under_way.get(request.key), fresh=fresh)
            value = move.annotate or (move.progress.answer_to if move.progress is not None else None)
            if value is not None:
                under_way.setdefault(request.key, value)
            if move.progress is not None:
                made.append(move.progress)
            if move.annotate is not None:
                asked[request.key] = move.annotate
        await self._advance(made)
        for key, value in asked.items():
            await self._annotate(entries[key], value)

    async def _advance(self, made: Sequence[Progress]) -> None:
        if not made:
            return
        written = await self._database.advance_renewal_requests(made)
        for progress in made:
            if progress.id in written:
                self._advanced(progress)
            else:
                self._overtaken(progress)

    def _overtaken(self, progress: Progress) -> None:
        """Another process acts too, and was first: its value counts, which is read before anything is asked for."""
        del self._open[progress.id]
        self._told.set()

    async def _read(self) -> bool:
        """Whether the open requests were read anew."""
        waited = time.monotonic() - self._read_at
        queued = any(request.state is RequestState.QUEUED for request in self._open.values())
        pause = READ_AGAIN_SECONDS if queued or not self._told.is_set() else READ_SPACING
        if waited < pause:
            return False
        self._told.clear()
        self._read_at = time.monotonic()
        try:
            self._open = {request.id: request for request in await self._database.open_renewal_requests()}
        except DatabaseError:
            self._told.set()
            raise
        return True

    async def _move(self, request: RenewalRequest, entry: Entry | None, under_way: str | None, *, fresh: bool) -> Move:
        if entry is not None:
            return judge(
                request,
                entry.resource,
                policy=self._policy,
                under_way=under_way,
                many=len(self._open) > FEW,
                unwritten=entry.unwritten,
            )
        if not fresh:
            return WAIT
        exists = await self._database.provider_state(request.key) is not None
        return judge_absent(request, exists=exists, policy=self._policy, now=self._now())

    def _entries(self) -> dict[ProviderKey, Entry]:
        """The resources of the providers that are asked for: the newest, where one moves from one mailbox to another.

        One pass over the memory, however many requests there are.
        """
        wanted = {request.key for request in self._open.values()}
        found: dict[ProviderKey, Entry] = {}
        for entry in self._fleet:
            key = key_of(entry.resource)
            if key in wanted and entry.resource.mirrored and (key not in found or _made(entry) > _made(found[key])):
                found[key] = entry
        return found

    def _advanced(self, progress: Progress) -> None:
        request = self._open[progress.id]
        if progress.state.final:
            del self._open[progress.id]
            tenant, provider = request.key.tenant, request.key.provider_id
            _log.info(
                f"a renewal that a row asked for is {progress.state}",
                tenant=tenant,
                provider=provider,
                request=progress.id,
            )
        else:
            self._open[progress.id] = now_is(request, progress)

    async def _annotate(self, entry: Entry, value: str) -> None:
        """Ask at the resource, unless somebody has changed it since it was judged."""
        metadata = entry.resource.metadata
        patch = {"resourceVersion": metadata.resource_version, "annotations": {ANNOTATION_RENEW: value}}
        try:
            body = await self._cluster.merge(metadata.name, {"metadata": patch})
        except ClusterError as error:
            if error.status != _CONFLICT:
                raise
            return
        if body is not None:
            with contextlib.suppress(KeyError):
                entry.take(body)
            self._noticed(entry)


def _made(entry: Entry) -> str:
    return str(entry.resource.metadata.creation_timestamp)
