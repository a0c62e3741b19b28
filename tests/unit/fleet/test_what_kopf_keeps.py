"""Of each resource Kopf keeps a body for as long as the resource lives: the half of it that is read here is let go."""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import kopf
import pytest

from graphmail.engine import Engine
from graphmail.fleet import Entry, Fleet
from graphmail.handlers import register
from graphmail.observability.health import Ticking
from graphmail.observability.metrics import Metrics
from graphmail.reconciler import Farewell, Reconciler

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DELETED = {"deletionTimestamp": "2026-03-01T00:00:00Z"}


def event(version: str = "7", *, mailbox: str = "support@example.com", **metadata: Any) -> dict[str, Any]:
    """What the watch shows of a resource."""
    shown = {
        "metadata": {
            "name": "support",
            "namespace": "graphmail",
            "uid": "u1",
            "resourceVersion": version,
            "finalizers": ["graphmail.dev/subscription"],
            "managedFields": [{"manager": "graphmail-mirror"}],
            **metadata,
        },
        "spec": {
            "tenant": "t",
            "providerID": "p",
            "mailbox": mailbox,
            "notificationURL": "https://desk.example.com/hook",
        },
        "status": {"subscriptionID": "sub-1"},
    }
    return {"type": "MODIFIED", "object": shown}


@dataclass(slots=True)
class Calm:
    """Reconciler and farewell that find nothing to do, and note whom they looked after."""

    said: list[Entry] = field(default_factory=list)
    free: bool = True

    async def reconcile(self, entry: Entry) -> datetime:
        return NOW + timedelta(days=1)

    async def released(self, entry: Entry, now: datetime) -> bool:
        self.said.append(entry)
        return self.free


@dataclass(slots=True)
class House:
    """The handlers, with an engine and a fleet of their own."""

    fleet: Fleet = field(default_factory=Fleet)
    calm: Calm = field(default_factory=Calm)
    handlers: dict[str, Callable[..., Awaitable[None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        engine = Engine(
            fleet=self.fleet,
            reconciler=cast("Reconciler", self.calm),
            farewell=cast("Farewell", self.calm),
            metrics=Metrics(list, version="test"),
            ticking=Ticking(3600.0),
            now=lambda: NOW,
            tick_seconds=3600.0,
        )
        registry = register(engine, cast("kopf.AiohttpSession", None), tick_seconds=3600.0)
        for part in (registry._watching, registry._changing):
            self.handlers |= {handler.fn.__name__: handler.fn for handler in part.get_all_handlers()}

    async def see(self, shown: Mapping[str, Any]) -> None:
        """As Kopf does at each event."""
        await self.handlers["observe"](body=shown["object"], event=shown)
        await asyncio.sleep(0)

    async def part_with(self, shown: Mapping[str, Any]) -> None:
        """As Kopf does for what is deleted, in the same cycle."""
        await self.handlers["farewell"](body=shown["object"])


@pytest.fixture
def house() -> House:
    return House()


async def test_of_a_body_that_was_read_only_the_metadata_stays(house: House) -> None:
    shown = event()
    metadata = copy.deepcopy(shown["object"]["metadata"])
    del metadata["managedFields"]
    await house.see(shown)
    assert shown["object"] == {"metadata": metadata}
    entry = house.fleet.get("support")
    assert entry is not None
    assert entry.resource.spec.mailbox == "support@example.com"
    assert entry.resource.status.subscription_id == "sub-1"


async def test_a_body_that_could_not_be_read_for_a_defect_stays_whole(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(house.fleet, "observe", fail)
    shown = event()
    with pytest.raises(RuntimeError):
        await house.see(shown)
    assert shown == event()
    with pytest.raises(RuntimeError):
        await house.part_with(shown)
    assert house.calm.said == []


@pytest.mark.parametrize(("before", "after"), [("7", "8"), ("opaque", "opaque")])
async def test_a_deleted_resource_is_looked_after_as_it_was_last_shown(house: House, before: str, after: str) -> None:
    await house.see(event(before))
    shown = event(after, **DELETED)
    await house.see(shown)
    assert "spec" not in shown["object"]
    await house.part_with(shown)
    (entry,) = house.calm.said
    assert entry.resource.metadata.deletion_timestamp == NOW
    assert entry.resource.spec.mailbox == "support@example.com"


async def test_while_something_is_left_at_graph_the_finalizer_stays(house: House) -> None:
    house.calm.free = False
    shown = event(**DELETED)
    await house.see(shown)
    with pytest.raises(kopf.TemporaryError):
        await house.part_with(shown)


async def test_a_deleted_resource_that_is_not_what_the_crd_promises_may_go(house: House) -> None:
    shown = event(mailbox="no mailbox", **DELETED)
    await house.see(shown)
    await house.part_with(shown)
    assert house.calm.said == []
