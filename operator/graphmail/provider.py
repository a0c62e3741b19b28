"""A mail provider and what reaches across the rooms about it: its row, its credential, and the outcome of work on it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class ProviderKey:
    """Who a provider is.

    The id alone is not enough: the product's key is (id, tenant), and under Citus every query names the tenant.
    """

    tenant: str
    provider_id: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.provider_id}"


@dataclass(frozen=True, slots=True)
class Provider:
    """A row of the product's mail providers, without its secrets: what the mirror needs."""

    key: ProviderKey
    mailbox: str
    active: bool
    pause_reason: str | None
    """Why inbound mail is paused (`manual`, `tenant_cancelled`, `auth_failure`); None while it is not."""
    polling: bool
    """The product's `delivery_mode` is polling."""
    folders: tuple[str, ...]
    """As the row names them; empty means the inbox."""
    subscription_id: str | None
    expires_at: datetime | None
    credential: str
    """Fingerprint of the row's credential, empty while the row has none."""
    last_notification_at: datetime | None
    updated_at: datetime
    app: str = ""
    """Client id of the app that it signs in with."""
    directory: str = ""
    """Entra directory id of the row, or a shared name such as `common`."""
    client_state: str = ""
    """Fingerprint of the clientState that the product expects, empty while there is none."""
    secret_reference: str | None = None
    """The product's `client_secret_ref`: where the app's secret or certificate stands instead of the row."""


CLIENT_STATE_DIGITS = 32
"""Hexadecimal. The receiver believes whoever knows a text with this fingerprint, and everybody who may read resources knows that: of twelve
digits, some text could be found offline."""


def client_state_fingerprint(client_state: str) -> str:
    """Tells one clientState from another, and never what it is. Postgres computes the same (`graphmail.database.credentials`)."""
    return hashlib.sha256(f"client-state\x1f{client_state}".encode()).hexdigest()[:CLIENT_STATE_DIGITS]


class CredentialKind(StrEnum):
    """How a credential signs in."""

    NONE = "none"
    """Nothing to sign in with yet: nobody has consented."""
    DELEGATED = "delegated"
    """A user's refresh token: reads `/me/...`."""
    APP_ONLY = "app-only"
    """The app's own secret, certificate or workload identity: reads `/users/{mailbox}/...`."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate and its private key, as PEM or as PFX (PKCS #12), as a person gave it: it may turn out to be unusable."""

    content: bytes = field(repr=False)
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class WorkloadIdentity:
    """What azure-workload-identity gives to a pod: a token of the cluster that Entra takes in place of a secret."""

    token_file: str
    """Its path; the content is replaced every hour or so."""
    client_id: str = ""
    """The app whose federated credential trusts the pod's service account; empty when the pod was not told."""
    directory: str = ""


SHARED_DIRECTORIES = frozenset({"", "common", "organizations", "consumers"})
"""Names of directories that are none: Microsoft finds the user's own."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What signs in for one mailbox. Its representation never shows a secret."""

    owner: str
    """The provider's or resource's key; tokens of a delegated credential are kept for this owner alone."""
    directory: str
    """Entra directory (tenant) id, or `common`."""
    client_id: str
    fingerprint: str
    """Changes whenever a person changed the credential; empty while there is none."""
    client_secret: str | None = field(default=None, repr=False)
    client_certificate: ClientCertificate | None = None
    """Goes before a secret."""
    federated_token_file: str | None = None
    """Path of a workload identity's token, which is read afresh at each sign-in; goes before certificate and secret."""
    refresh_token: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    access_token_expires_at: datetime | None = None
    user: str = "the mailbox's user"
    """Whose consent a refresh token is; for messages."""
    place: str = "the provider's row"
    """Where secret or certificate stand; for messages."""
    consent_place: str | None = None
    """Where a new refresh token is to be stored by hand; None: the user signs in in the product. For messages."""

    @property
    def kind(self) -> CredentialKind:
        """Delegated when a user has consented; app-only when the app can prove itself to a named directory; else there is none yet.

        A row with a secret, but without a refresh token, through `common` is a provider nobody has consented to yet:
        Microsoft refuses client credentials there anyway.
        """
        if self.refresh_token or self.access_token:
            return CredentialKind.DELEGATED
        proves = self.client_secret or self.client_certificate or self.federated_token_file
        if proves and self.directory not in SHARED_DIRECTORIES:
            return CredentialKind.APP_ONLY
        return CredentialKind.NONE


@dataclass(frozen=True, slots=True)
class RotatedTokens:
    """The tokens of a refresh, to be stored if the row's refresh token is still the one that was read."""

    access_token: str = field(repr=False)
    expires_at: datetime
    refresh_token: str = field(repr=False)
    replaces: str = field(repr=False)
    """The refresh token that these were fetched with."""


@dataclass(frozen=True, slots=True)
class ProviderState:
    """A provider's row, read afresh for work on it."""

    key: ProviderKey
    mailbox: str
    active: bool
    credential: Credential
    client_state: str | None = field(repr=False)
    """The product's `webhook_verification_token`."""
    subscription_id: str | None
    expires_at: datetime | None
    secret_reference: str | None = None
    """The product's `client_secret_ref`."""
    folders: Mapping[str, str] = field(default_factory=dict)
    """The subscription of each folder, as our own table has it where several are subscribed."""


@dataclass(frozen=True, slots=True)
class FolderRow:
    """The subscription of one folder, as Postgres keeps it."""

    folder: str
    subscription_id: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of work on a provider, to be written to Postgres in one transaction."""

    key: ProviderKey
    at: datetime
    success: bool
    subscription_id: str | None
    """The id that Graph holds now, as far as known; None: there is no subscription."""
    expires_at: datetime | None
    renewed: bool = False
    """The subscription was created or renewed: `last_subscription_renewal` moves."""
    failure_reason: str | None = None
    """For people, without secrets; None on success."""
    consecutive_failures: int = 0
    provider_error: bool = False
    """The provider's status becomes `error`: only a person can mend it, or it failed more often than the threshold."""
    tokens: RotatedTokens | None = None
    only_over: str | None = None
    """The row is written only while it names this subscription: the end of one must not take another one's place in it."""
    counted: bool = True
    """A failure counts against the provider; a throttle, or a Graph that fails for most of the fleet, does not."""
    folders: tuple[FolderRow, ...] | None = None
    """Every subscription of the mailbox; None: only the first folder is subscribed, and the product's row has it."""
