"""Where the credential of a mailbox comes from, and who may use it.

A row's credential serves only the resource that the mirror made for that row: its name, its mailbox and its notification URL must be
what the mirror would write. So nobody gains another tenant's mail by writing a resource (design, "The custom resource").
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from graphmail.cluster import Cluster
from graphmail.database import Database
from graphmail.fleet import Access
from graphmail.provider import Credential, CredentialKind, ProviderKey, ProviderState
from graphmail.reconciler.result import Verdict
from graphmail.reconciler.verdicts import awaiting_credentials
from graphmail.resource import CredentialSource, GraphMailSubscription
from graphmail.resource.names import resource_name


class NoAccess(Exception):
    """There is nothing to sign in with.

    Attributes:
        verdict: what the conditions say of it.
        observed: fingerprint of the credential that was found, empty when there is none.
    """

    def __init__(self, verdict: Verdict, observed: str = "") -> None:
        super().__init__(verdict.message)
        self.verdict = verdict
        self.observed = observed


class AccessDesk:
    """Looks up what signs in for a mailbox.

    Args:
        cluster: for Secrets of the resource's namespace.
        database: for rows; None when the operator runs without Postgres.
        notification_url: the URL that the mirror derives from `APPLICATION_URL`; None without Postgres.
    """

    def __init__(self, cluster: Cluster, database: Database | None, notification_url: str | None) -> None:
        self._cluster = cluster
        self._database = database
        self._notification_url = notification_url

    async def of(self, resource: GraphMailSubscription) -> Access:
        """What signs in for that mailbox now.

        Raises:
            NoAccess: there is no credential yet, or it is not this resource's to use.
            DatabaseUnavailable: the row cannot be read now.
            ClusterUnavailable: the Secret cannot be read now.
        """
        if resource.spec.credentials.source is CredentialSource.SECRET:
            return await self._of_secret(resource)
        return await self._of_row(resource)

    async def _of_row(self, resource: GraphMailSubscription) -> Access:
        spec = resource.spec
        if self._database is None:
            raise NoAccess(
                awaiting_credentials("credentials.source is ProviderRow, but GRAPHMAIL_DATABASE_URL is not set")
            )
        key = ProviderKey(spec.tenant, spec.provider_id)
        state = await self._database.provider_state(key)
        if state is None:
            raise NoAccess(awaiting_credentials(f"Postgres has no Microsoft provider {key}"))
        self._check_owner(resource, state)
        credential = state.credential
        if credential.kind is CredentialKind.NONE:
            message = (
                f"waiting for consent: somebody must sign in for {state.mailbox} in the product; nothing else is needed"
            )
            raise NoAccess(awaiting_credentials(message), credential.fingerprint)
        client_state = state.client_state or await self._database.ensure_client_state(key, secrets.token_urlsafe(32))
        return Access(credential, client_state, state.subscription_id, state.active, state.expires_at, state.standing)

    def _check_owner(self, resource: GraphMailSubscription, state: ProviderState) -> None:
        spec = resource.spec
        name = resource_name(spec.tenant, spec.provider_id, state.mailbox)
        mirrored = (
            resource.metadata.name == name
            and resource.metadata.namespace == self._cluster.namespace
            and spec.mailbox == state.mailbox
            and spec.notification_url == self._notification_url
            and spec.lifecycle_notification_url is None
        )
        if not mirrored:
            raise NoAccess(
                awaiting_credentials(
                    "a provider row's credential serves only the resource that the mirror makes for it "
                    f"({name}, with the row's mailbox and the operator's URL). Use credentials.source: Secret for a resource of your own"
                )
            )

    async def _of_secret(self, resource: GraphMailSubscription) -> Access:
        name = resource.spec.credentials.secret_name or ""
        secret = await self._cluster.secret(name)
        if secret is None:
            message = f"Secret {name} does not exist in namespace {resource.metadata.namespace}: create it"
            raise NoAccess(awaiting_credentials(message))
        data = secret_values(secret)
        credential = Credential(
            owner=resource.key,
            directory=data.get("directory-id", "common"),
            client_id=data.get("client-id", ""),
            fingerprint=fingerprint(data),
            client_secret=data.get("client-secret"),
            refresh_token=data.get("refresh-token"),
        )
        if not credential.client_id or credential.kind is CredentialKind.NONE:
            message = (
                f"Secret {name} is incomplete: it needs client-id, and either refresh-token, or directory-id and client-secret "
                "(directory-id is the Entra tenant's id, not common)"
            )
            raise NoAccess(awaiting_credentials(message), credential.fingerprint)
        return Access(credential, data.get("client-state"), row_subscription_id=None)


def secret_values(secret: Mapping[str, Any]) -> dict[str, str]:
    """The keys of a Secret as text; what is not text, or empty, counts as missing."""
    values = {}
    for key, encoded in (secret.get("data") or {}).items():
        try:
            text = base64.b64decode(encoded).decode().strip()
        except (binascii.Error, UnicodeDecodeError):
            continue
        if text:
            values[key] = text
    return values


def fingerprint(values: Mapping[str, str]) -> str:
    """Tells that a Secret has changed, never what is in it."""
    joined = "\x00".join(f"{key}\x00{values[key]}" for key in sorted(values))
    return hashlib.sha256(joined.encode()).hexdigest()[:12]
