"""`graphmail renew`: ask the operator to renew now, and wait for what comes of it."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from graphmail.cli.bulk import Run, renewed_since, unfinished
from graphmail.cli.clusters import Place, connected
from graphmail.cli.conduct import conduct
from graphmail.cli.failures import CommandFailed
from graphmail.cli.options import (
    ContextOption,
    KubeconfigOption,
    NamesArgument,
    NamespaceOption,
    ProviderOption,
    TenantOption,
)
from graphmail.cli.output import Screen
from graphmail.cli.page import Page
from graphmail.cli.renewals import Renewals, Wish
from graphmail.cli.selection import Selection, selected
from graphmail.cli.spans import read_span
from graphmail.resource import GraphMailSubscription
from graphmail.resource.moments import write_time

PAGE = Page(
    "Renew subscriptions now, and wait for what comes of it.",
    """
    A subscription is renewed however long it still lives, and a mailbox that waits for a person is tried anew. Where Graph's
    quota is short, mailboxes that are named go first; --tenant and --all go last, after what is due anyway.

    The operator does the work: this sets the annotation graphmail.dev/renew-requested-at, and waits for its echo in the
    status. While an earlier request waits, a second one is refused; --again asks all the same.

    --tenant and --all ask for a few at a time, earliest expiry first, and for more as answers come. Stopped by Ctrl-C, the same
    command goes on within a day: it leaves out what was renewed since the first start, and asks for nothing twice.

    You need the rights to get, list and patch graphmailsubscriptions.
    """,
    {
        "graphmail renew ann-contoso-example-1f0c3a2b": "one mailbox, by its resource's name",
        "graphmail renew --provider 7b1d...": "one mailbox, by its provider's id",
        "graphmail renew --tenant acme --timeout 10m": "all mailboxes of a tenant",
        "graphmail renew --all": "all mailboxes; typed again after Ctrl-C, it goes on",
        "graphmail renew --all --no-wait": "all mailboxes; do not wait",
    },
    settings=("GRAPHMAIL_NAMESPACE",),
)


def renew(
    *,
    names: NamesArgument = None,
    tenant: TenantOption = None,
    provider: ProviderOption = None,
    everything: Annotated[bool, typer.Option("--all", help="All mailboxes of the namespace.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for what comes of it.")] = True,
    timeout: Annotated[
        str, typer.Option(metavar="SPAN", help="Give up after this long without any answer, such as 90s or 10m.")
    ] = "2m",
    again: Annotated[bool, typer.Option("--again", help="Ask even while an earlier request waits.")] = False,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Renew subscriptions now."""
    ways = [bool(names), bool(tenant or provider), everything]
    if sum(ways) != 1:
        raise typer.BadParameter("say which: names, or --tenant and --provider, or --all", param_hint="'NAME'")
    wish = Wish(Selection(tuple(names or ()), tenant, provider), again, wait, read_span(timeout))
    conduct(_renew(wish, Place(namespace, kubeconfig, context)))


async def _renew(wish: Wish, place: Place) -> int:
    settings = place.read(PAGE)
    async with connected(place.target(settings).client()) as cluster:
        resources = await selected(cluster, wish.selection)
        if not resources:
            raise CommandFailed(f"there is no mailbox{wish.selection.describe()} in namespace {settings.namespace}")
        screen, now = Screen.of_process(), datetime.now(UTC)
        run = Run.of(wish.selection, now)
        if run.bulk and not wish.again:
            earlier = unfinished(resources, run, now)
            if earlier is not None:
                resources, run = going_on(resources, earlier, screen), earlier
        return await Renewals(cluster, screen, wish, run).carry_out(resources)


def going_on(resources: list[GraphMailSubscription], run: Run, screen: Screen) -> list[GraphMailSubscription]:
    """Those that are not renewed yet since that run began."""
    left = [one for one in resources if not renewed_since(one, run)]
    screen.note(
        f"going on with what was begun at {write_time(run.begun)}: {len(resources) - len(left)} of {len(resources)} "
        "are renewed since, and left out; --again renews all of them"
    )
    return left
