"""Who else writes a provider's row is remembered for as long as there is that row."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from graphmail.cluster import Cluster
from graphmail.database import Database, Discovery, PeerChange
from graphmail.fleet import Fleet
from graphmail.mirror import Mirror, Template
from graphmail.observability.events import EventReason
from graphmail.observability.metrics import Metrics
from graphmail.provider import Provider, ProviderKey
from graphmail.stores import Stores

NOW = datetime(2026, 11, 24, tzinfo=UTC)
KEY = ProviderKey("t1", "p1")
ROW = Provider(KEY, "ann@example.com", True, None, False, (), "sub-rival", NOW, "row-1", None, NOW)
CHANGE = PeerChange(KEY, "sub-rival", NOW, "sub-ours", NOW, NOW)


class Stands:
    """Postgres and the API server as a test sets them: they take whatever is applied."""

    def __init__(self) -> None:
        self.rows: tuple[Provider, ...] = (ROW,)

    async def providers(self, *, changed_since: datetime | None) -> Discovery:
        assert changed_since is None
        return Discovery(self.rows, NOW, False, {row.key: CHANGE for row in self.rows})

    async def subscriptions(self) -> AsyncIterator[dict[str, Any]]:
        for nothing in ():
            yield nothing

    async def apply(self, body: Mapping[str, Any], *, manager: str) -> dict[str, Any]:
        assert manager
        return {**body, "metadata": {**body["metadata"], "uid": "u", "generation": 1, "resourceVersion": "1"}}

    async def delete(self, _name: str, *, uid: str) -> bool:
        return bool(uid)


async def test_a_peer_is_told_of_once_and_again_for_a_row_that_had_gone() -> None:
    stands, told, fleet = Stands(), list[EventReason](), Fleet()
    mirror = Mirror(
        database=cast("Database", stands),
        cluster=cast("Cluster", stands),
        fleet=fleet,
        stores=Stores({}),
        metrics=Metrics(fleet.resources, "0"),
        announce=lambda _, reason, *__, **___: told.append(reason),
        template=Template("mail", "https://app.example.com/hook"),
        clock=lambda: NOW,
        noticed=lambda _: None,
    )
    for _ in range(3):
        await mirror.compare()
    assert told == [EventReason.PEER_ACTIVE]
    stands.rows = ()
    await mirror.compare(confirm_deletions=True)
    stands.rows = (ROW,)
    await mirror.compare()
    assert told == [EventReason.PEER_ACTIVE] * 2
