"""`graphmail events`: what happened to the mailboxes within the last hour, and what happens now."""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import typer

from graphmail.cli.clusters import Place, connected
from graphmail.cli.completion import NAMES
from graphmail.cli.conduct import conduct
from graphmail.cli.happenings import WARNING, Happening, about, in_order
from graphmail.cli.options import ContextOption, KubeconfigOption, NamespaceOption, OutputOption
from graphmail.cli.output import Column, OutputFormat, Screen
from graphmail.cli.page import Page
from graphmail.cli.selection import Selection, is_address, selected
from graphmail.cli.spans import when
from graphmail.cluster import Cluster
from graphmail.resource.moments import write_time
from graphmail.watching import changes, listed

PAGE = Page(
    "Show what happened to the mailboxes, newest last.",
    """
    The API server keeps an event for an hour; the same words about the same mailbox are one event with a count. You need
    the right to list events (and to watch them, for --watch); an address instead of a name also needs that to list
    graphmailsubscriptions.
    """,
    {
        "graphmail events": "of all mailboxes",
        "graphmail events ann@contoso.example": "of one",
        "graphmail events --warnings --watch": "what goes wrong, as it happens",
    },
    settings=("GRAPHMAIL_NAMESPACE",),
)


def events(
    *,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Name of a resource, or address of a mailbox.", **NAMES)
    ] = None,
    warnings: Annotated[bool, typer.Option("--warnings", help="Only those that warn.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on, and show each as it comes.")] = False,
    output: OutputOption = OutputFormat.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Show what happened."""
    if watch and output is OutputFormat.JSON:
        raise typer.BadParameter("--watch prints lines: leave -o away", param_hint="'--watch'")
    conduct(_events(name, output, Place(namespace, kubeconfig, context), warnings=warnings, watch=watch))


async def _events(name: str | None, output: OutputFormat, place: Place, *, warnings: bool, watch: bool) -> None:
    settings = place.read(PAGE)
    screen = Screen.of_process()
    async with connected(place.target(settings).client()) as cluster:
        names = await _names(cluster, name)
        what = about(next(iter(names)) if len(names) == 1 else None)

        def wanted(one: Happening) -> bool:
            return (not warnings or one.type == WARNING) and (not names or one.resource in names)

        if watch:
            async with aclosing(changes(cluster, what)) as feed:
                async for news in feed:
                    told = in_order(change.body for change in news if change.body is not None)
                    for one in filter(wanted, told):
                        screen.say(line(one))
        found = [one for one in in_order(await listed(cluster, what)) if wanted(one)]
    if output is OutputFormat.JSON:
        screen.json([as_json(one) for one in found])
    elif found:
        screen.table(columns(datetime.now(UTC)), found)
    else:
        screen.note(
            f"no event{f' about {name}' if name else ''} in namespace {settings.namespace} within the last hour"
        )


async def _names(cluster: Cluster, name: str | None) -> frozenset[str]:
    """Names of the resources that are meant; an address may be watched by several. A name need not exist: events outlive it."""
    if name is None or not is_address(name):
        return frozenset({name} if name else ())
    return frozenset(one.metadata.name for one in await selected(cluster, Selection((name,))))


def columns(now: datetime, *, several: bool = True) -> Sequence[Column[Happening]]:
    """The table's columns; without the names where all are about one mailbox."""
    moment = partial(when, now=now)
    whom: list[Column[Happening]] = [Column("NAME", lambda one: one.resource)]
    return [
        Column("LAST", lambda one: moment(one.last)),
        Column("TYPE", lambda one: one.type, style=lambda one: "bold red" if one.type == WARNING else ""),
        Column("REASON", lambda one: one.reason),
        *(whom if several else []),
        Column("COUNT", lambda one: str(one.count)),
        Column("MESSAGE", lambda one: one.message, prose=True),
    ]


def line(one: Happening) -> str:
    """One event, as it comes."""
    times = f" ({one.count} times)" if one.count > 1 else ""
    return f"{write_time(one.last)}  {one.type}  {one.reason}  {one.resource}  {one.message}{times}"


def as_json(one: Happening) -> dict[str, Any]:
    """What programs get."""
    return {
        "name": one.resource,
        "type": one.type,
        "reason": one.reason,
        "message": one.message,
        "count": one.count,
        "firstTime": write_time(one.first),
        "lastTime": write_time(one.last),
    }
