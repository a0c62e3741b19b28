"""`graphmail uninstall`: let go of all resources, and leave the subscriptions alone (design, rule 10)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from graphmail.cli.clusters import Place, connected
from graphmail.cli.conduct import conduct
from graphmail.cli.failures import CommandFailed
from graphmail.cli.options import ContextOption, KubeconfigOption, NamespaceOption, YesOption
from graphmail.cli.output import Screen, count
from graphmail.cli.page import Page
from graphmail.cli.typed import kubectl_options
from graphmail.cluster import Cluster, ClusterError
from graphmail.resource.names import FINALIZER

PAGE = Page(
    "Let go of all resources; leave the subscriptions alone.",
    """
    Afterwards they and the CRD can be deleted without the operator. Stop the operator first.

    The finalizer graphmail.dev/subscription is taken off each resource of the namespace. Nothing happens at Graph:
    subscriptions live on until they expire, in seven days at most, and deliver until then. Nothing happens in Postgres
    either. Resources stay where they are, but for those that are being deleted already: they go at once. A new operator takes
    everything up again.
    """,
    {
        "graphmail uninstall": "say what will happen, ask, and do it",
        "graphmail uninstall --yes": "without asking",
        "kubectl delete crd graphmailsubscriptions.graphmail.dev": "then: all resources, and their definition",
    },
    settings=("GRAPHMAIL_NAMESPACE",),
)

SETTLE_SECONDS = 2.0
"""What a running operator needs, at most, to put its finalizer back."""
_TRIES = 5
_AT_ONCE = 8


def uninstall(
    *,
    yes: YesOption = False,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Let go of all resources."""
    conduct(_uninstall(Place(namespace, kubeconfig, context), yes=yes))


async def _uninstall(place: Place, *, yes: bool) -> None:
    settings = place.read(PAGE)
    screen = Screen.of_process()
    async with connected(place.target(settings).client()) as cluster:
        held = [body async for body in _held(cluster)]
        if not held:
            screen.say(f"nothing to do: no resource in namespace {settings.namespace} carries our finalizer")
            return
        screen.say(plan(held, cluster))
        agreed = yes or screen.confirm(f"Release {len(held)}?")
        if agreed is None:
            raise CommandFailed("nobody can be asked here: say --yes to release them")
        if not agreed:
            raise CommandFailed("nothing was released")
        released = await _release_all(cluster, held)
        screen.say(f"{released} released; their subscriptions are left alone")
        await _stay_released(cluster)
    screen.say(
        f"now `kubectl{kubectl_options()} delete crd graphmailsubscriptions.graphmail.dev` removes all resources and their definition"
    )


def plan(held: Sequence[dict[str, Any]], cluster: Cluster) -> str:
    """What will happen."""
    going = sum("deletionTimestamp" in body["metadata"] for body in held)
    gone = f"; {going} of them, being deleted already, will be gone at once" if going else ""
    return (
        f"to be released: {count(len(held), 'resource')} in namespace {cluster.namespace} of {cluster.server}{gone}. "
        "Their subscriptions at Graph are left alone: they deliver until they expire, and nobody renews them"
    )


async def _held(cluster: Cluster) -> AsyncIterator[dict[str, Any]]:
    async for body in cluster.subscriptions():
        if FINALIZER in body["metadata"].get("finalizers", ()):
            yield body


async def _release_all(cluster: Cluster, held: Sequence[dict[str, Any]]) -> int:
    limit = asyncio.Semaphore(_AT_ONCE)

    async def release(name: str) -> bool:
        async with limit:
            return await _release(cluster, name)

    return sum(await asyncio.gather(*(release(body["metadata"]["name"]) for body in held)))


async def _release(cluster: Cluster, name: str) -> bool:
    """Take our finalizer off, and no other; False: it was gone already.

    Raises:
        ClusterError: the API server refuses, or cannot be reached.
    """
    for attempt in range(_TRIES):
        body = await cluster.subscription(name)
        if body is None or FINALIZER not in body["metadata"].get("finalizers", ()):
            return False
        metadata = body["metadata"]
        others = [finalizer for finalizer in metadata["finalizers"] if finalizer != FINALIZER]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": others}}
        try:
            return await cluster.merge(name, patch) is not None
        except ClusterError as error:
            if error.status != 409 or attempt == _TRIES - 1:
                raise
    return False


async def _stay_released(cluster: Cluster) -> None:
    """See whether an operator puts the finalizers back.

    Raises:
        CommandFailed: one does.
    """
    await asyncio.sleep(SETTLE_SECONDS)
    back = [body async for body in _held(cluster)]
    if back:
        raise CommandFailed(
            f"an operator is running: it has put the finalizer back on {count(len(back), 'resource')}. Stop it "
            f"(kubectl{kubectl_options()} -n {cluster.namespace} scale deployment graphmail-operator --replicas=0), then run this again"
        )
