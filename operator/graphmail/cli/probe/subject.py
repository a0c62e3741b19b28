"""The mailbox that is probed, and what may be asked about it."""

from dataclasses import dataclass
from datetime import datetime

from graphmail.cli.typed import kubectl_options
from graphmail.cluster import Cluster
from graphmail.database import Database
from graphmail.graph import without_marker
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import OPERATOR
from graphmail.settings import Settings


@dataclass(frozen=True, slots=True)
class Subject:
    """One mailbox, as the API server holds it now."""

    resource: GraphMailSubscription
    settings: Settings
    cluster: Cluster
    now: datetime
    database: Database | None = None
    """Where the credentials of rows are, and the times of their notifications; None: it is not ours to read."""
    sign_in: bool = False
    """A new token may be fetched, and is kept as the operator would."""

    @property
    def name(self) -> str:
        """Of the resource."""
        return self.resource.metadata.name

    @property
    def elsewhere(self) -> str:
        """How to probe with the operator's own credentials and network."""
        place = f"-n {self.cluster.namespace}{kubectl_options()} deployment/{OPERATOR}"
        return f"run it in the operator's pod: `kubectl exec {place} -- graphmail probe {self.name}`"

    @property
    def notification_urls(self) -> list[str]:
        """Where Graph delivers to, with our marker; where nothing is subscribed yet, where it will deliver to."""
        rows = self.resource.status.subscriptions
        held = [row.notification_url for row in rows if row.subscription_id and row.notification_url]
        return _each_once([*held, self.resource.spec.notification_url])

    @property
    def lifecycle_urls(self) -> list[str]:
        """The same for lifecycle notifications; often there is none."""
        rows = self.resource.status.subscriptions
        held = [
            row.lifecycle_notification_url for row in rows if row.subscription_id and row.lifecycle_notification_url
        ]
        wanted = self.resource.spec.lifecycle_notification_url
        return _each_once([*held, *([wanted] if wanted else [])])


def _each_once(urls: list[str]) -> list[str]:
    """The first of those that differ in nothing but the marker: one endpoint takes them all."""
    return list({without_marker(url): url for url in reversed(urls)}.values())[::-1]
