"""Which of the two stores can be reached, and whether the lease is ours: without one of them, only renewals go on (design, rule 5)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from graphmail.cluster import ClusterUnavailable
from graphmail.election import Standing
from graphmail.observability.metrics import Store

_log = structlog.get_logger("graphmail.stores")


class Stores:
    """The stores in use, and whether they answer.

    Args:
        probes: for each store in use, a call that says whether it answers; it is made only while the store counts as away, or is in doubt.
        standing: what the lease lets us do at this moment. While it is not ours the API server, which keeps it, counts as away.
    """

    def __init__(
        self,
        probes: Mapping[Store, Callable[[], Awaitable[bool]]],
        *,
        standing: Callable[[], Standing] = lambda: Standing.HOLDS,
    ) -> None:
        self._probes = dict(probes)
        self._up = dict.fromkeys(probes, True)
        self._standing = standing
        self._doubted: set[Store] = set()
        self._told: list[Callable[[Store, bool], None]] = []

    def notify(self, told: Callable[[Store, bool], None]) -> None:
        """Tell how each store in use stands, now and whenever that changes."""
        self._told.append(told)
        for store, up in self._up.items():
            told(store, up)

    @property
    def away(self) -> bool:
        """At least one store in use cannot be reached, or the lease is not ours at this moment."""
        return self.standing is not Standing.HOLDS or not all(self._up.values())

    @property
    def standing(self) -> Standing:
        """What the lease lets us do at this moment."""
        return self._standing()

    def up(self, store: Store) -> bool:
        """Whether that store answered last; a store that is not in use counts as up."""
        return self._up.get(store, True)

    def lost(self, store: Store) -> None:
        """A call to that store has failed to reach it."""
        self._set(store, up=False)

    def unanswered(self, error: ClusterUnavailable) -> None:
        """A call to the API server failed. It is away only where it gave no answer: an error to one call (429, 5xx) says nothing of the
        others, so that it is asked, soon and once, whether it answers at all."""
        if error.answered:
            self._doubted.add(Store.KUBERNETES)
        else:
            self.lost(Store.KUBERNETES)

    def back(self, store: Store) -> None:
        """A call to that store has succeeded."""
        if store is not Store.KUBERNETES or self.standing is Standing.HOLDS:
            self._set(store, up=True)

    async def watch(self, *, seconds: float = 5.0) -> None:
        """Ask the stores that are away or in doubt, until cancelled, whether they are there."""
        while True:
            if self.standing is not Standing.HOLDS:
                self.lost(Store.KUBERNETES)
            for store in [store for store, up in self._up.items() if not up or store in self._doubted]:
                self._doubted.discard(store)
                if await self._probes[store]():
                    self.back(store)
                else:
                    self.lost(store)
            await asyncio.sleep(seconds)

    def _set(self, store: Store, *, up: bool) -> None:
        if store not in self._up or self._up[store] is up:
            return
        self._up[store] = up
        for told in self._told:
            told(store, up)
        if up:
            _log.info("store is back", store=store.value)
        else:
            _log.warning(
                "store cannot be reached: renewals go on, nothing is created, replaced or deleted until it is back",
                store=store.value,
            )
