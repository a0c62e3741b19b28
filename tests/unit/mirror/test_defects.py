"""A defect of ours in the mirror costs one row, or one round: never the rest of the fleet, nor the process."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from graphmail.cluster import Cluster
from graphmail.database import Database, Discovery
from graphmail.fleet import Fleet
from graphmail.mirror import Mirror, Template
from graphmail.observability.metrics import Metrics
from graphmail.provider import ProviderKey
from graphmail.stores import Stores
from support.rows import NOW, ROW

ODD = replace(ROW, key=ProviderKey("t1", "p2"), folders=cast("tuple[str, ...]", 5))
"""No such row can be read; it stands for whatever nobody thought of."""


class Ground:
    """An API server without resources, which takes any, and a Postgres with two rows, which breaks once."""

    def __init__(self, *breaks: Exception) -> None:
        self.breaks = list(breaks)
        self.applied: list[str] = []

    async def subscriptions(self) -> AsyncIterator[dict[str, Any]]:
        for body in ():
            yield body

    async def providers(self, *, changed_since: datetime | None) -> Discovery:
        if self.breaks:
            raise self.breaks.pop()
        return Discovery((ODD, ROW), changed_since or NOW, False, {})

    async def apply(self, body: Mapping[str, Any], *, manager: str) -> dict[str, Any]:
        assert manager
        self.applied.append(body["spec"]["mailbox"])
        metadata = body["metadata"] | {"uid": "u", "resourceVersion": "1", "generation": 1}
        return {**body, "metadata": metadata}

    async def mark_delivering(self, _keys: object) -> None:
        raise AssertionError("nothing has arrived")


async def test_a_row_that_nobody_thought_of_costs_the_others_nothing_and_a_defect_not_the_process() -> None:
    fleet, ground = Fleet(), Ground(ZeroDivisionError("a defect"))
    metrics = Metrics(fleet.resources, "0")
    mirror = Mirror(
        database=cast("Database", ground),
        cluster=cast("Cluster", ground),
        fleet=fleet,
        stores=Stores({}),
        metrics=metrics,
        announce=lambda *_, **__: None,
        template=Template("mail", "https://app.example.com/hook"),
        clock=lambda: NOW,
        noticed=lambda _: None,
    )
    running = asyncio.create_task(mirror.run(poll_seconds=0.1, compare_seconds=0.1))
    async with asyncio.timeout(60):
        await mirror.compared.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
    assert ground.applied == ["ann@example.com"]
    defects = re.search(r'graphmail_reconcile_errors_total\{reason="Defect"\} (\S+)', metrics.render().decode())
    assert defects is not None
    assert float(defects[1]) >= 2
