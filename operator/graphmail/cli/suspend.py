"""`graphmail suspend`: no calls to Graph for some mailboxes, until they are resumed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import typer

from graphmail.cli.clusters import Place, connected
from graphmail.cli.conduct import conduct
from graphmail.cli.failures import FAILED, CommandFailed
from graphmail.cli.options import (
    ContextOption,
    KubeconfigOption,
    NamesArgument,
    NamespaceOption,
    TenantOption,
    YesOption,
)
from graphmail.cli.output import Screen, count
from graphmail.cli.page import Page
from graphmail.cli.selection import Selection, selected
from graphmail.cli.suspension import Change
from graphmail.cli.suspension import suspend as suspend_one
from graphmail.cluster import Cluster
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import ANNOTATION_PAUSED

PAGE = Page(
    "Stop all calls to Graph for some mailboxes.",
    """
    Their subscriptions are left to expire, and deliver until then; `graphmail resume` renews at once. It lasts also where the
    provider's row is paused and resumed meanwhile. To stop a mailbox for good, pause its provider in the product.

    You need the rights to get (for a tenant or an address: list) and patch graphmailsubscriptions.
    """,
    {
        "graphmail suspend ann@contoso.example": "one mailbox",
        "graphmail suspend --tenant acme --yes": "all mailboxes of a tenant, without asking",
    },
    settings=("GRAPHMAIL_NAMESPACE",),
)

_AT_ONCE = 8
Deed = Callable[[Cluster, GraphMailSubscription], Awaitable[Change]]


def suspend(
    *,
    names: NamesArgument = None,
    tenant: TenantOption = None,
    yes: YesOption = False,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Stop all calls for some mailboxes."""
    conduct(_suspend(chosen(names, tenant), Place(namespace, kubeconfig, context), yes=yes))


def chosen(names: Sequence[str] | None, tenant: str | None) -> Selection:
    """Which mailboxes are meant.

    Raises:
        typer.BadParameter: none are, or in two ways.
    """
    if bool(names) is (tenant is not None):
        raise typer.BadParameter("say which: names, or --tenant", param_hint="'NAME'")
    return Selection(tuple(names or ()), tenant)


async def _suspend(selection: Selection, place: Place, *, yes: bool) -> int:
    settings = place.read(PAGE)
    screen = Screen.of_process()
    async with connected(place.target(settings).client()) as cluster:
        resources = await selected(cluster, selection)
        if len(resources) > 1 and not yes:
            agreed = screen.confirm(f"Suspend {count(len(resources), 'mailbox', 'mailboxes')}{selection.describe()}?")
            if agreed is None:
                raise CommandFailed(f"nobody can be asked here: say --yes to suspend these {len(resources)} mailboxes")
            if not agreed:
                raise CommandFailed("nothing was suspended")
        return await change_all(cluster, resources, suspend_one, screen, selection)


async def change_all(
    cluster: Cluster, resources: Sequence[GraphMailSubscription], deed: Deed, screen: Screen, selection: Selection
) -> int:
    """Do it to all of them, tell what became of each, and return the exit code.

    Raises:
        CommandFailed: there is none.
        ClusterError: the API server refuses, or cannot be reached.
    """
    if not resources:
        raise CommandFailed(f"there is no mailbox{selection.describe()} in namespace {cluster.namespace}")
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(resource: GraphMailSubscription) -> Change:
        async with limit:
            return await deed(cluster, resource)

    changes = await asyncio.gather(*map(one, resources))
    for resource, change in zip(resources, changes, strict=True):
        screen.say(f"{resource.spec.mailbox}  {change}{_more(change, resource)}")
    bad = {Change.GONE, Change.PAUSED} if selection.names else {Change.GONE}
    return FAILED if bad & set(changes) else 0


def _more(change: Change, resource: GraphMailSubscription) -> str:
    if change is Change.UNCHANGED:
        return ": it is suspended already" if resource.spec.suspend else ": it is not suspended"
    if change is Change.PAUSED:
        return ": the provider's row is paused, so resume it in the product"
    if change is Change.SUSPENDED and ANNOTATION_PAUSED in resource.metadata.annotations:
        return ", by hand too: its provider's row is paused already"
    return ""
