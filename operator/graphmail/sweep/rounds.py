"""When the operator sweeps: now and then, never while a store is away, and again as soon as an orphan is old enough."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from graphmail.cluster import ClusterError
from graphmail.database import DatabaseError
from graphmail.observability.metrics import DEFECT, Metrics
from graphmail.stores import Stores
from graphmail.sweep.strays import Fate
from graphmail.sweep.sweeper import Sweeper

_log = structlog.get_logger("graphmail.sweep")

LOOK_SECONDS = 5.0
"""Of real time: how often it is looked whether a sweep is due by Graph's clock."""
FIRST_WITHIN = timedelta(hours=1)
"""The first sweep comes in the second half of this after the start, or of the interval where that is shorter."""
AGAIN_AFTER_A_FAILURE = timedelta(minutes=15)
SPREAD = 0.1
"""Intervals are up to this share longer or shorter, so that installations that started together do not sweep together."""


class Rounds:
    """Sweeps now and then.

    Args:
        now: the time at Graph.
        random: a number from 0 to 1.
        look_seconds: how often to look whether one is due.
    """

    def __init__(
        self,
        sweeper: Sweeper,
        stores: Stores,
        metrics: Metrics,
        *,
        interval: timedelta,
        now: Callable[[], datetime],
        random: Callable[[], float],
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._sweeper = sweeper
        self._stores = stores
        self._metrics = metrics
        self._interval = interval
        self._now = now
        self._random = random
        self._look_seconds = look_seconds

    async def run(self) -> None:
        """Sweep until cancelled."""
        due = self._now() + min(self._interval, FIRST_WITHIN) * (0.5 + 0.5 * self._random())
        while True:
            await asyncio.sleep(self._look_seconds)
            if self._now() >= due and not self._stores.away:
                due = self._now() + await self.round()

    async def round(self) -> timedelta:
        """Sweep once; how long to wait for the next."""
        again = min(self._interval, AGAIN_AFTER_A_FAILURE)
        try:
            return await self._sweep()
        except (DatabaseError, ClusterError) as error:
            _log.warning("the sweep was given up; it is tried again", error=str(error))
        except Exception:
            # A defect of ours must not end the care for mailboxes: it is told, counted, and tried again.
            _log.exception("the sweep failed unexpectedly; it is tried again")
            self._metrics.reconcile_error(DEFECT)
        return again

    async def _sweep(self) -> timedelta:
        look = await self._sweeper.look()
        swept = [stray async for stray in self._sweeper.carry_out(look)]
        if swept or look.unseen:
            counts = {fate.name.lower(): sum(stray.fate is fate for stray in swept) for fate in Fate}
            told = {fate: number for fate, number in counts.items() if number}
            _log.info("swept", marked=look.marked, unseen=look.unseen, **told)
        usual = self._interval * (1 + SPREAD * (2 * self._random() - 1))
        young = [stray.since for stray in swept if stray.fate is Fate.YOUNG and stray.since is not None]
        if not young:
            return usual
        ripe = min(young) + self._sweeper.grace - self._now()
        return min(usual, max(ripe, timedelta()) + timedelta(seconds=1))
