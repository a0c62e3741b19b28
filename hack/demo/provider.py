"""What the demo says of a mail provider: how it begins, and how it must end."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
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
    health_rows: int = 1
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
