"""`graphmail sweep`: subscriptions at Graph that carry our mark and belong to nobody."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Annotated, Any

import typer

from graphmail.cli.clusters import Place, Target, connected
from graphmail.cli.conduct import conduct
from graphmail.cli.databases import open_database
from graphmail.cli.failures import FAILED, CommandFailed
from graphmail.cli.options import ContextOption, KubeconfigOption, NamespaceOption, OutputOption, YesOption
from graphmail.cli.output import Column, OutputFormat, Screen, count
from graphmail.cli.page import Page
from graphmail.cli.spans import human, when
from graphmail.database import Database
from graphmail.decision import Mode
from graphmail.graph import Budget, GraphClient, SignIn
from graphmail.observability.metrics import Metrics
from graphmail.provider import CredentialKind
from graphmail.reconciler import AccessDesk, CredentialFiles
from graphmail.resource.moments import write_time
from graphmail.settings import Settings
from graphmail.settings.limits import limits
from graphmail.stores import Stores
from graphmail.sweep import Fate, Look, Stray, Sweeper, SweepTools, sweeper

PAGE = Page(
    "Find subscriptions at Graph that belong to nobody, and delete them.",
    """
    Crashes and removed providers can leave subscriptions behind that deliver until they expire. The operator looks for
    them by itself, every GRAPHMAIL_SWEEP_INTERVAL_HOURS; this does it now, beside a running operator too.

    Only what carries the mark of this installation in its notification URL, belongs to the app that lists it, and is
    known to no resource and no row is an orphan. It is deleted when it was seen as one GRAPHMAIL_SWEEP_GRACE_MINUTES
    before, by the operator or by this command, and still is one. Without Postgres only a running operator remembers what
    it saw, so this deletes nothing then.
    """,
    {
        "graphmail sweep --dry-run": "show what there is, and what would be done",
        "graphmail sweep": "show it, ask, and delete what is due",
        "graphmail sweep --yes": "without asking",
    },
    settings=None,
)

SHARE = 0.5
"""Of Graph's quota, which a running operator spends as well and cannot share with another process."""


def sweep(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done; delete nothing, remember nothing.")
    ] = False,
    yes: YesOption = False,
    output: OutputOption = OutputFormat.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Find subscriptions that belong to nobody."""
    conduct(_sweep(Place(namespace, kubeconfig, context), output, dry_run=dry_run, yes=yes))


async def _sweep(place: Place, output: OutputFormat, *, dry_run: bool, yes: bool) -> int:
    settings = place.read(PAGE)
    screen = Screen.of_process()
    if settings.mode is Mode.OBSERVE and not dry_run:
        raise CommandFailed("GRAPHMAIL_MODE is observe, so nothing is deleted: say --dry-run to see what would be")
    async with _opened(settings, place.target(settings)) as sweeping:
        with screen.progress("asking Graph for its lists ..."):
            look = await sweeping.look()
        if look.unseen:
            screen.note(
                f"not seen, since Microsoft refused: the lists of {count(look.unseen, 'app or user', 'apps or users')}"
            )
        if output is OutputFormat.TABLE:
            _show(look, settings.sweep_grace, screen)
        strays = list(look.strays)
        if not dry_run:
            _ask(strays, screen, yes=yes)
            strays = [stray async for stray in sweeping.carry_out(look)]
            if output is OutputFormat.TABLE:
                _tell(look, strays, screen)
    if output is OutputFormat.JSON:
        screen.json([_as_json(stray) for stray in strays])
    return FAILED if any(stray.fate is Fate.FAILED for stray in strays) else 0


@asynccontextmanager
async def _opened(settings: Settings, target: Target) -> AsyncIterator[Sweeper]:
    async with AsyncExitStack() as opened:
        database: Database | None = None
        if settings.database_url is not None:
            database = await opened.enter_async_context(open_database(settings, Database))
            await database.schema()
        cluster = await opened.enter_async_context(connected(target.client()))
        installation = settings.installation or settings.installation_for(await cluster.namespace_uid())
        budget = Budget(limits(settings).share(SHARE))
        tools = SweepTools(
            graph=await opened.enter_async_context(GraphClient(settings.graph_base_url, budget)),
            signin=await opened.enter_async_context(SignIn(settings.login_base_url, settings.graph_base_url)),
            desk=AccessDesk(
                cluster,
                database,
                settings.notification_url,
                lifecycle_url=settings.lifecycle_url,
                files=CredentialFiles(settings.credentials_dir, settings.workload_identity),
                workload=settings.workload_identity,
            ),
            database=database,
            stores=Stores({}),
            metrics=Metrics(list, version("graphmail-operator")),
            cluster=cluster,
            pause_seconds=0.0,
        )
        yield sweeper(settings, tools, installation)


def _show(look: Look, grace: timedelta, screen: Screen) -> None:
    marked = count(look.marked, "subscription")
    if not look.strays:
        screen.say(f"nothing to do: {marked} at Graph carry our mark, and somebody owns each of them")
        return
    screen.say(f"{marked} at Graph carry our mark; these belong to nobody that is known:")
    columns: list[Column[Stray]] = [
        Column("SUBSCRIPTION", lambda one: one.found.id),
        Column("WATCHES", _watched),
        Column("PROVIDER", lambda one: one.marker.provider),
        Column("FOLDER", lambda one: one.marker.folder),
        Column("EXPIRES", lambda one: when(one.found.expires_at, look.at)),
        Column("WHAT", lambda one: _what(one, grace, look.at)),
        Column("WHY", lambda one: one.why, prose=True),
    ]
    screen.table(columns, look.strays)


def _watched(stray: Stray) -> str:
    """`/me/...` says nothing without whose list it stands in."""
    delegated = stray.holder.credential.kind is CredentialKind.DELEGATED
    return f"{stray.holder.resource.spec.mailbox}: {stray.found.resource}" if delegated else stray.found.resource


def _what(stray: Stray, grace: timedelta, now: datetime) -> str:
    if stray.fate is not Fate.YOUNG:
        return stray.fate.value
    return f"{stray.fate.value} {human((stray.since or now) + grace - now)}"


def _ask(strays: list[Stray], screen: Screen, *, yes: bool) -> None:
    due = sum(stray.fate is Fate.DUE for stray in strays)
    if not due or yes:
        return
    agreed = screen.confirm(f"Delete {due} at Graph?")
    if agreed is None:
        raise CommandFailed("nobody can be asked here: say --yes to delete what is due")
    if not agreed:
        raise CommandFailed("nothing was deleted")


def _tell(look: Look, strays: list[Stray], screen: Screen) -> None:
    """What became of those that were due."""
    for before, after in zip(look.strays, strays, strict=True):
        if before.fate is Fate.DUE:
            screen.say(f"{after.found.id}: {after.fate.value}" + (f": {after.note}" if after.note else ""))


def _as_json(stray: Stray) -> dict[str, Any]:
    return {
        "subscription": stray.found.id,
        "watches": stray.found.resource,
        "mailboxOfTheList": stray.holder.resource.spec.mailbox,
        "provider": stray.marker.provider,
        "folder": stray.marker.folder,
        "expires": write_time(stray.found.expires_at),
        "what": stray.fate.value,
        "why": stray.why,
        "since": write_time(stray.since) if stray.since else None,
    }
