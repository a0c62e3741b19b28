"""What the control API does to the world: tenants, apps, mailboxes, grants, subscriptions, messages, coverage.

Every function takes the runtime and one checked body, and answers a body. Unknown references raise
UnknownObjectError.
"""

from graphsim import control_models as m
from graphsim import control_views as views
from graphsim.app_keys import AppCertificate, Federation
from graphsim.directory import Folder, Mailbox, UnknownObjectError, custom_folders
from graphsim.directory import Secret as AppSecret
from graphsim.grants import Grant
from graphsim.runtime import Runtime
from graphsim.subscriptions import Subscription


def add_tenant(runtime: Runtime, body: m.NewTenant) -> m.TenantView:
    """Add an Entra tenant."""
    made = runtime.world.add_tenant(
        body.name, tenant_id=body.id, domain=body.domain, ceiling_minutes=body.ceiling_minutes
    )
    return views.tenant(made)


def list_tenants(runtime: Runtime, _body: m.Nothing) -> list[m.TenantView]:
    """Show the tenants."""
    return [views.tenant(tenant) for tenant in runtime.world.directory.tenants.values()]


def add_app(runtime: Runtime, body: m.NewApp) -> m.AppView:
    """Add an app; the answer holds its secret."""
    minutes = body.secret_expires_in_minutes
    made = runtime.world.add_app(
        body.name,
        client_id=body.client_id,
        secret=body.secret,
        secret_expires_at=None if minutes is None else runtime.world.clock.now() + minutes * 60,
        tenants=body.tenants,
        roles=body.roles,
        public=body.public,
    )
    made.certificates[:] = map(AppCertificate.from_pem, body.certificates)
    made.federations[:] = map(_federation, body.federations)
    return views.app(made, made.secrets[0].value if made.secrets else None)


def change_app(runtime: Runtime, body: m.AppChange) -> m.AppView:
    """Change an app: disable it, replace what it proves itself with, let secrets expire, change a tenant's roles."""
    world = runtime.world
    app = world.directory.app(body.client_id)
    if body.enabled is not None:
        app.enabled = body.enabled
    if body.public is not None:
        app.public = body.public
    if body.certificates is not None:
        app.certificates[:] = map(AppCertificate.from_pem, body.certificates)
    if body.federations is not None:
        app.federations[:] = map(_federation, body.federations)
    if body.secrets is not None:
        app.secrets[:] = [AppSecret(value) for value in body.secrets]
    if body.expire_secrets:
        for secret in app.secrets:
            secret.expires_at = world.clock.now()
    for tenant, roles in (body.roles or {}).items():
        world.allow_app(app, tenant, roles)
    return views.app(app)


def list_apps(runtime: Runtime, _body: m.Nothing) -> list[m.AppView]:
    """Show the apps, without their secrets."""
    return [views.app(app) for app in runtime.world.directory.apps.values()]


def add_mailbox(runtime: Runtime, body: m.NewMailbox) -> m.MailboxView:
    """Add a mailbox; a watched one has a coverage account from now on."""
    made = runtime.world.add_mailbox(
        body.tenant,
        body.upn,
        user_id=body.user_id,
        enabled=body.enabled,
        folders=body.folders,
        watched=body.watched,
        watched_folders=body.watched_folders,
    )
    return views.mailbox(made, runtime.world)


def change_mailbox(runtime: Runtime, body: m.MailboxChange) -> m.MailboxView:
    """Change a mailbox: take it out of Exchange Online or back, add folders, keep apps out by policy, delay notifications."""
    mailbox = runtime.world.directory.mailbox(body.mailbox)
    if body.enabled is not None:
        mailbox.enabled = body.enabled
    added: dict[str, Folder] = custom_folders(mailbox.user_id, body.add_folders)
    mailbox.custom_folders.update(added)
    if body.denied_clients is not None:
        mailbox.denied_clients = set(body.denied_clients)
    if body.delivery_delay_seconds is not None:
        mailbox.delivery_delay = body.delivery_delay_seconds
    return views.mailbox(mailbox, runtime.world)


def list_mailboxes(runtime: Runtime, body: m.MailboxFilter) -> list[m.MailboxView]:
    """Show mailboxes."""
    runtime.world.settle()
    return [views.mailbox(mailbox, runtime.world) for mailbox in chosen_mailboxes(runtime, body)]


def add_grant(runtime: Runtime, body: m.NewGrant) -> m.GrantView:
    """Let a user sign in and consent; the answer holds a refresh token and an access token."""
    world = runtime.world
    mailbox, app = world.directory.mailbox(body.mailbox), world.directory.app(body.client_id)
    grant = world.consent(mailbox, app) if body.scopes is None else world.consent(mailbox, app, body.scopes)
    access_token, caller = world.delegated_token(grant)
    tokens = {
        "refresh_token": world.grants.refresh_token(grant, world.clock.now()),
        "access_token": access_token,
        "access_token_expires_at": views.moment(caller.expires_at),
    }
    return views.grant(grant, world).model_copy(update=tokens)


def revoke_grants(runtime: Runtime, body: m.GrantRevocation) -> m.Removed:
    """End grants: by id, or of a mailbox, narrowed to one app when it is named."""
    world = runtime.world
    user_id = world.directory.mailbox(body.mailbox).user_id if body.mailbox else ""
    found: list[Grant] = world.grants.find(user_id=user_id, client_id=body.client_id, grant_id=body.grant_id)
    if not found:
        raise UnknownObjectError("no such grant: name a mailbox, or a grant_id")
    for grant in found:
        world.revoke(grant, body.reason, removes=body.removes)
    return m.Removed(count=len(found))


def list_grants(runtime: Runtime, _body: m.Nothing) -> list[m.GrantView]:
    """Show the grants, without tokens."""
    return [views.grant(grant, runtime.world) for grant in runtime.world.grants.all()]


def add_subscription(runtime: Runtime, body: m.NewSubscription) -> m.SubscriptionView:
    """Put a subscription into the world as it is: no handshake and no checks."""
    directory = runtime.world.directory
    made = runtime.world.add_subscription(
        directory.mailbox(body.mailbox),
        directory.app(body.client_id),
        notification_url=body.notification_url,
        minutes=body.minutes,
        folder=body.folder,
        change_type=body.change_type,
        delegated=body.delegated,
        client_state=body.client_state,
        lifecycle_url=body.lifecycle_url,
        subscription_id=body.id,
    )
    return views.subscription(made, runtime.world)


def list_subscriptions(runtime: Runtime, body: m.SubscriptionFilter) -> list[m.SubscriptionView]:
    """Show the live subscriptions."""
    world = runtime.world
    world.settle()
    found = [
        subscription
        for mailbox in chosen_mailboxes(runtime, body)
        for subscription in world.subscriptions.of_mailbox(mailbox.user_id)
        if body.client_id in {None, subscription.client_id}
    ]
    found.sort(key=_serial)
    return [views.subscription(one, world) for one in found]


def list_ended(runtime: Runtime, _body: m.Nothing) -> list[m.EndedView]:
    """Show the last subscriptions that ended, and why."""
    runtime.world.settle()
    return [views.ended(one, runtime.world) for one in runtime.world.subscriptions.ended]


def live_subscription(runtime: Runtime, subscription_id: str) -> Subscription:
    """Find a live subscription by its id; raises UnknownObjectError."""
    found = runtime.world.live(subscription_id)
    if found is None:
        raise UnknownObjectError(f"no live subscription {subscription_id!r}: `graphsim subscriptions` lists the ids")
    return found


def drop_subscription(runtime: Runtime, body: m.ById) -> m.Removed:
    """Let a subscription vanish silently, as Graph sometimes does."""
    runtime.world.end_subscription(live_subscription(runtime, body.id), "dropped")
    return m.Removed(count=1)


async def receive_message(runtime: Runtime, body: m.NewMessage) -> m.MessageView:
    """Let a message arrive, notify the subscriptions, and answer what came of the first attempts."""
    mailbox = runtime.world.directory.mailbox(body.mailbox)
    message = runtime.world.receive_message(mailbox, body.folder, body.subject)
    deliveries = await runtime.notifier.announce(mailbox, message)
    return m.MessageView(
        id=message.id,
        folder_id=message.folder_id,
        received_at=views.moment(message.received_at),
        deliveries=[views.delivery(one) for one in deliveries],
    )


def list_deliveries(runtime: Runtime, body: m.MailboxFilter) -> list[m.DeliveryView]:
    """Show the last notifications, the oldest first, and every attempt at them."""
    users = {mailbox.user_id for mailbox in chosen_mailboxes(runtime, body)}
    return [views.delivery(one) for one in runtime.notifier.deliveries if one.user_id in users]


def show_coverage(runtime: Runtime, body: m.MailboxFilter) -> list[m.CoverageView]:
    """Show the coverage accounts of the watched mailboxes."""
    now = runtime.world.settle()
    accounts = runtime.world.coverage.accounts()
    return [
        views.coverage(mailbox, accounts[mailbox.user_id], now)
        for mailbox in chosen_mailboxes(runtime, body)
        if mailbox.user_id in accounts
    ]


def change_watch(runtime: Runtime, body: m.WatchChange) -> m.Removed:
    """Start coverage accounts anew from now, or close them; answers how many."""
    world = runtime.world
    references = list(world.directory.mailboxes) if body.mailboxes is None else body.mailboxes
    mailboxes = [world.directory.mailbox(reference) for reference in references]
    for mailbox in mailboxes:
        if body.watched:
            world.watch(mailbox, body.folders)
        else:
            world.coverage.unwatch(mailbox.user_id)
    return m.Removed(count=len(mailboxes))


def _federation(body: m.FederationModel) -> Federation:
    return Federation.from_pem(body.public_key, issuer=body.issuer, subject=body.subject, audience=body.audience)


def chosen_mailboxes(runtime: Runtime, body: m.MailboxFilter) -> list[Mailbox]:
    """Answer the mailboxes that a filter means."""
    directory = runtime.world.directory
    if body.mailbox is not None:
        return [directory.mailbox(body.mailbox)]
    if body.tenant is None:
        return list(directory.mailboxes.values())
    tenant_id = directory.tenant(body.tenant).id
    return [mailbox for mailbox in directory.mailboxes.values() if mailbox.tenant_id == tenant_id]


def _serial(subscription: Subscription) -> int:
    return subscription.serial
