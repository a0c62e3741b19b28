"""One full comparison of the mirror, carried out or rehearsed, with an account of what it changed.

A rehearsal is the same comparison against the same API server, which is told to change nothing (`dryRun=All`): it checks rights and
rules as in earnest, and says what would become of each resource.
"""

import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from kubernetes.client import Configuration

from graphmail.cli.clusters import Target, connected
from graphmail.cli.databases import open_database
from graphmail.cluster import Cluster, ClusterError, ClusterUnavailable
from graphmail.database import Database
from graphmail.decision import Mode, adoption_pending
from graphmail.fleet import Fleet
from graphmail.mirror import Mirror, Template
from graphmail.observability.metrics import Metrics
from graphmail.provider import ProviderKey
from graphmail.reconciler import CredentialFiles
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import ANNOTATION_ADOPT
from graphmail.settings import Settings
from graphmail.stores import Stores


@dataclass(frozen=True, slots=True)
class Wish:
    """What a comparison may do.

    `deletable`: names of the resources that may be deleted; None: all that the mirror wants to delete.
    """

    rehearse: bool = False
    confirm_deletions: bool = False
    deletable: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a comparison changed, or would change."""

    rows: int
    created: Sequence[GraphMailSubscription]
    updated: Sequence[GraphMailSubscription]
    adopting: Sequence[GraphMailSubscription]
    """Newly marked: their rows know an id that their status does not; the operator asks Graph for it, and keeps it."""
    deleted: Sequence[GraphMailSubscription]
    spared: Sequence[GraphMailSubscription]
    """The mirror wanted to delete them, and was not allowed to."""
    withheld: int
    """Deletions that wait for a person's confirmation."""
    refused: Mapping[str, str]
    """Mailboxes whose resources the API server refuses, and what it says."""


async def compare(settings: Settings, target: Target, wish: Wish) -> Report:
    """Compare every row with every resource.

    Raises:
        CommandFailed: no database or no URL of the product is set, or the API server refuses or cannot be reached.
        ClusterConfigError: there is no usable configuration for an API server.
        DatabaseError: Postgres cannot be asked, or refuses.
    """
    kind = _RehearsedDatabase if wish.rehearse else Database
    client = _Cluster(target.configuration(), target.namespace, wish)
    async with open_database(settings, kind) as database, connected(client) as cluster:
        return await _compare(settings, cluster, database, wish)


async def _compare(settings: Settings, cluster: "_Cluster", database: Database, wish: Wish) -> Report:
    logging.getLogger("graphmail.mirror").setLevel(logging.CRITICAL)  # the report says it all
    fleet = Fleet()
    mirror = Mirror(
        database=database,
        cluster=cluster,
        fleet=fleet,
        stores=Stores({}),
        metrics=Metrics(fleet.resources, version("graphmail-operator")),
        announce=lambda *_, **__: None,
        template=Template(
            cluster.namespace,
            settings.notification_url or "",
            settings.respect_polling,
            CredentialFiles(settings.credentials_dir, settings.workload_identity).fingerprint_of,
            tenants=settings.tenants,
            observe=settings.mode is Mode.OBSERVE,
            lifecycle_url=settings.lifecycle_url,
        ),
        clock=lambda: datetime.now(UTC),
        noticed=lambda _: None,
    )
    compared = await mirror.compare(confirm_deletions=wish.confirm_deletions)
    return _report(fleet, cluster, compared.rows, compared.withheld)


def _report(fleet: Fleet, cluster: "_Cluster", rows: int, withheld: int) -> Report:
    resources = {resource.metadata.name: resource for resource in fleet.resources()}
    applied = [resources[name] for name in cluster.applied if name in resources]
    return Report(
        rows=rows,
        created=[one for one in applied if one.metadata.name not in cluster.listed],
        updated=[one for one in applied if one.metadata.name in cluster.listed],
        adopting=[
            resource
            for name, resource in resources.items()
            if adoption_pending(resource)
            and cluster.listed.get(name) != resource.metadata.annotations[ANNOTATION_ADOPT]
        ],
        deleted=[resources[name] for name in cluster.deleted],
        spared=[resources[name] for name in cluster.spared],
        withheld=withheld,
        refused=cluster.refused,
    )


class _Cluster(Cluster):
    """The API server, with an account of what was changed there."""

    def __init__(self, configuration: Configuration, namespace: str, wish: Wish) -> None:
        super().__init__(configuration, namespace)
        self._wish = wish
        self.listed: dict[str, str | None] = {}
        self.applied: list[str] = []
        self.deleted: list[str] = []
        self.spared: list[str] = []
        self.refused: dict[str, str] = {}

    async def subscriptions(self) -> AsyncIterator[dict[str, Any]]:
        """All of them; their names, and what each was marked to adopt before anything was changed, are remembered."""
        async for body in super().subscriptions():
            metadata = body["metadata"]
            self.listed[metadata["name"]] = (metadata.get("annotations") or {}).get(ANNOTATION_ADOPT)
            yield body

    async def apply(self, body: Mapping[str, Any], *, manager: str) -> dict[str, Any]:
        """Apply it, or have it tried."""
        try:
            applied = await super().apply(body, manager=manager)
        except ClusterUnavailable:
            raise
        except ClusterError as error:
            self.refused[body["spec"]["mailbox"]] = str(error)
            raise
        self.applied.append(body["metadata"]["name"])
        return applied

    async def delete(self, name: str, *, uid: str) -> bool:
        """Delete it, or have it tried; False: it is gone, or must not be deleted."""
        if self._wish.deletable is not None and name not in self._wish.deletable:
            self.spared.append(name)
            return False
        deleted = await super().delete(name, uid=uid)
        if deleted:
            self.deleted.append(name)
        return deleted

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        **others: Any,
    ) -> dict[str, Any]:
        if self._wish.rehearse and method == "DELETE":
            # A DELETE that has a body is read from there alone: the API server would pass over the parameter, and delete.
            body = {**(body or {}), "dryRun": ["All"]}
        elif self._wish.rehearse and method != "GET":
            params = {**(params or {}), "dryRun": "All"}
        return await super()._call(method, path, body=body, params=params, **others)


class _RehearsedDatabase(Database):
    """Postgres, to which nothing is written."""

    async def mark_delivering(self, keys: Collection[ProviderKey]) -> list[ProviderKey]:
        """Nothing is marked."""
        del keys
        return []
