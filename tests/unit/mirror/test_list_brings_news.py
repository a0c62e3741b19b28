"""The mirror's own list may show a change before the watch does, whose event then wakes nobody: so the list does."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from graphmail.cluster import Cluster
from graphmail.database import Database, Discovery
from graphmail.fleet import Fleet
from graphmail.mirror import Mirror, Template
from graphmail.observability.metrics import Metrics
from graphmail.resource.names import ANNOTATION_LIFECYCLE, ANNOTATION_RENEW
from graphmail.stores import Stores
from support.receiving import resource

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def shown(version: str, **annotations: str) -> dict[str, Any]:
    body = resource("a@example.com", {"sub-1": "state"}, mirrored=False, **annotations)
    return body | {"metadata": body["metadata"] | {"uid": "u1", "resourceVersion": version, "generation": 1}}


class Stands:
    """An API server with one resource, and a Postgres without rows."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body

    async def subscriptions(self) -> AsyncIterator[dict[str, Any]]:
        yield self.body

    async def providers(self, *, changed_since: datetime | None) -> Discovery:
        assert changed_since is None
        return Discovery((), NOW, False, {})


def mirror_of(stands: Stands, fleet: Fleet, woken: list[str]) -> Mirror:
    return Mirror(
        database=cast("Database", stands),
        cluster=cast("Cluster", stands),
        fleet=fleet,
        stores=Stores({}),
        metrics=Metrics(fleet.resources, "0"),
        announce=lambda *_, **__: None,
        template=Template("mail", "https://app.example.com/hook"),
        clock=lambda: NOW,
        noticed=lambda entry: woken.append(entry.resource.metadata.name),
    )


@pytest.mark.parametrize("annotation", [ANNOTATION_LIFECYCLE, ANNOTATION_RENEW])
async def test_what_the_list_shows_first_is_looked_at_at_once_and_the_watch_only_repeats_it(annotation: str) -> None:
    fleet, woken = Fleet(), list[str]()
    fleet.observe(shown("7"), now=NOW)
    told = shown("8", **{annotation: "2026-11-24T00:00:00Z"})
    await mirror_of(Stands(told), fleet, woken).compare()
    assert woken == [told["metadata"]["name"]]
    assert fleet.observe(told, now=NOW)[1] is False


async def test_a_list_without_news_wakes_nobody() -> None:
    fleet, woken = Fleet(), list[str]()
    fleet.observe(shown("7"), now=NOW)
    for version in ("6", "7", "8"):
        await mirror_of(Stands(shown(version)), fleet, woken).compare()
    assert woken == []
