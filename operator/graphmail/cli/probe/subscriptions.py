"""Whether the subscription lives: as the status has it, and as Graph says."""

from collections.abc import Iterator

from graphmail.cli.advice import for_a_person, next_step
from graphmail.cli.check.account import Account
from graphmail.cli.check.findings import Finding, Findings, failed, ok, skipped, warning
from graphmail.cli.check.microsoft import sign_in
from graphmail.cli.clusters import explain_cluster
from graphmail.cli.failures import explain
from graphmail.cli.handshake import shown
from graphmail.cli.probe.subject import Subject
from graphmail.cli.requests import row_names
from graphmail.cli.situation import Ready, observes, situation
from graphmail.cli.spans import when
from graphmail.cli.typed import advised
from graphmail.cluster import ClusterError
from graphmail.database import DatabaseError
from graphmail.decision import adoption_pending
from graphmail.fleet import key_of
from graphmail.graph import (
    Budget,
    GraphClient,
    GraphError,
    Meaning,
    SignIn,
    Spender,
    Subscription,
    Token,
    without_marker,
)
from graphmail.reconciler import AccessDesk, CredentialFiles
from graphmail.reconciler.access import NoAccess
from graphmail.resource import CredentialSource, FolderState, FolderSubscription

READY, SUBSCRIPTION, SIGN_IN, GRAPH = "ready", "subscription", "sign-in", "graph"
NEEDS_SIGN_IN = f"needs {SIGN_IN}"


def check_status(subject: Subject) -> Iterator[Finding]:
    """What the operator says of the mailbox, and of each folder's subscription."""
    yield _stands(subject)
    if unconfirmed := adoption_pending(subject.resource):
        yield warning(SUBSCRIPTION, row_names(unconfirmed), _step(subject))
    for row in subject.resource.status.subscriptions:
        yield _held(row, subject)


def _stands(subject: Subject) -> Finding:
    one = situation(subject.resource, subject.now)
    told = f"{one.reason}: {one.message}" if one.reason else "the operator says that the mailbox is covered"
    if one.ready is Ready.YES and not one.reason:
        return ok(READY, told)
    remedy = next_step(one, subject.now)
    if one.ready is Ready.NO or (one.ready is Ready.UNKNOWN and not observes(subject.resource)):
        return failed(READY, told, remedy)
    return warning(READY, told, remedy)


def _step(subject: Subject, reason: str | None = None) -> str:
    """What to do about a subscription that is not there."""
    own = for_a_person(reason or "", subject.name) or next_step(situation(subject.resource, subject.now), subject.now)
    return own or f"`{advised(f'describe {subject.name}')}` says what it waits for"


def _held(row: FolderSubscription, subject: Subject) -> Finding:
    if row.subscription_id is None:
        told = f"{row.folder} has no subscription{_why(row, subject)}"
        if row.state is FolderState.NOT_DELIVERABLE:
            return warning(
                SUBSCRIPTION, told, "deliver through the receiver (docs/receiver.md), or take the folder away"
            )
        return failed(SUBSCRIPTION, told, _step(subject, row.reason))
    told = f"{row.folder} has {row.subscription_id}, which expire{'s' if _lives(row, subject) else 'd'}"
    told = f"{told} {when(row.expiration_time, subject.now)}, as the status has it"
    if _lives(row, subject):
        return ok(SUBSCRIPTION, told)
    return failed(SUBSCRIPTION, told, f"see that the operator runs, then `{advised(f'renew {subject.name}')}`")


def _why(row: FolderSubscription, subject: Subject) -> str:
    """The reason; its words only where the step before this one has not told them."""
    if not row.reason:
        return ""
    known = row.reason == situation(subject.resource, subject.now).reason
    return f": {row.reason}" if known or not row.message else f": {row.reason}: {row.message}"


def _lives(row: FolderSubscription, subject: Subject) -> bool:
    return row.expiration_time is None or row.expiration_time > subject.now


# --- Graph -----------------------------------------------------------------------------------------------------------


async def ask_graph(subject: Subject) -> Findings:
    """Graph is asked for each subscription by its id, where we can sign in for the mailbox."""
    rows = [row for row in subject.resource.status.subscriptions if row.subscription_id is not None]
    if not rows:
        yield skipped(SIGN_IN, "not tried: there is no subscription to ask Graph for")
        yield skipped(GRAPH, "there is no subscription to ask for")
        return
    account = await _account(subject, rows[0].subscription_id)
    if isinstance(account, Finding):
        yield account
        yield skipped(GRAPH, NEEDS_SIGN_IN)
        return
    settings = subject.settings
    async with SignIn(settings.login_base_url, settings.graph_base_url) as signin:
        token, finding = await sign_in(signin, account, subject.database, force=subject.sign_in)
    yield finding
    if token is None:
        yield skipped(GRAPH, NEEDS_SIGN_IN)
        return
    spender = Spender(app=account.credential.client_id, directory=token.directory, mailbox=account.mailbox)
    async with GraphClient(settings.graph_base_url, Budget()) as graph:
        for row in rows:
            for found in await _asked(graph, row, token, spender, subject):
                yield found


async def _account(subject: Subject, subscription_id: str | None) -> Account | Finding:
    """What signs in for the mailbox; or why nothing does, which is no fault of the mailbox."""
    resource, settings = subject.resource, subject.settings
    of_row = resource.spec.credentials.source is CredentialSource.PROVIDER_ROW
    if of_row and subject.database is None:
        return skipped(SIGN_IN, "the credential stands in Postgres, which is not asked from here", subject.elsewhere)
    desk = AccessDesk(
        subject.cluster,
        subject.database,
        settings.notification_url,
        lifecycle_url=settings.lifecycle_url,
        files=CredentialFiles(settings.credentials_dir, settings.workload_identity),
        workload=settings.workload_identity,
    )
    try:
        credential = await desk.credential(resource)
    except NoAccess as error:
        return skipped(SIGN_IN, f"there is nothing to sign in with: {error}", subject.elsewhere)
    except ClusterError as error:
        return skipped(SIGN_IN, explain_cluster(error, subject.cluster.namespace), subject.elsewhere)
    except DatabaseError as error:
        return skipped(SIGN_IN, f"the credential cannot be read: {error}", subject.elsewhere)
    return Account(resource.spec.mailbox, credential, subscription_id, key_of(resource) if of_row else None)


async def _asked(
    graph: GraphClient, row: FolderSubscription, token: Token, spender: Spender, subject: Subject
) -> list[Finding]:
    try:
        held = await graph.get(row.subscription_id or "", token=token.value, spender=spender)
    except GraphError as error:
        if error.meaning is not Meaning.GONE:
            return [failed(GRAPH, explain(error)[0])]
        told = f"Graph has no subscription {row.subscription_id} of {row.folder} any more"
        remedy = f"`{advised(f'renew {subject.name}')}` has a new one made now; a running operator notices it by itself, later"
        return [failed(GRAPH, told, remedy)]
    expires = when(held.expires_at, graph.graph_time())
    if held.expires_at <= graph.graph_time():
        told = f"Graph says that subscription {held.id} of {row.folder} expired {expires}"
        return [failed(GRAPH, told, f"see that the operator runs, then `{advised(f'renew {subject.name}')}`")]
    alive = ok(GRAPH, f"Graph says that subscription {held.id} of {row.folder} lives, and expires {expires}")
    return [alive, *moved(held, subject)]


def moved(held: Subscription, subject: Subject) -> Iterator[Finding]:
    """Graph posts to somewhere else than is wanted."""
    spec = subject.resource.spec
    if held.notification_url and without_marker(held.notification_url) != without_marker(spec.notification_url):
        told = f"Graph delivers to {shown(held.notification_url)}, and not to {shown(spec.notification_url)}"
        yield failed(GRAPH, told, f"`{advised(f'renew {subject.name}')}` moves the subscription")
    lifecycle = held.lifecycle_notification_url
    if _plain(lifecycle) != _plain(spec.lifecycle_notification_url):
        at = shown(lifecycle) if lifecycle else "nowhere"
        wanted = shown(spec.lifecycle_notification_url) if spec.lifecycle_notification_url else "nowhere"
        told = f"Graph posts lifecycle notifications to {at}, and not to {wanted}"
        yield warning(GRAPH, told, "nothing: the subscription is replaced with its next planned renewal")


def _plain(url: str | None) -> str:
    return without_marker(url) if url else ""
