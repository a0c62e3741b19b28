"""`graphmail renew`: ask the operator to renew now, and wait for what comes of it."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from graphmail.cli.clusters import Target, connected
from graphmail.cli.conduct import conduct
from graphmail.cli.configuration import read_settings
from graphmail.cli.failures import FAILED, CommandFailed
from graphmail.cli.options import ContextOption, KubeconfigOption, NamespaceOption, ProviderOption, TenantOption
from graphmail.cli.output import Screen, count
from graphmail.cli.page import Page
from graphmail.cli.requests import Fate, Outcome, answer, request
from graphmail.cli.selection import Selection, selected
from graphmail.cli.spans import human, read_span
from graphmail.cluster import Cluster, ClusterUnavailable
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import BULK_PREFIX

PAGE = Page(
    "Renew subscriptions now, and wait for what comes of it.",
    """
    A subscription is renewed however long it still lives, and a mailbox that waits for a person is tried anew. Where Graph's
    quota is short, mailboxes that are named go first; --tenant and --all go last, after what is due anyway.

    The operator does the work: this sets the annotation graphmail.dev/renew-requested-at, and waits for its echo in the
    status. While an earlier request waits, a second one is refused; --again asks all the same. You need the rights to get,
    list and patch graphmailsubscriptions.
    """,
    {
        "graphmail renew ann-contoso-example-1f0c3a2b": "one mailbox, by its resource's name",
        "graphmail renew --provider 7b1d...": "one mailbox, by its provider's id",
        "graphmail renew --tenant acme --timeout 10m": "all mailboxes of a tenant",
        "graphmail renew --all --no-wait": "all mailboxes; do not wait",
    },
    settings=("GRAPHMAIL_NAMESPACE",),
)

POLL_SECONDS = 1.0
AT_ONCE = 8
FEW = 20
"""Up to so many mailboxes are asked for one by one; more, by listing them all."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to renew, and how long to wait."""

    selection: Selection
    again: bool
    wait: bool
    timeout: timedelta


def renew(
    *,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Names of resources.")] = None,
    tenant: TenantOption = None,
    provider: ProviderOption = None,
    everything: Annotated[bool, typer.Option("--all", help="All mailboxes of the namespace.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for what comes of it.")] = True,
    timeout: Annotated[str, typer.Option(metavar="SPAN", help="Wait at most this long, such as 90s or 10m.")] = "2m",
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
    conduct(_renew(wish, namespace, kubeconfig, context))


async def _renew(wish: Wish, namespace: str | None, kubeconfig: str | None, context: str | None) -> int:
    settings = read_settings(PAGE, namespace=namespace)
    async with connected(Target(settings.namespace, kubeconfig, context).client()) as cluster:
        resources = await selected(cluster, wish.selection)
        if not resources:
            raise CommandFailed(f"there is no mailbox{wish.selection.describe()} in namespace {settings.namespace}")
        return await Renewals(cluster, Screen.of_process(), wish).carry_out(resources)


class Renewals:
    """Requests for renewals, and the wait for what becomes of them.

    Args:
        clock: seconds, for the end of the wait.
    """

    def __init__(
        self, cluster: Cluster, screen: Screen, wish: Wish, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cluster = cluster
        self._screen = screen
        self._wish = wish
        self._clock = clock
        value = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}-{secrets.token_hex(3)}"
        self._value = BULK_PREFIX + value if wish.selection.bulk else value
        self._limit = asyncio.Semaphore(AT_ONCE)

    async def carry_out(self, resources: Sequence[GraphMailSubscription]) -> int:
        """Ask for all of them, tell what became of each, and return the exit code."""
        asked = await asyncio.gather(*(self._request(resource) for resource in resources))
        waits = self._wish.wait
        waiting = {outcome.name: outcome for outcome in asked if waits and outcome.fate is Fate.REQUESTED}
        done = [outcome for outcome in asked if outcome.name not in waiting]
        for outcome in done:
            self._screen.say(line(outcome))
        with self._screen.progress(_progress(waiting)) as show:
            async for outcome in self._answers(waiting):
                self._screen.say(line(outcome))
                show(_progress(waiting))
                done.append(outcome)
        if len(done) > 1:
            self._screen.note(summary(done))
        return FAILED if any(self._bad(outcome) for outcome in done) else 0

    async def _request(self, resource: GraphMailSubscription) -> Outcome:
        async with self._limit:
            return await request(self._cluster, resource, self._value, again=self._wish.again)

    async def _answers(self, waiting: dict[str, Outcome]) -> AsyncIterator[Outcome]:
        """What became of each, as it comes, and at the end what nobody answered in time. `waiting` shrinks meanwhile."""
        end = self._clock() + self._wish.timeout.total_seconds()
        while waiting and self._clock() < end:
            for name, resource in (await self._look(waiting)).items():
                gone = replace(waiting[name], fate=Fate.GONE)
                outcome = gone if resource is None else answer(resource, self._value, datetime.now(UTC))
                if outcome is not None:
                    del waiting[name]
                    yield outcome
            if waiting:
                await asyncio.sleep(min(POLL_SECONDS, max(0.0, end - self._clock())))
        message = f"no answer within {human(self._wish.timeout)}: is the operator running?"
        while waiting:
            _, late = waiting.popitem()
            yield replace(late, fate=Fate.UNANSWERED, message=message)

    async def _look(self, waiting: Collection[str]) -> dict[str, GraphMailSubscription | None]:
        """The mailboxes that are waited for; None where one is gone. An API server that is away for a while is waited for too."""
        try:
            if len(waiting) <= FEW:
                bodies = {name: await self._cluster.subscription(name) for name in waiting}
                return {
                    name: None if body is None else GraphMailSubscription.parse(body) for name, body in bodies.items()
                }
            listed = {one.metadata.name: one for one in await selected(self._cluster, self._wish.selection)}
        except ClusterUnavailable:
            return {}
        return {name: listed.get(name) for name in waiting}

    def _bad(self, outcome: Outcome) -> bool:
        """What was asked for did not happen. To skip a mailbox is right where nobody named it."""
        named = bool(self._wish.selection.names)
        return outcome.fate not in {Fate.REQUESTED, Fate.RENEWED} and (named or outcome.fate is not Fate.SKIPPED)


def line(outcome: Outcome) -> str:
    """One outcome for people."""
    return f"{outcome.mailbox}  {outcome.fate}" + (f": {outcome.message}" if outcome.message else "")


def summary(done: Sequence[Outcome]) -> str:
    """How many there are of each fate."""
    counts = Counter(outcome.fate for outcome in done)
    return f"{count(len(done), 'mailbox', 'mailboxes')}: {', '.join(f'{counts[fate]} {fate}' for fate in Fate if counts[fate])}"


def _progress(waiting: Collection[str]) -> str:
    return f"waiting for {count(len(waiting), 'mailbox', 'mailboxes')}"
