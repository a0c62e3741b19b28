"""From the state of the world to the bodies of the control API. Secrets and tokens never pass through here."""

from collections.abc import Iterable
from datetime import UTC, datetime

from graphsim import control_models as m
from graphsim import control_run_models as r
from graphsim.calls import Call
from graphsim.clock import SimulatedClock
from graphsim.coverage import Interval, Ledger, MailboxCoverage
from graphsim.deliveries import Attempt, Delivery
from graphsim.directory import App, Mailbox, Tenant
from graphsim.grants import Grant
from graphsim.subscriptions import WHOLE_MAILBOX, Ended, Subscription
from graphsim.world import World


def moment(seconds: float) -> datetime:
    """Answer simulated seconds since 1970 as a date and time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def clock(source: SimulatedClock) -> r.ClockView:
    """Show the clock."""
    return r.ClockView(now=moment(source.now()), speed=source.speed, paused=source.paused)


def tenant(source: Tenant) -> m.TenantView:
    """Show a tenant."""
    return m.TenantView(id=source.id, name=source.name, domain=source.domain, ceiling_minutes=source.ceiling_minutes)


def app(source: App, secret: str | None = None) -> m.AppView:
    """Show an app, with its secret only when it was just made."""
    return m.AppView(
        client_id=source.client_id,
        name=source.name,
        enabled=source.enabled,
        public=source.public,
        certificates=[certificate.thumbprint for certificate in source.certificates],
        federations=[federation.subject for federation in source.federations],
        roles={tenant_id: sorted(roles) for tenant_id, roles in source.roles.items()},
        secret=secret,
    )


def mailbox(source: Mailbox, world: World) -> m.MailboxView:
    """Show a mailbox."""
    return m.MailboxView(
        upn=source.upn,
        user_id=source.user_id,
        tenant_id=source.tenant_id,
        enabled=source.enabled,
        folders=[m.FolderView(id=folder.id, name=folder.name) for folder in source.folders()],
        subscriptions=world.subscriptions.count_of_mailbox(source.user_id),
        messages=len(source.messages),
    )


def grant(source: Grant, world: World) -> m.GrantView:
    """Show a grant, without its tokens."""
    return m.GrantView(
        id=source.id,
        mailbox=world.directory.mailbox(source.user_id).upn,
        tenant_id=source.tenant_id,
        client_id=source.client_id,
        scopes=sorted(source.scopes),
        revoked_for=source.revoked_for,
    )


def subscription(source: Subscription, world: World) -> m.SubscriptionView:
    """Show a live subscription."""
    owner = world.directory.mailbox(source.user_id)
    return m.SubscriptionView(
        id=source.id,
        mailbox=owner.upn,
        user_id=source.user_id,
        tenant_id=source.tenant_id,
        client_id=source.client_id,
        delegated=source.delegated,
        folder=folder_name(owner, source.folder),
        resource=source.resource,
        change_type=source.change_type,
        notification_url=source.notification_url,
        lifecycle_url=source.lifecycle_url,
        has_client_state=source.client_state is not None,
        expires_at=moment(source.expires_at),
        created_at=moment(source.created_at),
        renewals=source.renewals,
        renewed_at=None if source.renewed_at is None else moment(source.renewed_at),
        delivers=source.delivers,
    )


def ended(source: Ended, world: World) -> m.EndedView:
    """Show a subscription that is gone."""
    return m.EndedView(
        id=source.id,
        mailbox=world.directory.mailbox(source.user_id).upn,
        client_id=source.client_id,
        ended_at=moment(source.ended_at),
        reason=source.reason,
    )


def delivery(source: Delivery) -> m.DeliveryView:
    """Show a notification and its attempts."""
    return m.DeliveryView(
        subscription_id=source.subscription_id,
        mailbox=source.mailbox,
        url=source.url,
        message_id=source.message_id,
        state=source.state,
        attempts=attempts(source.attempts),
    )


def attempts(source: Iterable[Attempt]) -> list[m.AttemptView]:
    """Show the attempts to post something."""
    return [
        m.AttemptView(at=moment(one.at), status=one.status, error=one.error, milliseconds=one.milliseconds)
        for one in source
    ]


def call(source: Call) -> r.CallView:
    """Show one call of Graph or sign-in."""
    return r.CallView(
        number=source.number,
        at=moment(source.at),
        route=source.route,
        method=source.method,
        tenant=source.tenant,
        mailbox=source.mailbox,
        client=source.client,
        status=source.status,
        code=source.code,
        subscription=source.subscription,
        fault=source.fault,
        milliseconds=round(source.milliseconds, 3),
        request_id=source.request_id,
        client_request_id=source.client_request_id,
    )


def coverage(owner: Mailbox, account: MailboxCoverage, now: float) -> m.CoverageView:
    """Show the accounts of a mailbox and of its folders, by their names."""
    return m.CoverageView(
        mailbox=owner.upn,
        user_id=owner.user_id,
        tenant_id=owner.tenant_id,
        folders={folder_name(owner, key): ledger(one, now) for key, one in account.folders.items()},
        **ledger(account.mailbox, now).model_dump(),
    )


def ledger(source: Ledger, now: float) -> m.LedgerView:
    """Show one account."""
    return m.LedgerView(
        since=moment(source.since),
        live=source.live,
        uncovered_seconds=source.uncovered_seconds(now),
        gaps=[_interval(one, now) for one in source.gaps(now)],
        duplicates=[_interval(one, now) for one in source.duplicates(now)],
    )


def folder_name(owner: Mailbox, key: str) -> str:
    """Answer the name of a folder by its id; WHOLE_MAILBOX stays as it is."""
    found = None if key == WHOLE_MAILBOX else owner.folder(key)
    return found.name if found else key


def _interval(source: Interval, now: float) -> m.IntervalView:
    return m.IntervalView(
        start=moment(source.start),
        until=None if source.until is None else moment(source.until),
        seconds=source.seconds(now),
        most=source.most,
    )
