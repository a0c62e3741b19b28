"""`graphmail mirror`: the comparison of rows with resources, with the deletions that wait for a person's word."""

from collections.abc import Sequence
from typing import Annotated

import typer

from graphmail.cli.backfill import PAGE as BACKFILL
from graphmail.cli.clusters import Place, Target
from graphmail.cli.comparison import Report, Wish, compare
from graphmail.cli.conduct import conduct
from graphmail.cli.failures import FAILED, CommandFailed
from graphmail.cli.options import ContextOption, KubeconfigOption, NamespaceOption, YesOption
from graphmail.cli.output import Column, Screen, count
from graphmail.cli.page import Page
from graphmail.cli.typed import advised
from graphmail.resource import GraphMailSubscription
from graphmail.settings import Settings

PAGE = Page(
    "Compare rows with resources once, and confirm withheld deletions.",
    """
    When rows vanish, their resources are deleted, and the operator then deletes their subscriptions at Graph. More than a fifth at once,
    or an empty answer of Postgres, looks like an accident: such deletions are withheld until somebody confirms them here. They are
    shown first, and what was not shown is not deleted.
    """,
    {
        "graphmail mirror": "compare, and show what is withheld",
        "graphmail mirror --confirm-deletions": "show it, ask, and delete it",
        "graphmail mirror --confirm-deletions --yes": "without asking",
    },
    settings=BACKFILL.settings,
)


def mirror(
    *,
    confirm_deletions: Annotated[
        bool, typer.Option("--confirm-deletions", help="Carry out the deletions that were withheld.")
    ] = False,
    yes: YesOption = False,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Compare all rows with all resources once, deletions included."""
    conduct(_mirror(Place(namespace, kubeconfig, context), confirm=confirm_deletions, yes=yes))


async def _mirror(place: Place, *, confirm: bool, yes: bool) -> int:
    settings = place.read(PAGE)
    target = place.target(settings)
    screen = Screen.of_process()
    if not confirm:
        return await _plain(settings, target, screen)
    return await _confirmed(settings, target, screen, yes=yes)


async def _plain(settings: Settings, target: Target, screen: Screen) -> int:
    report = await compare(settings, target, Wish())
    _tell(report, screen)
    if not report.withheld:
        return FAILED if report.refused else 0
    rehearsal = await compare(settings, target, Wish(rehearse=True, confirm_deletions=True))
    screen.say(f"withheld, since so many rows are gone at once: {count(report.withheld, 'deletion')}")
    _show(rehearsal.deleted, screen)
    raise CommandFailed(f"if these mailboxes are really gone, run: {advised('mirror --confirm-deletions')}")


async def _confirmed(settings: Settings, target: Target, screen: Screen, *, yes: bool) -> int:
    doomed = (await compare(settings, target, Wish(rehearse=True, confirm_deletions=True))).deleted
    if doomed:
        screen.say(f"{count(len(doomed), 'resource')} without a row; the operator will delete what they hold at Graph:")
        _show(doomed, screen)
        agreed = yes or screen.confirm(f"Delete these {len(doomed)}?")
        if agreed is None:
            raise CommandFailed("nobody can be asked here: say --yes to delete them")
        if not agreed:
            raise CommandFailed("nothing was deleted")
    names = [resource.metadata.name for resource in doomed]
    report = await compare(settings, target, Wish(confirm_deletions=True, deletable=names))
    _tell(report, screen)
    return FAILED if report.refused else 0


def _tell(report: Report, screen: Screen) -> None:
    rows, created = count(report.rows, "provider row"), count(len(report.created), "resource")
    screen.say(f"{rows}: {created} created, {len(report.updated)} brought up to date, {len(report.deleted)} deleted")
    if report.spared:
        screen.say(
            f"left alone, since their rows went meanwhile: {count(len(report.spared), 'resource')}; run it again"
        )
    for mailbox, why in report.refused.items():
        screen.say(f"refused by the API server: {mailbox}: {why}")


def _show(resources: Sequence[GraphMailSubscription], screen: Screen) -> None:
    columns: list[Column[GraphMailSubscription]] = [
        Column("MAILBOX", lambda one: one.spec.mailbox),
        Column("NAME", lambda one: one.metadata.name),
        Column("TENANT", lambda one: one.spec.tenant),
        Column("PROVIDER", lambda one: one.spec.provider_id),
        Column("SUBSCRIPTION", lambda one: one.status.subscription_id or ""),
    ]
    screen.table(columns, resources)
