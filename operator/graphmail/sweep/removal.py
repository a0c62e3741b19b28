"""One orphan is deleted: in its turn, with nobody else at work on its provider, judged anew, and confirmed by GET."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from graphmail.database import Claim, Database
from graphmail.fleet import Fleet
from graphmail.graph import CallKind, GraphClient, GraphError, Meaning, MicrosoftError, NoTurn, Spender, Token, Turn
from graphmail.provider import ProviderKey
from graphmail.reconciler.acting import GIVE_UP
from graphmail.reconciler.turns import LONGEST_WAIT
from graphmail.stores import Stores
from graphmail.sweep.census import Census
from graphmail.sweep.judgement import Judgement, Owners, Standing, judge
from graphmail.sweep.strays import Fate, Stray
from graphmail.sweep.walk import Walk


class _Spared(Exception):
    """It is not deleted this time."""

    def __init__(self, fate: Fate, note: str) -> None:
        super().__init__(note)
        self.fate = fate


def _fate_of(error: MicrosoftError) -> Fate:
    if error.meaning is Meaning.GONE:
        return Fate.GONE
    return Fate.BUSY if isinstance(error, NoTurn) else Fate.FAILED


class Removal:
    """Deletes orphans.

    Args:
        fleet: the operator's memory, whose locks keep the reconciler away; None in a command, which has only the claim for that.
        installation: the first part of our marker.
        batch: most claims in flight for one tenant of the product.
    """

    def __init__(
        self,
        walk: Walk,
        census: Census,
        database: Database | None,
        stores: Stores,
        *,
        fleet: Fleet | None,
        installation: str,
        batch: int,
    ) -> None:
        self._walk = walk
        self._census = census
        self._database = database
        self._stores = stores
        self._fleet = fleet
        self._installation = installation
        self._batch = batch

    async def remove(self, stray: Stray) -> Stray:
        """Delete it, if it still is an orphan; the stray with what became of it.

        Raises:
            DatabaseError: Postgres cannot be asked, or refuses.
            ClusterError: the API server cannot be asked, or refuses.
        """
        try:
            await self._walk.signed_in(stray.holder, lambda token: self._remove(stray, token))
        except _Spared as spared:
            return replace(stray, fate=spared.fate, note=str(spared))
        except MicrosoftError as error:
            return replace(stray, fate=_fate_of(error), note=str(error))
        except TimeoutError:
            return replace(stray, fate=Fate.FAILED, note=f"Graph did not answer within {GIVE_UP.seconds} seconds")
        return replace(stray, fate=Fate.DELETED)

    async def _remove(self, stray: Stray, token: Token) -> None:
        """Turns are waited for first: a claim that waits keeps others out (as the reconciler does)."""
        graph, spender = self._walk.graph, stray.holder.spender(token, stray.found)
        await self._confirm_the_others(stray, token, spender)
        async with (
            _turn(graph, CallKind.READ, spender) as read,
            _turn(graph, CallKind.WRITE, spender) as write,
            self._alone(stray) as owners,
            asyncio.timeout(GIVE_UP.total_seconds()),
        ):
            found = await graph.get(stray.found.id, token=token.value, spender=spender, turn=read)
            client_id = stray.holder.credential.client_id
            self._check(stray, judge(found, client_id=client_id, installation=self._installation, owners=owners))
            await graph.delete(found.id, token=token.value, spender=spender, turn=write)

    async def _confirm_the_others(self, stray: Stray, token: Token, spender: Spender) -> None:
        """Those that cover the folder in its place must live: a status may be older than what happened at Graph."""
        for other in stray.judgement.instead:
            try:
                await self._walk.graph.get(other, token=token.value, spender=spender)
            except GraphError as error:
                if error.meaning is not Meaning.GONE:
                    raise
                raise _Spared(Fate.LEFT, f"subscription {other}, which covers the folder, is gone itself") from error

    def _check(self, stray: Stray, judgement: Judgement) -> None:
        """What has changed since it was judged decides."""
        if self._stores.away:
            raise _Spared(Fate.BUSY, "a store is away")
        if judgement.standing is Standing.LEFT:
            raise _Spared(Fate.LEFT, judgement.why)
        if judgement.standing is not Standing.ORPHAN:
            raise _Spared(Fate.BUSY, judgement.why)
        if judgement.instead != stray.judgement.instead:
            raise _Spared(Fate.BUSY, "another subscription covers the folder by now")

    @asynccontextmanager
    async def _alone(self, stray: Stray) -> AsyncIterator[Owners]:
        """Nobody works on the provider meanwhile; whoever owns something, as they stand then."""
        async with AsyncExitStack() as held:
            await self._lock(stray, held)
            claimed = await self._claim(stray, held)
            ids = (stray.found.id, *stray.judgement.instead)
            owners = await self._census.owners(ids, [stray.marker.provider])
            yield owners.claimed_by_us() if claimed else owners

    async def _lock(self, stray: Stray, held: AsyncExitStack) -> None:
        provider = stray.marker.provider.lower()
        for entry in self._fleet or ():
            if entry.resource.spec.provider_id.lower() == provider:
                if entry.lock.locked():
                    raise _Spared(Fate.BUSY, f"provider {stray.marker.provider} is being worked on")
                await held.enter_async_context(entry.lock)

    async def _claim(self, stray: Stray, held: AsyncExitStack) -> bool:
        """Take the claim of each row of that provider; False: it has none, and so nobody works on it."""
        if self._database is None:
            return False
        provider = stray.marker.provider
        holdings = await self._database.holdings([], [provider])
        tenants = [tenant for tenants in holdings.providers.values() for tenant in tenants]
        for tenant in tenants:
            key = ProviderKey(tenant, provider)
            claim = await self._database.claim(key, None, limit=self._batch)
            if not isinstance(claim, Claim):
                raise _Spared(Fate.BUSY, f"provider {provider} is being worked on")
            held.push_async_callback(self._database.release, claim, settled=not claim.unfinished)
            if claim.unfinished:
                raise _Spared(Fate.BUSY, f"work on provider {provider} was begun whose end is not known")
        return bool(tenants)


@asynccontextmanager
async def _turn(graph: GraphClient, kind: CallKind, spender: Spender) -> AsyncIterator[Turn]:
    """A turn that is given back whatever happens."""
    turn = await graph.budget.acquire(kind, spender, give_up=LONGEST_WAIT)
    try:
        yield turn
    finally:
        turn.give_back(used=False)
