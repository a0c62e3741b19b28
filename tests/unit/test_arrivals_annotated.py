"""Of a mailbox with a row, an annotation may tell of its notifications: the receiver has no database, or the row has no health."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from graphmail.arrivals import TOLD_IN_BATCHES, TOLD_LATE, Arrivals
from graphmail.cluster import Cluster
from graphmail.database import Database, Discovery, KeptRhythm
from graphmail.decision import minute_of
from graphmail.fleet import Entry, Fleet
from graphmail.mirror import Mirror, Template
from graphmail.observability.metrics import Metrics
from graphmail.provider import Provider
from graphmail.receiver.reading import write_moment
from graphmail.resource.names import ANNOTATION_LAST_NOTIFICATION
from graphmail.stores import Stores
from support.receiving import TENANT, resource
from unit.mirror.test_mirror_credential_annotation import ROW

NOW = datetime(2026, 11, 29, 16, 4, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
PROVIDER = replace(ROW, key=replace(ROW.key, tenant=TENANT, provider_id="provider-1"), mailbox="a@example.com")


@dataclass
class World:
    """Postgres with one row, the API server with its resource, and the mirror between them, which tells the arrivals."""

    row: Provider = PROVIDER
    annotations: dict[str, str] = field(default_factory=dict)
    mirrored: bool = True
    version: int = 1
    heard: list[datetime | None] = field(default_factory=list)
    noticed: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fleet = Fleet()
        self.arrivals = Arrivals(self.fleet, database=cast("Database", self), now=lambda: NOW)
        self.mirror = Mirror(
            database=cast("Database", self),
            cluster=cast("Cluster", self),
            fleet=self.fleet,
            stores=Stores({}),
            metrics=Metrics(self.fleet.resources, "0"),
            announce=lambda *_, **__: None,
            template=Template("mail", "https://desk.example.com/hook"),
            clock=lambda: NOW,
            noticed=self.noticed.append,
            heard=self._hear,
        )

    def _hear(self, entry: Entry) -> None:
        self.heard.append(entry.arrived_at)
        self.arrivals.heard(entry)

    async def told(self, *, row: datetime | None, annotation: datetime | None) -> Entry:
        """The mailbox once both have told of these."""
        self.row = replace(self.row, last_notification_at=row)
        self.annotations = {} if annotation is None else {ANNOTATION_LAST_NOTIFICATION: write_moment(annotation)}
        self.version += 1
        entry, _ = self.fleet.observe(self._body(), now=NOW)
        await self.mirror.compare()
        return entry

    def _body(self) -> dict[str, Any]:
        body = resource("a@example.com", {"sub-1": "state"}, mirrored=self.mirrored, **self.annotations)
        metadata = {"uid": "u1", "resourceVersion": str(self.version), "generation": 1}
        return body | {"metadata": body["metadata"] | metadata}

    # --- Postgres and the API server -----------------------------------------------------------------------------------

    async def providers(self, *, changed_since: datetime | None) -> Discovery:
        assert changed_since is None
        return Discovery((self.row,), NOW, False, {})

    async def rhythms(self) -> list[KeptRhythm]:
        return []

    async def subscriptions(self) -> AsyncIterator[dict[str, Any]]:
        yield self._body()

    async def apply(self, body: Mapping[str, Any], *, manager: str) -> dict[str, Any]:
        assert body["spec"]
        assert manager
        self.version += 1
        return self._body()


@pytest.mark.parametrize("row", [None, NOW - 300 * HOUR], ids=["the row tells nothing", "the row tells of old ones"])
async def test_what_only_an_annotation_tells_of_has_arrived_and_is_an_hour_late_at_most(row: datetime | None) -> None:
    world = World()
    await world.arrivals.read()
    entry = await world.told(row=row, annotation=NOW - HOUR)
    assert entry.arrived_at == NOW - HOUR
    heard = world.arrivals.of(entry)
    assert heard is not None
    assert (heard.until, heard.delay) == (NOW - TOLD_IN_BATCHES, TOLD_LATE)
    assert minute_of(NOW - HOUR) in heard.taken
    assert (world.heard, world.noticed[-1:]) == ([NOW - HOUR], [entry])


async def test_a_row_that_tells_of_a_later_one_has_the_word_and_is_not_late() -> None:
    world = World()
    entry = await world.told(row=NOW - HOUR, annotation=NOW - 2 * HOUR)
    heard = world.arrivals.of(entry)
    assert heard is not None
    assert (entry.arrived_at, heard.delay) == (NOW - HOUR, timedelta())


async def test_each_arrival_is_told_once_whoever_tells_of_it() -> None:
    world = World()
    for _ in range(2):
        await world.told(row=NOW - 5 * HOUR, annotation=None)
        await world.told(row=NOW - 5 * HOUR, annotation=NOW - 4 * HOUR)
        await world.told(row=NOW - 4.5 * HOUR, annotation=NOW - 4 * HOUR)
        await world.told(row=NOW - 3 * HOUR, annotation=NOW - 4 * HOUR)
        world.heard, seen = [], world.heard
        assert seen[-3:] == [NOW - 5 * HOUR, NOW - 4 * HOUR, NOW - 3 * HOUR]


async def test_of_a_resource_without_a_row_no_rhythm_is_kept() -> None:
    world = World(mirrored=False)
    world.annotations = {ANNOTATION_LAST_NOTIFICATION: write_moment(NOW - HOUR)}
    entry, _ = world.fleet.observe(world._body(), now=NOW)
    await world.arrivals.read()
    assert entry.rhythm is None
    assert world.arrivals.of(entry) is not None
