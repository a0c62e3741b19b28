"""What the checks stand on: each adds what it has found usable, and the later ones build on it."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from graphmail.cli.check.findings import Findings
from graphmail.cli.clusters import Place
from graphmail.cluster import Cluster
from graphmail.database import Database
from graphmail.graph import Subscription
from graphmail.provider import Provider
from graphmail.resource import GraphMailSubscription
from graphmail.settings import Settings


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants to be checked beside the rest.

    `client_id`: an app; Microsoft is tried with a credential of it.
    `sign_in`: fetch a new token even where the row's own is valid, or has expired.
    """

    provider: str | None = None
    tenant: str | None = None
    client_id: str | None = None
    sign_in: bool = False
    place: Place = field(default_factory=Place)


@dataclass(slots=True)
class Ground:
    """What is usable so far."""

    wish: Wish
    opened: AsyncExitStack
    """What is opened on the way is closed at the end."""
    settings: Settings | None = None
    database: Database | None = None
    """Postgres, when it answers and is migrated."""
    providers: tuple[Provider, ...] = ()
    cluster: Cluster | None = None
    """The API server, when it answers and knows our resource."""
    resources: list[GraphMailSubscription] = field(default_factory=list)
    installation: str | None = None
    listed: list[Subscription] = field(default_factory=list)
    """What Graph shows of subscriptions."""


WRONG_SETTINGS = "settings are wrong"
"""Why nothing is tried where the settings cannot be read."""
Check = Callable[[Ground], Findings]
