"""The demo's world as data: three tenants, their mail providers, how each begins, and what the operator must make of it.

What is started, told and checked derives from ``PROVIDERS``; a row more there is a provider more everywhere.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from graphmail.resource.names import resource_name

_NAMES = uuid.UUID("8a3c1f0e-6f0b-4b7e-9f57-0d6a4a0f5c11")
"""Ids are made from names, so that every demo shows the same ones."""


def _id(*names: str) -> str:
    return str(uuid.uuid5(_NAMES, "/".join(names)))


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of the product, with an Entra directory and an app registration of its own."""

    name: str
    domain: str

    @property
    def id(self) -> str:
        """The product's id of the tenant."""
        return _id("tenant", self.name)

    @property
    def directory(self) -> str:
        """Id of its Entra directory."""
        return _id("directory", self.name)

    @property
    def client_id(self) -> str:
        """Id of the app that the tenant registered for the product."""
        return _id("app", self.name)


class SignIn(Enum):
    """What the provider's row has to sign in with."""

    USER = "a user's consent, and an access token that is still valid"
    USER_STALE = "a user's consent; the access token has run out and must be refreshed"
    USER_REVOKED = "a user's consent that was revoked since"
    APP = "the app's own secret"
    NOTHING = "nothing yet: nobody has consented"


@dataclass(frozen=True, slots=True)
class Earlier:
    """The subscription that the product made before the operator came, and that the row names."""

    left: timedelta
    """Until it expires; negative: it has expired, and Graph has forgotten it."""

    @property
    def lives(self) -> bool:
        """Graph still holds it."""
        return self.left > timedelta()


class Afterwards(Enum):
    """What Graph must hold for the provider in the end."""

    NEW = "a new subscription"
    KEPT = "the subscription that was there before, under the same id"
    NOTHING = "no subscription"


@dataclass(frozen=True, slots=True)
class Expected:
    """How a provider must end."""

    afterwards: Afterwards
    ready: bool
    reason: str
    """Of the condition Ready."""
    authorized: str | None = "True"
    """Status of the condition Authorized; None: nobody has tried, so there is no such condition."""
    stalled: bool = False
    """A person must act."""
    events: frozenset[str] = frozenset()
    marked: bool = False
    """The notification URL at Graph carries the operator's marker."""
    held: bool = True
    """The resource's status names the subscription."""
    result: str | None = "success"
    """`last_renewal_result` in Postgres; None: no attempt was made."""
    provider_status: str = "connected"
    called: bool = True
    """Graph or sign-in was called for it."""


CREATED = Expected(Afterwards.NEW, ready=True, reason="Subscribed", events=frozenset({"Created"}), marked=True)
RENEWED = Expected(
    Afterwards.KEPT, ready=True, reason="Subscribed", events=frozenset({"Adopted", "Renewed"}), marked=True
)
ADOPTED = Expected(Afterwards.KEPT, ready=True, reason="Subscribed", events=frozenset({"Adopted"}))
STALLED = Expected(
    Afterwards.KEPT,
    ready=False,
    reason="ReauthorizationRequired",
    authorized="False",
    stalled=True,
    events=frozenset({"ReauthorizationRequired"}),
    held=False,
    result="failure",
    provider_status="error",
)
WAITING = Expected(
    Afterwards.NOTHING,
    ready=False,
    reason="AwaitingCredentials",
    authorized="Unknown",
    held=False,
    result=None,
    provider_status="configuring",
    called=False,
)
LEFT_ALONE = Expected(
    Afterwards.KEPT, ready=False, reason="Suspended", authorized=None, held=False, result=None, called=False
)
TAKEN_AWAY = Expected(
    Afterwards.NOTHING,
    ready=False,
    reason="Suspended",
    events=frozenset({"Adopted", "Deleted"}),
    held=False,
    provider_status="disconnected",
)


@dataclass(frozen=True, slots=True)
class Provider:
    """A mail provider: a row of the product's Postgres."""

    title: str
    tenant: Tenant
    mailbox: str
    story: str
    """How it begins, for people."""
    becomes: str
    """What the operator must make of it, for people."""
    expected: Expected
    sign_in: SignIn = SignIn.USER
    earlier: Earlier | None = None
    active: bool = True
    paused: str | None = None
    """The product's reason for a pause."""
    polling: bool = False
    health_rows: int = field(default=1)
    """The product's table of health has no unique key: there may be none, or several."""

    @property
    def id(self) -> str:
        """The product's id of the provider."""
        return _id("provider", self.tenant.name, self.mailbox)

    @property
    def resource(self) -> str:
        """Name of its GraphMailSubscription."""
        return resource_name(self.tenant.id, self.id, self.mailbox)

    @property
    def earlier_id(self) -> str:
        """An id for a subscription that Graph has forgotten."""
        return _id("subscription", self.tenant.name, self.mailbox)

    @property
    def delegated(self) -> bool:
        """It signs in as a user, not as the app."""
        return self.sign_in in {SignIn.USER, SignIn.USER_STALE, SignIn.USER_REVOKED}

    @property
    def provider_status(self) -> str:
        """`email_providers.status` as the product left it."""
        if not self.active:
            return "disconnected"
        return "configuring" if self.sign_in is SignIn.NOTHING else "connected"


CONTOSO = Tenant("Contoso", "contoso.example")
FABRIKAM = Tenant("Fabrikam", "fabrikam.example")
NORTHWIND = Tenant("Northwind Managed Services", "northwind.example")
TENANTS = (CONTOSO, FABRIKAM, NORTHWIND)

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)

PROVIDERS = (
    Provider(
        "never registered",
        CONTOSO,
        "support@contoso.example",
        story="Somebody has consented; there has never been a subscription.",
        becomes="A subscription is created.",
        expected=CREATED,
        health_rows=0,
    ),
    Provider(
        "about to expire",
        CONTOSO,
        "helpdesk@contoso.example",
        story="3 hours are left, and the access token has run out.",
        becomes="The token is refreshed, and the subscription renewed under its id.",
        expected=RENEWED,
        sign_in=SignIn.USER_STALE,
        earlier=Earlier(3 * _HOUR),
        health_rows=2,
    ),
    Provider(
        "known to Postgres, not to us",
        CONTOSO,
        "billing@contoso.example",
        story="The product made its subscription; 3 days are left.",
        becomes="It is adopted as it is: nothing is due yet.",
        expected=ADOPTED,
        earlier=Earlier(3 * _DAY),
    ),
    Provider(
        "polling",
        CONTOSO,
        "sales@contoso.example",
        story="The product gave up on webhooks and polls the mailbox.",
        becomes="It is subscribed all the same; the first notification ends the polling.",
        expected=CREATED,
        polling=True,
    ),
    Provider(
        "inactive",
        CONTOSO,
        "projects@contoso.example",
        story="Switched off in the product, but its subscription lives on at Graph.",
        becomes="The subscription is deleted at Graph.",
        expected=TAKEN_AWAY,
        earlier=Earlier(2 * _DAY),
        active=False,
    ),
    Provider(
        "about to expire, app-only",
        FABRIKAM,
        "service@fabrikam.example",
        story="5 hours are left; the app signs in with its own secret.",
        becomes="The subscription is renewed under its id.",
        expected=RENEWED,
        sign_in=SignIn.APP,
        earlier=Earlier(5 * _HOUR),
    ),
    Provider(
        "expired, gone at Graph",
        FABRIKAM,
        "it@fabrikam.example",
        story="It expired two days ago; the row still names the old id.",
        becomes="A new subscription takes its place.",
        expected=CREATED,
        sign_in=SignIn.APP,
        earlier=Earlier(-2 * _DAY),
    ),
    Provider(
        "paused",
        FABRIKAM,
        "orders@fabrikam.example",
        story="Somebody has paused the mailbox in the product.",
        becomes="No call is made; the subscription is left to expire.",
        expected=LEFT_ALONE,
        sign_in=SignIn.APP,
        earlier=Earlier(6 * _HOUR),
        paused="manual",
    ),
    Provider(
        "consent revoked",
        FABRIKAM,
        "accounts@fabrikam.example",
        story="4 hours are left, and the user has revoked the consent.",
        becomes="It stalls at once and says what a person must do.",
        expected=STALLED,
        sign_in=SignIn.USER_REVOKED,
        earlier=Earlier(4 * _HOUR),
    ),
    Provider(
        "paused after failed sign-ins, now mended",
        NORTHWIND,
        "alerts@northwind.example",
        story="The product paused it when sign-in failed; consent was given anew.",
        becomes="This pause does not stop the operator: the mailbox is subscribed again.",
        expected=CREATED,
        earlier=Earlier(-1 * _DAY),
        paused="auth_failure",
    ),
    Provider(
        "without credentials yet",
        NORTHWIND,
        "onboarding@northwind.example",
        story="The form was saved, and nobody has signed in.",
        becomes="It waits, and that is no failure.",
        expected=WAITING,
        sign_in=SignIn.NOTHING,
        health_rows=0,
    ),
    Provider(
        "one mailbox in two tenants (1)",
        CONTOSO,
        "servicedesk@contoso.example",
        story="Contoso reads its service desk's mailbox itself...",
        becomes="It has a subscription of its own.",
        expected=CREATED,
    ),
    Provider(
        "one mailbox in two tenants (2)",
        NORTHWIND,
        "servicedesk@contoso.example",
        story="... and Northwind, who runs it for them, reads it too.",
        becomes="So has this one; neither takes the other's for a spare.",
        expected=CREATED,
    ),
)

FORCED = next(provider for provider in PROVIDERS if provider.expected is ADOPTED)
"""The one whose renewal a person forces in the demo."""
WRITTEN_TO = next(provider for provider in PROVIDERS if provider.polling)
"""The one that a message arrives for."""
