"""The sweep put together from the operator's parts, or a command's."""

from dataclasses import dataclass

from graphmail.cluster import Cluster
from graphmail.database import Database
from graphmail.fleet import Fleet
from graphmail.graph import GraphClient, SignIn
from graphmail.observability.metrics import Metrics
from graphmail.reconciler.access import AccessDesk
from graphmail.settings import Settings
from graphmail.stores import Stores
from graphmail.sweep.census import Census
from graphmail.sweep.removal import Removal
from graphmail.sweep.sightings import PassingSightings, RememberedSightings
from graphmail.sweep.sweeper import Sweeper
from graphmail.sweep.walk import PAUSE_SECONDS, Walk


@dataclass(frozen=True, slots=True)
class SweepTools:
    """What a sweep works with."""

    graph: GraphClient
    signin: SignIn
    desk: AccessDesk
    database: Database | None
    stores: Stores
    metrics: Metrics
    cluster: Cluster
    fleet: Fleet | None = None
    """The operator's memory; None in a command."""
    pause_seconds: float = PAUSE_SECONDS
    """Between two lists."""


def sweeper(settings: Settings, tools: SweepTools, installation: str) -> Sweeper:
    """A sweeper for that installation's subscriptions."""
    now, database = tools.graph.graph_time, tools.database
    walk = Walk(tools.graph, tools.signin, tools.desk, database, pause_seconds=tools.pause_seconds)
    census = Census(tools.cluster, tools.fleet, database, several=settings.multi_folder, now=now)
    removal = Removal(
        walk,
        census,
        database,
        tools.stores,
        fleet=tools.fleet,
        installation=installation,
        batch=settings.batch_size,
    )
    return Sweeper(
        walk,
        census,
        RememberedSightings(database) if database is not None else PassingSightings(),
        removal,
        tools.metrics,
        installation=installation,
        grace=settings.sweep_grace,
        now=now,
    )
