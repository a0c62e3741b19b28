"""`graphmail backfill`: every row gets its resource, and what rows know of subscriptions is taken over."""

from collections.abc import Sequence
from typing import Annotated

import typer

from graphmail.cli.clusters import Place
from graphmail.cli.comparison import Report, Wish, compare
from graphmail.cli.conduct import conduct
from graphmail.cli.failures import FAILED
from graphmail.cli.options import ContextOption, KubeconfigOption, NamespaceOption
from graphmail.cli.output import Screen, count
from graphmail.cli.page import Page
from graphmail.cli.typed import advised
from graphmail.resource.names import ANNOTATION_ADOPT

PAGE = Page(
    "Give every provider row its resource, once.",
    """
    All rows are compared with all resources: every row gets its resource, and a subscription whose id only the row knows is
    marked for adoption (graphmail.dev/adopt-subscription-id). The operator then asks Graph for it, and keeps it if it is the
    mailbox's.

    A running operator does the same every minute; this is for a first look, before it runs. Nothing is deleted, and Graph is
    not called. It may be run again at any time.
    """,
    {
        "graphmail backfill --dry-run": "say what would be done, and change nothing",
        "graphmail backfill": "do it",
    },
    settings=(
        "GRAPHMAIL_DATABASE_URL",
        "APPLICATION_URL",
        "GRAPHMAIL_WEBHOOK_PATH",
        "GRAPHMAIL_RECEIVER_URL",
        "GRAPHMAIL_RECEIVER_FORWARD_URL",
        "GRAPHMAIL_NAMESPACE",
        "GRAPHMAIL_RESPECT_POLLING",
        "GRAPHMAIL_MODE",
        "GRAPHMAIL_TENANTS",
    ),
)


def backfill(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")] = False,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Compare all rows with all resources once."""
    conduct(_backfill(Place(namespace, kubeconfig, context), dry_run=dry_run))


async def _backfill(place: Place, *, dry_run: bool) -> int:
    settings = place.read(PAGE)
    report = await compare(settings, place.target(settings), Wish(rehearse=dry_run, deletable=()))
    screen = Screen.of_process()
    for line in describe(report, dry_run=dry_run):
        screen.say(line)
    return FAILED if report.refused else 0


def describe(report: Report, *, dry_run: bool) -> Sequence[str]:
    """What was done, or would be done, a line each."""
    would = "would be " if dry_run else ""
    lines = [count(report.rows, "provider row")]
    counted = {"created": report.created, "brought up to date": report.updated, "marked for adoption": report.adopting}
    lines += [f"{len(found)} {would}{what}" for what, found in counted.items()]
    lines += [
        f"  {one.spec.mailbox}: {one.metadata.annotations[ANNOTATION_ADOPT]}"
        for one in sorted(report.adopting, key=lambda one: one.spec.mailbox)
    ]
    lines += [f"refused by the API server: {mailbox}: {why}" for mailbox, why in report.refused.items()]
    rowless = len(report.spared) + report.withheld
    if rowless:
        lines.append(f"{count(rowless, 'resource')} without a row: see `{advised('mirror')}`")
    return lines
