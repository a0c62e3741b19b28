"""The simulated world as one object: clock, directory, grants, tokens, subscriptions, traffic and the accounts of them.

Pure state and no I/O; what endpoints are to hear stands in the outbox. Everything that changes the world goes through here, so
that time is settled first: what expired, arrived or fell silent in between did so at its own moment, before the change.
"""

import asyncio
import secrets
from collections.abc import Iterable, Iterator
from functools import partial

from graphsim.agenda import Agenda, stirred_or_due
from graphsim.clock import SimulatedClock
from graphsim.coverage import Coverage
from graphsim.delivered import DeliveredAccount
from graphsim.directory import App, Directory, Mailbox, Message, Secret, Tenant, custom_folders
from graphsim.grants import Grant, Grants, RevocationReason
from graphsim.lifecycle import LifecycleEvent, LifecycleItem
from graphsim.outbox import Notice, Outbox
from graphsim.randomness import Randomness
from graphsim.reauthorization import Reauthorizations
from graphsim.settings import SimulatorSettings
from graphsim.silence import SilenceAccount
from graphsim.subscriptions import WHOLE_MAILBOX, EndReason, Subscription, Subscriptions
from graphsim.tokens import AccessTokens, Caller
from graphsim.traffic import Traffic

MAIL_PERMISSIONS = frozenset(
    {"Mail.Read", "Mail.ReadBasic", "Mail.ReadBasic.All", "Mail.ReadWrite", "Mail.Read.Shared", "Mail.ReadWrite.Shared"}
)
DEFAULT_ROLES = frozenset({"Mail.Read"})
DEFAULT_SCOPES = frozenset({"Mail.Read", "offline_access", "openid", "profile", "User.Read"})


class World:
    """All that the simulated Graph and sign-in know. Raises UnknownObjectError for references never seeded."""

    def __init__(
        self,
        clock: SimulatedClock,
        randomness: Randomness,
        settings: SimulatorSettings | None = None,
        *,
        token_key: bytes | None = None,
    ) -> None:
        """`token_key` signs tokens (32 bytes; a fresh one when None)."""
        self.clock = clock
        self.randomness = randomness
        self.settings = settings or SimulatorSettings()
        self._key = token_key or secrets.token_bytes(32)
        self._stirred = asyncio.Event()
        self.clear()

    def clear(self) -> None:
        """Forget everything but the clock and the settings."""
        self._serial = 0
        self.directory = Directory()
        self.grants = Grants(self.randomness, self._key)
        self.tokens = AccessTokens(self._key, self.randomness)
        self.coverage = Coverage()
        self.silence = SilenceAccount()
        self.delivered = DeliveredAccount()
        self.agenda = Agenda(self._stirred)
        self.outbox = Outbox(self._stirred)
        self.traffic = Traffic(self.agenda, self._let_arrive)
        self.reauthorizations = Reauthorizations(self.agenda, lambda: self.settings, self.tell)
        self.subscriptions = Subscriptions(self.coverage, self.silence, self.reauthorizations)
        self._stirred.set()

    def settle(self) -> float:
        """Let everything happen that was due; answer the simulated moment up to which the world is now right."""
        now = self.clock.now()
        while (due := self.agenda.next_at) <= now:
            self.subscriptions.expire_until(due)
            self.agenda.run_first()
        self.subscriptions.expire_until(now)
        return now

    async def something_to_do(self) -> None:
        """Return when something on the agenda is due, or when something may stand in the outbox."""
        await stirred_or_due(self._stirred, self.agenda, self.clock)

    def change_settings(self, settings: SimulatorSettings) -> None:
        """Behave differently from this moment on."""
        self.settle()
        self.settings = settings
        self.reauthorizations.plan_anew(self.subscriptions.all())

    # -- who exists ----------------------------------------------------------------------------------------------

    def add_tenant(
        self, name: str, *, tenant_id: str | None = None, domain: str | None = None, ceiling_minutes: int | None = None
    ) -> Tenant:
        """Add an Entra tenant; its domain is derived from the name when not given."""
        made_domain = domain or f"{''.join(filter(str.isalnum, name.lower()))}.example.com"
        made_id = (tenant_id or self.randomness.guid()).lower()
        return self.directory.put_tenant(Tenant(made_id, name, made_domain, ceiling_minutes))

    def add_app(
        self,
        name: str,
        *,
        client_id: str | None = None,
        secret: str | None = None,
        secret_expires_at: float | None = None,
        tenants: Iterable[str] | None = None,
        roles: Iterable[str] = DEFAULT_ROLES,
        public: bool = False,
    ) -> App:
        """Add an app with one secret, and let the tenants (all that exist, when None) grant it application roles.

        A public app has no secret.
        """
        app = App(client_id or self.randomness.guid(), name, public=public)
        if not public:
            app.secrets.append(Secret(secret or self.randomness.opaque(), secret_expires_at))
        for reference in list(self.directory.tenants) if tenants is None else tenants:
            self.allow_app(app, reference, roles)
        return self.directory.put_app(app)

    def allow_app(self, app: App, tenant: str, roles: Iterable[str]) -> None:
        """Set the application roles that a tenant grants to an app; none leaves the app installed, without rights."""
        tenant_id = self.directory.tenant(tenant).id
        app.roles[tenant_id] = frozenset(roles)
        app.service_principals.setdefault(tenant_id, self.randomness.guid())

    def add_mailbox(
        self,
        tenant: str,
        upn: str,
        *,
        user_id: str | None = None,
        enabled: bool = True,
        folders: Iterable[str] = (),
        watched: bool = True,
        watched_folders: Iterable[str] = (),
    ) -> Mailbox:
        """Add a mailbox; `folders` are the user's own; a watched one has a coverage account from now on."""
        made_id = (user_id or self.randomness.guid()).lower()
        mailbox = Mailbox(self.directory.tenant(tenant).id, made_id, upn, enabled, custom_folders(made_id, folders))
        self.directory.put_mailbox(mailbox)
        if watched:
            self.watch(mailbox, watched_folders)
        return mailbox

    def watch(self, mailbox: Mailbox, folders: Iterable[str] = ()) -> None:
        """Open the coverage account of a mailbox, or start it anew from this moment."""
        now = self.settle()
        folder_ids = tuple(self.directory.folder(mailbox, reference).id for reference in folders)
        self.coverage.watch(mailbox.user_id, now, folder_ids)

    # -- who may call --------------------------------------------------------------------------------------------

    def consent(self, mailbox: Mailbox, app: App, scopes: Iterable[str] = DEFAULT_SCOPES) -> Grant:
        """Let a mailbox's user sign in and consent to an app; an earlier, revoked grant works again."""
        return self.grants.consent(
            tenant_id=mailbox.tenant_id,
            user_id=mailbox.user_id,
            client_id=app.client_id,
            scopes=frozenset(scopes),
            at=self.clock.now(),
        )

    def revoke(self, grant: Grant, reason: RevocationReason = "revoked", *, removes: bool | None = None) -> None:
        """End a grant; access tokens that are out stay valid until they expire, as at Microsoft.

        `removes` says whether Graph ends the subscriptions that were made under it, too; None: as the settings say.
        """
        now = self.settle()
        self.grants.revoke(grant, reason, now)
        if self.settings.revocation_removes if removes is None else removes:
            for subscription in self.subscriptions.of_mailbox(grant.user_id):
                if subscription.delegated and subscription.client_id == grant.client_id:
                    self.remove_subscription(subscription)

    def delegated_token(self, grant: Grant, scopes: Iterable[str] | None = None) -> tuple[str, Caller]:
        """Issue an access token for a grant's user."""
        scopes_of_graph = frozenset(grant.scopes if scopes is None else scopes) - {"offline_access"}
        return self._token(grant.tenant_id, grant.client_id, grant.user_id, grant.user_id, scopes_of_graph)

    def app_token(self, app: App, tenant_id: str) -> tuple[str, Caller]:
        """Issue an access token for an app by itself, with the roles that the tenant granted."""
        return self._token(
            tenant_id, app.client_id, app.service_principals[tenant_id], None, app.roles.get(tenant_id, frozenset())
        )

    def _token(
        self, tenant_id: str, client_id: str, object_id: str, user_id: str | None, permissions: frozenset[str]
    ) -> tuple[str, Caller]:
        now = self.clock.now()
        expires_at = float(int(now + self.settings.access_token_minutes * 60))
        caller = Caller(tenant_id, client_id, object_id, user_id, permissions, expires_at)
        return self.tokens.issue(caller, at=now), caller

    # -- subscriptions -------------------------------------------------------------------------------------------

    def live(self, subscription_id: str) -> Subscription | None:
        """Answer a live subscription, or None."""
        self.settle()
        return self.subscriptions.get(subscription_id)

    def next_serial(self) -> int:
        """Answer a number that is larger than every one before; it orders the list of subscriptions."""
        self._serial += 1
        return self._serial

    def add_subscription(
        self,
        mailbox: Mailbox,
        app: App,
        *,
        notification_url: str,
        minutes: float,
        folder: str | None = "inbox",
        change_type: str = "created",
        delegated: bool = False,
        client_state: str | None = None,
        lifecycle_url: str | None = None,
        subscription_id: str | None = None,
    ) -> Subscription:
        """Put a subscription into the world as it is, without any of Graph's checks; `minutes` may be below 45."""
        now = self.settle()
        found = self.directory.folder(mailbox, folder) if folder else None
        root = "me" if delegated else f"users/{mailbox.user_id}"
        path = f"/mailFolders('{folder}')" if folder else ""
        creator = mailbox.user_id if delegated else app.service_principals.get(mailbox.tenant_id, app.client_id)
        subscription = Subscription(
            id=subscription_id or self.randomness.guid(),
            serial=self.next_serial(),
            tenant_id=mailbox.tenant_id,
            client_id=app.client_id,
            creator_id=creator,
            user_id=mailbox.user_id,
            delegated=delegated,
            folder=found.id if found else WHOLE_MAILBOX,
            resource=f"{root}{path}/messages",
            change_types=frozenset(change_type.split(",")),
            change_type=change_type,
            notification_url=notification_url,
            lifecycle_url=lifecycle_url,
            client_state=client_state,
            expires_at=now + minutes * 60,
            created_at=now,
        )
        self.subscriptions.add(subscription, now)
        return subscription

    def add_live(self, subscription: Subscription) -> None:
        """Make a subscription live that passed Graph's checks; by chance, as the settings say, it is dead from the start."""
        share = self.settings.silent_share
        if share and self.randomness.hits(share):
            self.silence.silence(subscription, subscription.created_at)
        self.subscriptions.add(subscription, subscription.created_at)

    def end_subscription(self, subscription: Subscription, reason: EndReason) -> None:
        """End a live subscription now."""
        self.subscriptions.end(subscription, self.settle(), reason)

    def remove_subscription(self, subscription: Subscription) -> None:
        """End a live subscription now, and say so to its lifecycle URL."""
        self.tell(subscription, "subscriptionRemoved")
        self.end_subscription(subscription, "removed")

    def renew(self, subscription: Subscription, expires_at: float, token_expires_at: float) -> None:
        """Give a subscription another expiry, as a PATCH does, under a token that ends at `token_expires_at`."""
        now = self.settle()
        subscription.token_expires_at = token_expires_at
        subscription.renewals += 1
        subscription.renewed_at = now
        self.subscriptions.move_expiry(subscription, expires_at)
        self.reauthorizations.renewed(subscription, now)

    def reauthorize(self, subscription: Subscription, token_expires_at: float) -> None:
        """Reauthorize a subscription, under a token that ends at `token_expires_at`."""
        now = self.settle()
        subscription.token_expires_at = token_expires_at
        subscription.reauthorized_at = now
        self.reauthorizations.reauthorized(subscription, now)

    def tell(self, subscription: Subscription, event: LifecycleEvent) -> LifecycleItem | None:
        """Send a lifecycle notification; None when the subscription has no URL for it or is silently dead."""
        item = LifecycleItem.of(subscription, event)
        if item is not None:
            self.outbox.put_item(item)
        return item

    # -- silent death ----------------------------------------------------------------------------------------------

    def plan_silence(self, subscription: Subscription, at: float) -> None:
        """Let a subscription, or by then the one in its place, deliver nothing from a simulated moment on."""
        self.agenda.add(at, partial(self._fall_silent, subscription))
        self.settle()

    def mend(self, subscription: Subscription) -> None:
        """Let a silent subscription deliver again."""
        self.silence.mend(subscription, self.settle())

    def _fall_silent(self, subscription: Subscription, at: float) -> None:
        of_its_place = (
            one
            for one in self.subscriptions.of_mailbox(subscription.user_id)
            if (one.client_id, one.folder) == (subscription.client_id, subscription.folder) and one.delivers
        )
        alive = self.subscriptions.get(subscription.id) is subscription
        victim = subscription if alive else next(of_its_place, None)
        if victim is not None:
            self.silence.silence(victim, at)

    # -- mail --------------------------------------------------------------------------------------------------------

    def receive_message(self, mailbox: Mailbox, folder: str = "inbox", subject: str = "A message") -> Message:
        """Let a message arrive now; who is to be notified is the notifier's matter."""
        return self._receive(mailbox, self.directory.folder(mailbox, folder).id, subject, self.settle())

    def to_be_told(self, mailbox: Mailbox, message: Message) -> list[Subscription]:
        """Answer the subscriptions that a message which just arrived is delivered to; an app that hears of it by none is noted."""
        concerned = [
            subscription
            for subscription in self.subscriptions.of_mailbox(mailbox.user_id)
            if "created" in subscription.change_types and subscription.folder in {WHOLE_MAILBOX, message.folder_id}
        ]
        told = [subscription for subscription in concerned if subscription.delivers]
        informed = {subscription.client_id for subscription in told}
        for subscription in concerned:
            if subscription.client_id not in informed:
                self.silence.missed(subscription, message.received_at)
        return told

    def delivery_moment(self, mailbox: Mailbox, message: Message) -> float:
        """Draw the simulated moment at which a message's notifications are sent."""
        least, most = mailbox.delivery_delay or self.settings.delivery_delay_seconds
        return message.received_at + self.randomness.between(least, most)

    def account(self, mailbox: Mailbox, message: Message, subscriptions: Iterable[Subscription]) -> None:
        """Note the notifications of a message as taken, each when it would have been sent, without any call."""
        for subscription in subscriptions:
            pauses = iter(self.settings.notification_retry_seconds)
            self.agenda.add(
                self.delivery_moment(mailbox, message),
                partial(self._note_delivered, subscription, message.received_at, pauses),
            )

    def _let_arrive(self, user_id: str, folder_id: str, at: float) -> None:
        mailbox = self.directory.mailbox(user_id)
        message = self._receive(mailbox, folder_id, "A message", at)
        told = tuple(self.to_be_told(mailbox, message))
        if self.settings.deliveries == "account":
            self.account(mailbox, message, told)
        elif told:
            self.outbox.put_notice(Notice(mailbox, message, told))

    def _receive(self, mailbox: Mailbox, folder_id: str, subject: str, at: float) -> Message:
        message = Message("AAMk" + self.randomness.opaque(30), folder_id, subject, at)
        mailbox.messages.append(message)
        return message

    def _note_delivered(
        self, subscription: Subscription, received_at: float, pauses: Iterator[float], at: float
    ) -> None:
        """A notification is sent: it is taken, or tried again until no pause is left."""
        if self.settings.takes_notifications:
            self.delivered.note(subscription, received_at=received_at, delivered_at=at)
        elif (pause := next(pauses, None)) is not None:
            self.agenda.add(at + pause, partial(self._note_delivered, subscription, received_at, pauses))
