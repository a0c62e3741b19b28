"""A store is back: who could not be written down is looked at at once, and who is refused for a reason of its own waits for its time."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from graphmail.engine import Engine
from graphmail.fleet import Entry, Fleet
from graphmail.observability.health import Ticking
from graphmail.observability.metrics import Metrics
from graphmail.reconciler import Farewell, Reconciler
from support.waiting import eventually

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SPEC = {"tenant": "t", "mailbox": "a@b.example", "notificationURL": "https://desk.example.com/h"}


class Looks:
    """A reconciler that tells whom it was asked to look at."""

    def __init__(self) -> None:
        self.at: list[str] = []

    async def reconcile(self, entry: Entry) -> datetime:
        self.at.append(entry.resource.metadata.name)
        return NOW + timedelta(hours=1)

    def stop(self) -> None:
        """Nothing is under way."""


def unwritten(fleet: Fleet, name: str) -> Entry:
    metadata = {"name": name, "namespace": "n", "uid": name, "resourceVersion": "7"}
    entry, _ = fleet.observe({"metadata": metadata, "spec": SPEC | {"providerID": name}}, now=NOW)
    entry.unwritten = True
    return entry


async def test_a_status_that_is_refused_is_not_tried_again_before_its_time_because_the_store_is_back() -> None:
    fleet, looks = Fleet(), Looks()
    engine = Engine(
        fleet=fleet,
        reconciler=cast("Reconciler", cast("Any", looks)),
        farewell=cast("Farewell", None),
        metrics=Metrics(fleet.resources, "0"),
        ticking=Ticking(600.0),
        now=lambda: NOW,
        tick_seconds=600.0,
    )
    unwritten(fleet, "missed")
    unwritten(fleet, "refused").status_pause.refused(NOW)
    engine.store_is_back()
    await eventually(lambda: looks.at, "one is looked at")
    await engine.stop(1.0)
    assert looks.at == ["missed"]
