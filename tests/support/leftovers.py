"""Subscriptions at Graph that somebody has left behind, and what a sweep makes of them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from graphmail.cluster import Cluster, load_configuration
from graphmail.database import Database
from graphmail.graph import Budget, GraphClient, Marker, SignIn, add_marker
from graphmail.observability.metrics import Metrics
from graphmail.reconciler import AccessDesk
from graphmail.settings import Settings
from graphmail.stores import Stores
from graphmail.sweep import Fate, Sweeper, SweepTools, sweeper
from graphsim.directory import App, Mailbox
from graphsim.subscriptions import Subscription
from support.stage import Row, Stage

MARK = "ours1"
OURS = {"GRAPHMAIL_INSTALLATION": MARK}
"""The installation of these tests."""
NOBODY = "5e0f6b1e-7f3c-4c55-9a61-3f1f0cbb7d10"
"""A provider that nobody knows."""


@dataclass(frozen=True)
class Leftovers:
    """Makes leftovers, and tells which of them live."""

    stage: Stage

    async def kept(self, *rows: Row) -> None:
        """An operator has subscribed these, and is gone."""
        async with self.stage.operator(**OURS):
            for row in rows:
                await self.stage.ready(row)

    def leave(
        self,
        mailbox: Mailbox,
        provider: str = NOBODY,
        *,
        folder: str = "inbox",
        installation: str = MARK,
        app: App | None = None,
        delegated: bool = False,
    ) -> Subscription:
        """A live subscription that carries a mark."""
        url = add_marker(self._url, Marker(installation, provider, folder))
        return self._add(mailbox, url, app, delegated=delegated)

    def leave_unmarked(self, mailbox: Mailbox) -> Subscription:
        """One that delivers to the same URL, as the product makes it."""
        return self._add(mailbox, self._url, None, delegated=False)

    def left_of(self, row: Row) -> Subscription:
        """One that carries a provider's mark."""
        return self.leave(row.mailbox, row.id, delegated=row.grant is not None)

    def lives(self, subscription: Subscription) -> bool:
        """Graph still has it."""
        self.stage.simulator.world.settle()
        return self.stage.simulator.world.subscriptions.get(subscription.id) is not None

    def lose(self, subscription: Subscription) -> None:
        """It vanishes silently."""
        world = self.stage.simulator.world
        world.subscriptions.end(subscription, world.settle(), "dropped")

    def age(self, span: timedelta = timedelta(hours=2)) -> None:
        """As if every orphan had been seen that much earlier."""
        self.stage.product.run("UPDATE graphmail.orphans SET seen_since = seen_since - %s::interval", span)

    def seen(self) -> set[str]:
        """The ids of all that were seen as orphans, and still count as such."""
        rows = self.stage.product.run("SELECT subscription_id FROM graphmail.orphans WHERE seen_since IS NOT NULL")
        return {row["subscription_id"] for row in rows}

    async def sweep(self) -> dict[str, tuple[Fate, str]]:
        """Sweep once; what became of each, and why, by id."""
        async with self.sweeper() as sweeping:
            look = await sweeping.look()
            return {stray.found.id: (stray.fate, stray.why) async for stray in sweeping.carry_out(look)}

    async def fates(self) -> dict[str, Fate]:
        """Sweep twice, with more than the grace time between; what became of each the second time."""
        await self.sweep()
        self.age()
        return {found: fate for found, (fate, _) in (await self.sweep()).items()}

    @asynccontextmanager
    async def sweeper(self, **parts: Any) -> AsyncIterator[Sweeper]:
        """A sweeper of real parts, but for those that are given."""
        async with self.tools() as tools:
            settings = Settings.load(self.stage.environment)
            yield sweeper(settings, replace(tools, **parts), MARK)

    @asynccontextmanager
    async def tools(self) -> AsyncIterator[SweepTools]:
        """What it works with."""
        settings = Settings.load(self.stage.environment)
        async with AsyncExitStack() as opened:
            cluster = await opened.enter_async_context(Cluster(load_configuration(), settings.namespace))
            database = None
            if settings.database_url is not None:
                url = settings.database_url.get_secret_value()
                database = await opened.enter_async_context(Database.open(url, holder="sweeper"))
            yield SweepTools(
                graph=await opened.enter_async_context(GraphClient(settings.graph_base_url, Budget())),
                signin=await opened.enter_async_context(SignIn(settings.login_base_url, settings.graph_base_url)),
                desk=AccessDesk(cluster, database, settings.notification_url),
                database=database,
                stores=Stores({}),
                metrics=Metrics(list, "test"),
                cluster=cluster,
                pause_seconds=0.0,
            )

    @property
    def _url(self) -> str:
        return self.stage.endpoint.url + self.stage.endpoint.path

    def _add(self, mailbox: Mailbox, url: str, app: App | None, *, delegated: bool) -> Subscription:
        return self.stage.simulator.world.add_subscription(
            mailbox, app or self.stage.app, notification_url=url, minutes=3000, delegated=delegated
        )
