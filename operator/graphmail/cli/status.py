"""`graphmail status`: how the mailboxes stand, for people who have just been woken up."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import typer

from graphmail.cli.clusters import Target, connected
from graphmail.cli.conduct import conduct
from graphmail.cli.configuration import read_settings
from graphmail.cli.options import ContextOption, KubeconfigOption, NamespaceOption, ProviderOption, TenantOption
from graphmail.cli.output import Column, Screen, TableFormat, count
from graphmail.cli.page import Page
from graphmail.cli.selection import Selection, selected
from graphmail.cli.situation import Ready, Situation, situation
from graphmail.cli.spans import when
from graphmail.resource.model import write_time

PAGE = Page(
    "Show how the mailboxes stand, and what to do about it.",
    """
    Trouble comes first, then what expires first. Only the API server is asked, with your own rights: to list
    graphmailsubscriptions is enough. In a pipe, each mailbox is one line, and nothing is cut.
    """,
    {
        "graphmail status": "all mailboxes",
        "graphmail status --not-ready": "only those that are not ready",
        "graphmail status --tenant acme -o wide": "one tenant, with names and ids",
        "graphmail status -o json | jq '.[].mailbox'": "for programs",
    },
    settings=("GRAPHMAIL_NAMESPACE",),
)

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
    not_ready: bool
    output: TableFormat


def status(
    *,
    tenant: TenantOption = None,
    provider: ProviderOption = None,
    not_ready: Annotated[
        bool, typer.Option("--not-ready", help="Only mailboxes that are not ready, suspended ones too.")
    ] = False,
    output: Annotated[
        TableFormat, typer.Option("--output", "-o", help="A table, a wider one, or JSON.")
    ] = TableFormat.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Show how the mailboxes stand."""
    wish = Wish(Selection(tenant=tenant, provider=provider), not_ready, output)
    conduct(_status(wish, namespace, kubeconfig, context))


async def _status(wish: Wish, namespace: str | None, kubeconfig: str | None, context: str | None) -> None:
    settings = read_settings(PAGE, namespace=namespace)
    async with connected(Target(settings.namespace, kubeconfig, context).client()) as cluster:
        resources = await selected(cluster, wish.selection)
    now = datetime.now(UTC)
    found = sorted((situation(resource, now) for resource in resources), key=lambda one: one.order)
    show(found, wish, now, Screen.of_process(), settings.namespace)


def show(found: Sequence[Situation], wish: Wish, now: datetime, screen: Screen, namespace: str) -> None:
    """Print the mailboxes as wished."""
    shown = [one for one in found if one.ready is not Ready.YES] if wish.not_ready else found
    if wish.output is TableFormat.JSON:
        screen.json([as_json(one) for one in shown])
        return
    if not found:
        ids = "; tenants and providers are named by their ids, see `graphmail status -o wide`"
        screen.note(
            f"no mailbox{wish.selection.describe()} in namespace {namespace}: is it the right one? See --namespace and --context"
            f"{ids if wish.selection.describe() else ''}"
        )
        return
    if shown:
        screen.table(columns(now, wide=wish.output is TableFormat.WIDE), shown)
    if screen.terminal or not shown:
        screen.note(summary(found))


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
    return [*narrow, *(names if wide else []), Column("WHY", why, prose=True)]


def why(one: Situation) -> str:
    """Reason and message in one line; empty when all is well."""
    return f"{one.reason}: {one.message}" if one.message else one.reason


def as_json(one: Situation) -> dict[str, Any]:
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
        "consecutiveFailures": state.consecutive_failures,
        "subscriptionID": state.subscription_id,
        **{name: write_time(moment) if moment else None for name, moment in moments.items()},
    }
