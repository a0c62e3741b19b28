"""`graphmail describe`: everything that is known of one mailbox, on one page."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from graphmail.cli.advice import next_step
from graphmail.cli.clusters import Place, connected, missing_right
from graphmail.cli.completion import NAMES
from graphmail.cli.conduct import conduct
from graphmail.cli.events import columns
from graphmail.cli.happenings import Happening, about, in_order
from graphmail.cli.options import ContextOption, KubeconfigOption, NamespaceOption
from graphmail.cli.output import Screen
from graphmail.cli.page import Page
from graphmail.cli.requests import pending, row_names
from graphmail.cli.selection import Selection, selected
from graphmail.cli.situation import Situation, situation
from graphmail.cli.spans import when
from graphmail.cli.status import STYLES, why
from graphmail.cluster import Cluster, ClusterError
from graphmail.decision import adoption_pending
from graphmail.resource import CredentialSource, FolderSubscription, GraphMailSubscription
from graphmail.resource.answers import THROTTLED
from graphmail.resource.conditions import ConditionType
from graphmail.resource.moments import write_time
from graphmail.resource.names import ANNOTATION_RENEW
from graphmail.watching import listed

PAGE = Page(
    "Show everything that is known of one mailbox.",
    """
    Who it is, how it stands and what to do, its subscriptions, when what happened and will happen, what it waits for, its
    conditions, and its events of the last hour. You need the right to get graphmailsubscriptions (to list them, where an
    address is given), and to list events; without the latter, all else is shown.
    """,
    {
        "graphmail describe ann-contoso-example-1f0c3a2b": "by the name of its resource",
        "graphmail describe ann@contoso.example": "by its address",
    },
    settings=("GRAPHMAIL_NAMESPACE",),
)

_LABEL = 20
Lines = Iterator[tuple[str, str]]


def describe(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a resource, or address of a mailbox.", **NAMES)],
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Show one mailbox."""
    conduct(_describe(name, Place(namespace, kubeconfig, context)))


async def _describe(name: str, place: Place) -> None:
    settings = place.read(PAGE)
    screen = Screen.of_process()
    async with connected(place.target(settings).client()) as cluster:
        for number, resource in enumerate(await selected(cluster, Selection((name,)))):
            if number:
                screen.say("")
            now = datetime.now(UTC)
            show(situation(resource, now), now, screen)
            await _show_events(cluster, resource, now, screen)


def show(one: Situation, now: datetime, screen: Screen) -> None:
    """Print the page, without the events."""
    screen.say(one.resource.spec.mailbox, style="bold")
    for label, text in [*_stands(one, now), *_identity(one.resource), *_times(one.resource, now)]:
        screen.say(f"{label.ljust(_LABEL)}{text}", style=STYLES[one.ready] if label == "Ready" else "")
    for label, text in _waits(one.resource, now):
        screen.say(f"{'Waits'.ljust(_LABEL)}{label}: {text}")
    screen.say("Subscriptions")
    for row in one.resource.status.subscriptions:
        screen.say(f"  {row.folder}: {_folder(row, now)}")
    if not one.resource.status.subscriptions:
        screen.say("  none yet")
    screen.say("Conditions")
    for condition in one.resource.status.conditions:
        since = when(condition.last_transition_time, now)
        screen.say(f"  {condition.type}={condition.status}  {condition.reason}, since {since}: {condition.message}")


def _stands(one: Situation, now: datetime) -> Lines:
    yield "Ready", one.ready.value
    for label, text in (("Why", why(one)), ("Next step", next_step(one, now))):
        if text:
            yield label, text


def _identity(resource: GraphMailSubscription) -> Lines:
    spec, metadata = resource.spec, resource.metadata
    secret = spec.credentials.source is CredentialSource.SECRET
    yield "Resource", f"{metadata.namespace}/{metadata.name}"
    yield "Tenant", spec.tenant
    yield "Provider", spec.provider_id
    yield "Credential", f"Secret {spec.credentials.secret_name}" if secret else "the provider's row in Postgres"
    yield "Notifications to", spec.notification_url
    yield "Failures in a row", str(resource.status.consecutive_failures)


def _times(resource: GraphMailSubscription, now: datetime) -> Lines:
    state = resource.status
    moments = {
        "Made": resource.metadata.creation_timestamp,
        "Expires": state.expiration_time,
        "Next renewal": state.next_renewal_time,
        "Last renewal": state.last_renewal_time,
        "Last attempt": state.last_attempt_time,
        "Next attempt": state.next_attempt_time,
        "Last notification": state.last_notification_time,
    }
    unconfirmed = adoption_pending(resource)
    for label, moment in moments.items():
        if moment is not None:
            yield label, both(moment, now)
        elif label == "Expires" and unconfirmed:
            yield label, f"not known: {row_names(unconfirmed)}"


def both(moment: datetime, now: datetime) -> str:
    """A moment, absolute and relative."""
    return f"{write_time(moment)} ({when(moment, now)})"


def _waits(resource: GraphMailSubscription, now: datetime) -> Lines:
    """What is asked for and was not acted on yet, and how long Graph's quota or a failure keeps it waiting."""
    annotations, state = resource.metadata.annotations, resource.status
    if pending(resource):
        yield "for a renewal that was asked for", annotations[ANNOTATION_RENEW]
    if adopt := adoption_pending(resource):
        yield "for the adoption of a subscription that its row names", adopt
    if state.pending_create_time is not None:
        yield "for the answer to a create that is not known", both(state.pending_create_time, now)
    if state.next_attempt_time is not None and state.next_attempt_time > now:
        ready = state.condition(ConditionType.READY)
        throttled = ready is not None and ready.reason == THROTTLED
        yield "for Graph's quota" if throttled else "before it is tried again", both(state.next_attempt_time, now)


def _folder(row: FolderSubscription, now: datetime) -> str:
    parts = [row.state.value]
    if row.subscription_id is not None:
        parts.append(row.subscription_id)
    if row.expiration_time is not None:
        parts.append(f"expires {both(row.expiration_time, now)}")
    if row.reason is not None:
        parts.append(f"{row.reason}: {row.message or ''}")
    return ", ".join(parts)


async def _show_events(cluster: Cluster, resource: GraphMailSubscription, now: datetime, screen: Screen) -> None:
    try:
        found: Sequence[Happening] = in_order(await listed(cluster, about(resource.metadata.name)))
    except ClusterError as error:
        if error.status != 403:
            raise
        screen.note(f"graphmail: events are not shown: {missing_right(error, cluster.namespace)}")
        return
    screen.say("Events of the last hour" if found else "Events of the last hour: none")
    if found:
        screen.table(columns(now, several=False), found)
