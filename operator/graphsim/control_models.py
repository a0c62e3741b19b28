"""The bodies of the control API about the simulated world, shared by the server and by `SimulatorControl`.

References to a mailbox are its UPN or its user object id; references to a tenant are its directory id or its domain.
Times are ISO 8601 in UTC and simulated, unless a name says otherwise.
"""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from graphsim.app_keys import EXCHANGE_AUDIENCE
from graphsim.deliveries import DeliveryState
from graphsim.grants import RevocationReason
from graphsim.rhythms import Profile
from graphsim.settings import Delay
from graphsim.subscriptions import EndReason


class Model(BaseModel):
    """A body that refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid")


class Nothing(Model):
    """No input."""


class ById(Model):
    """The thing that the path names."""

    id: str


class Removed(Model):
    """How many things were removed or ended."""

    count: int


class Health(Model):
    """Where everything is. `graph_url` goes up to and with `/v1.0`; `ca_path` is a file on the simulator's machine."""

    graph_url: str
    login_url: str
    control_url: str
    ca_path: str
    subscriptions: int
    now: datetime


class NewTenant(Model):
    """A tenant to add, or to replace when the id exists."""

    name: str
    id: str | None = None
    domain: str | None = None
    ceiling_minutes: int | None = Field(None, ge=45, description="Longest life of a subscription in this tenant")


class TenantView(Model):
    """A tenant as it is."""

    id: str
    name: str
    domain: str
    ceiling_minutes: int | None


class FederationModel(Model):
    """A federated identity that an app trusts. The simulator asks no issuer for its keys: it is told the one that counts."""

    issuer: str
    subject: str
    audience: str = EXCHANGE_AUDIENCE
    public_key: str = Field(description="PEM of the issuer's public key")


class NewApp(Model):
    """An app to add. `tenants` None: installed, with `roles`, in every tenant that exists now."""

    name: str = "app"
    client_id: str | None = None
    secret: str | None = None
    secret_expires_in_minutes: float | None = Field(None, description="None: never")
    tenants: list[str] | None = None
    roles: list[str] = ["Mail.Read"]
    public: bool = Field(default=False, description="It has no secret, and must not prove itself")
    certificates: list[str] = Field([], description="PEM of certificates that it may sign with, without keys")
    federations: list[FederationModel] = []


class AppChange(Model):
    """A change to an app: only what is named changes."""

    client_id: str
    enabled: bool | None = None
    secrets: list[str] | None = Field(None, description="These secrets, and no others, are valid from now on")
    expire_secrets: bool = Field(default=False, description="Let every present secret expire now")
    roles: dict[str, list[str]] | None = Field(None, description="Tenant to application roles")
    public: bool | None = None
    certificates: list[str] | None = Field(None, description="PEM: these, and no others, are valid from now on")
    federations: list[FederationModel] | None = Field(None, description="These, and no others, are valid from now on")


class AppView(Model):
    """An app; the secret is shown in the answer to the request that made it, and never again."""

    client_id: str
    name: str
    enabled: bool
    public: bool
    certificates: list[str] = Field(description="Thumbprints")
    federations: list[str] = Field(description="Subjects")
    roles: dict[str, list[str]]
    secret: str | None = Field(None, repr=False)


class NewMailbox(Model):
    """A mailbox to add; `folders` are the user's own, beside the well-known ones."""

    upn: str
    tenant: str
    user_id: str | None = None
    enabled: bool = True
    folders: list[str] = []
    watched: bool = Field(default=True, description="Open a coverage account now")
    watched_folders: list[str] = Field([], description="Folders with an account of their own from now on")


class MailboxChange(Model):
    """A change to a mailbox: only what is named changes."""

    mailbox: str
    enabled: bool | None = None
    add_folders: list[str] = []
    denied_clients: list[str] | None = Field(None, description="Apps that an access policy keeps out: client ids")
    delivery_delay_seconds: Delay | None = Field(
        None, description="Simulated seconds from a message to its notification, at least and at most"
    )


class FolderView(Model):
    """A mail folder."""

    id: str
    name: str


class MailboxView(Model):
    """A mailbox as it is."""

    upn: str
    user_id: str
    tenant_id: str
    enabled: bool
    folders: list[FolderView]
    subscriptions: int
    messages: int


class NewGrant(Model):
    """A user's sign-in and consent; a revoked grant works again, with new tokens only."""

    mailbox: str
    client_id: str
    scopes: list[str] | None = Field(None, description="None: Mail.Read, offline_access and the usual ones")


class GrantView(Model):
    """A grant; the tokens are shown in the answer to the request that made it, and never again."""

    id: str
    mailbox: str
    tenant_id: str
    client_id: str
    scopes: list[str]
    revoked_for: RevocationReason | None
    refresh_token: str | None = Field(None, repr=False)
    access_token: str | None = Field(None, repr=False)
    access_token_expires_at: datetime | None = None


class GrantRevocation(Model):
    """Which grants to end, and what sign-in says from then on."""

    mailbox: str | None = None
    client_id: str | None = None
    grant_id: str | None = None
    reason: RevocationReason = "revoked"
    removes: bool | None = Field(None, description="End the user's subscriptions, too; None: as the settings say")


class NewSubscription(Model):
    """A subscription to put into the world as it is: no handshake, no checks; `minutes` may be 1."""

    mailbox: str
    client_id: str
    notification_url: str
    minutes: float = Field(4_320, gt=0)
    folder: str | None = Field("inbox", description="None: the whole mailbox")
    change_type: str = "created"
    delegated: bool = False
    client_state: str | None = Field(None, repr=False)
    lifecycle_url: str | None = None
    id: str | None = None


class SubscriptionView(Model):
    """A live subscription; its clientState is never shown."""

    id: str
    mailbox: str
    user_id: str
    tenant_id: str
    client_id: str
    delegated: bool
    folder: str
    resource: str
    change_type: str
    notification_url: str
    lifecycle_url: str | None
    has_client_state: bool
    expires_at: datetime
    created_at: datetime
    renewals: int
    renewed_at: datetime | None
    delivers: bool = Field(description="False: silently dead")


class EndedView(Model):
    """A subscription that is gone."""

    id: str
    mailbox: str
    client_id: str
    ended_at: datetime
    reason: EndReason


class NewMessage(Model):
    """A message that arrives at a mailbox now."""

    mailbox: str
    folder: str = "inbox"
    subject: str = "A message"


class AttemptView(Model):
    """One attempt to deliver a notification; `status` is None when no answer came; `milliseconds` are real."""

    at: datetime
    status: int | None
    error: str
    milliseconds: float


class DeliveryView(Model):
    """A notification on its way to an endpoint."""

    subscription_id: str
    mailbox: str
    url: str
    message_id: str
    state: DeliveryState
    attempts: list[AttemptView]


class MessageView(Model):
    """A message that arrived, and what became of its notifications at the first attempt."""

    id: str
    folder_id: str
    received_at: datetime
    deliveries: list[DeliveryView]

    @property
    def delivered(self) -> int:
        """How many endpoints took the notification."""
        return sum(1 for delivery in self.deliveries if delivery.state == "delivered")


class IntervalView(Model):
    """A stretch of simulated time; `until` is None while it lasts."""

    start: datetime
    until: datetime | None
    seconds: float
    most: int


class LedgerView(Model):
    """One account: gaps without any live subscription, and stretches with a spare one."""

    since: datetime
    live: int
    uncovered_seconds: float
    gaps: list[IntervalView]
    duplicates: list[IntervalView]


class CoverageView(LedgerView):
    """The account of a mailbox, with one for each folder that is watched or was ever subscribed.

    The folder `*` stands for subscriptions on the whole mailbox.
    """

    mailbox: str
    user_id: str
    tenant_id: str
    folders: dict[str, LedgerView]


class WatchChange(Model):
    """Mailboxes whose accounts start anew now (`watched`), or are closed."""

    mailboxes: list[str] | None = Field(None, description="None: all")
    watched: bool = True
    folders: list[str] = []


class MailboxFilter(Model):
    """Which mailboxes an answer is about; None: all."""

    mailbox: str | None = None
    tenant: str | None = None


class NewTraffic(MailboxFilter):
    """Mail that arrives by itself in a folder of the chosen mailboxes; what is left out is drawn for each by the seed."""

    folder: str = "inbox"
    seed: int | None = Field(None, description="The same seed gives a mailbox of the same UPN the same mail")
    profile: Profile | None = None
    per_week: float | None = Field(None, ge=0, description="Mails a week on average; 0: none")
    utc_offset_hours: float | None = Field(None, ge=-12, le=14)


class Seed(Model):
    """A whole world in one body; it is added to what exists, in this order."""

    tenants: list[NewTenant] = []
    apps: list[NewApp] = []
    mailboxes: list[NewMailbox] = []
    grants: list[NewGrant] = []
    subscriptions: list[NewSubscription] = []
    traffic: list[NewTraffic] = []
    settings: dict[str, Any] = {}


class Seeded(Model):
    """What a seed made, with the secrets and tokens in it."""

    tenants: list[TenantView]
    apps: list[AppView]
    mailboxes: list[MailboxView]
    grants: list[GrantView]
    subscriptions: list[SubscriptionView]


class SubscriptionFilter(MailboxFilter):
    """Which subscriptions an answer is about."""

    client_id: str | None = None
