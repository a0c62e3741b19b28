"""`graphmail status`: how the mailboxes stand, for people who have just been woken up."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import typer

from graphmail.cli.advice import next_step
from graphmail.cli.clusters import Place, connected
from graphmail.cli.conduct import conduct
from graphmail.cli.live import live
from graphmail.cli.options import ContextOption, KubeconfigOption, NamespaceOption, ProviderOption, TenantOption
from graphmail.cli.output import Column, Screen, TableFormat, count
from graphmail.cli.page import Page
from graphmail.cli.reasons import read_reason
from graphmail.cli.selection import Selection, selected
from graphmail.cli.situation import Ready, Situation, sorted_situations
from graphmail.cli.spans import read_moment, when
from graphmail.cli.typed import advised
from graphmail.resource.moments import write_time

PAGE = Page(
    "Show how the mailboxes stand, and what to do about it.",
    """
    Trouble comes first, then what expires first. Only the API server is asked, with your own rights: to list
    graphmailsubscriptions is enough (and to watch them, for --watch). In a pipe, each mailbox is one line, and no id is cut.
    WHY has the reason and the first sentence; -o wide has all of it.
    """,
    {
        "graphmail status": "all mailboxes",
        "graphmail status --not-ready": "only those that are not ready",
        "graphmail status --tenant acme -o wide": "one tenant, with names and ids",
        "graphmail status --reason Throttled": "those that Graph asks to wait",
        "graphmail status --due-before 24h": "what is renewed in the next 24 hours",
        "graphmail status --not-ready --watch": "the trouble, live; in a pipe, a line for each change",
        "graphmail status -o json | jq '.[].mailbox'": "for programs",
    },
    settings=("GRAPHMAIL_NAMESPACE",),
)

MACHINE = frozenset({TableFormat.JSON, TableFormat.YAML})
"""What programs read."""

_SENTENCE = re.compile(r"(?P<sentence>.+?)[.!?]+\s")
STYLES = {
    Ready.YES: "green",
    Ready.NO: "bold red",
    Ready.SUSPENDED: "dim",
    Ready.DELETING: "dim",
    Ready.UNKNOWN: "yellow",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What to show, and how."""

    selection: Selection
    output: TableFormat
    not_ready: bool = False
    reason: str | None = None
    due_before: datetime | None = None

    def wants(self, one: Situation) -> bool:
        """Whether that mailbox is to be shown."""
        status = one.resource.status
        due = status.next_renewal_time or status.expiration_time
        return (
            self.selection.includes(one.resource)
            and not (self.not_ready and one.ready is Ready.YES)
            and (self.reason is None or one.reason == self.reason)
            and (self.due_before is None or (due is not None and due < self.due_before))
        )

    @property
    def filters(self) -> bool:
        """Only some of the selected mailboxes are shown."""
        return self.not_ready or self.reason is not None or self.due_before is not None


def status(
    *,
    tenant: TenantOption = None,
    provider: ProviderOption = None,
    not_ready: Annotated[
        bool, typer.Option("--not-ready", help="Only mailboxes that are not ready, suspended ones too.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="WORD", help="Only mailboxes with this word as their reason.")
    ] = None,
    due_before: Annotated[
        str | None,
        typer.Option(
            "--due-before",
            metavar="WHEN",
            help="Only mailboxes whose renewal is due before that: 24h or 6d22h from now, or a moment. Where none is "
            "planned, the expiry counts.",
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on, and show what changes.")] = False,
    output: Annotated[
        TableFormat, typer.Option("--output", "-o", help="A table, a wider one, JSON or YAML.")
    ] = TableFormat.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Show how the mailboxes stand."""
    now = datetime.now(UTC)
    due = read_moment(due_before, now) if due_before is not None else None
    word = read_reason(reason) if reason is not None else None
    wish = Wish(Selection(tenant=tenant, provider=provider), output, not_ready, word, due)
    if watch and output in MACHINE:
        raise typer.BadParameter("--watch shows tables: leave -o away, or say -o wide", param_hint="'--watch'")
    conduct(_status(wish, Place(namespace, kubeconfig, context), watch=watch))


async def _status(wish: Wish, place: Place, *, watch: bool) -> None:
    settings = place.read(PAGE)
    screen = Screen.of_process()
    async with connected(place.target(settings).client()) as cluster:
        if watch:
            draw = partial(show, wish=wish, screen=screen, namespace=settings.namespace)
            await live(cluster, screen, lambda found, now: draw(found, now=now), wish.wants)
        resources = await selected(cluster, wish.selection)
    show(sorted_situations(resources, datetime.now(UTC)), wish, datetime.now(UTC), screen, settings.namespace)


def show(found: Sequence[Situation], wish: Wish, now: datetime, screen: Screen, namespace: str) -> None:
    """Print the mailboxes as wished."""
    shown = [one for one in found if wish.wants(one)]
    if wish.output in MACHINE:
        put = screen.json if wish.output is TableFormat.JSON else screen.yaml
        put([as_json(one, now) for one in shown])
        return
    if not found:
        ids = f"; tenants and providers are named by their ids, see `{advised('status -o wide')}`"
        screen.note(
            f"no mailbox{wish.selection.describe()} in namespace {namespace}: is it the right one? See --namespace and --context"
            f"{ids if wish.selection.describe() else ''}"
        )
        return
    if shown:
        screen.table(columns(now, wide=wish.output is TableFormat.WIDE), shown)
    if screen.terminal or not shown:
        screen.note(summary(found) + (f"; {len(shown)} shown" if wish.filters else ""))


def summary(found: Sequence[Situation]) -> str:
    """How many there are, and how they stand."""
    counts = Counter(one.ready for one in found)
    words = {Ready.YES: "ready", Ready.NO: "not ready"}
    parts = [f"{counts[ready]} {words.get(ready, ready.value)}" for ready in reversed(Ready) if counts[ready]]
    return f"{count(len(found), 'mailbox', 'mailboxes')}: {', '.join(parts)}"


def columns(now: datetime, *, wide: bool) -> list[Column[Situation]]:
    """The table's columns."""
    moment = partial(when, now=now)
    narrow: list[Column[Situation]] = [
        Column("MAILBOX", lambda one: one.resource.spec.mailbox),
        Column("READY", lambda one: one.ready.value, style=lambda one: STYLES[one.ready]),
        Column("EXPIRES", lambda one: moment(one.resource.status.expiration_time)),
        Column("NEXT RENEWAL", lambda one: moment(one.resource.status.next_renewal_time)),
        Column("FAILURES", lambda one: str(one.resource.status.consecutive_failures)),
    ]
    names: list[Column[Situation]] = [
        Column("NAME", lambda one: one.resource.metadata.name),
        Column("TENANT", lambda one: one.resource.spec.tenant),
        Column("PROVIDER", lambda one: one.resource.spec.provider_id),
        Column("SUBSCRIPTION", lambda one: one.resource.status.subscription_id or ""),
        Column("LAST NOTIFICATION", lambda one: moment(one.resource.status.last_notification_time)),
    ]
    step: Column[Situation] = Column("NEXT STEP", partial(next_step, now=now))
    return [*narrow, *(names if wide else []), step, Column("WHY", why if wide else in_short, prose=True)]


def why(one: Situation) -> str:
    """Reason and message in one line; empty when all is well."""
    return f"{one.reason}: {one.message}" if one.message else one.reason


def in_short(one: Situation) -> str:
    """The same up to the end of the first sentence."""
    found = _SENTENCE.match(why(one))
    return found["sentence"] if found else why(one)


def as_json(one: Situation, now: datetime) -> dict[str, Any]:
    """What programs get: the resource's own words, and moments instead of spans."""
    metadata, spec, state = one.resource.metadata, one.resource.spec, one.resource.status
    moments = {
        "expirationTime": state.expiration_time,
        "nextRenewalTime": state.next_renewal_time,
        "lastRenewalTime": state.last_renewal_time,
        "lastNotificationTime": state.last_notification_time,
    }
    return {
        "name": metadata.name,
        "namespace": metadata.namespace,
        "tenant": spec.tenant,
        "providerID": spec.provider_id,
        "mailbox": spec.mailbox,
        "ready": one.ready.value,
        "reason": one.reason,
        "message": one.message,
        "nextStep": next_step(one, now),
        "consecutiveFailures": state.consecutive_failures,
        "subscriptionID": state.subscription_id,
        **{name: write_time(moment) if moment else None for name, moment in moments.items()},
    }
