"""Where the credential of a mailbox comes from, and who may use it.

A row's credential serves only the resource that the mirror made for that row: its name, its mailbox and its notification URL must be
what the mirror would write. So nobody gains another tenant's mail by writing a resource (design, "The custom resource").
"""

import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from graphmail.backoff import Pace
from graphmail.cluster import Cluster, ClusterError, ClusterUnavailable
from graphmail.database import Claim, Database
from graphmail.fleet import Access, key_of
from graphmail.graph import MAX_CLIENT_STATE
from graphmail.provider import Credential, CredentialKind, ProviderState, WorkloadIdentity
from graphmail.reconciler.credential_files import CredentialFiles, UnusableReference
from graphmail.reconciler.credential_secret import Contents, credential_of
from graphmail.reconciler.result import Verdict
from graphmail.reconciler.secret_marks import SecretMarks
from graphmail.reconciler.verdicts import awaiting_credentials, not_its_own
from graphmail.resource import CredentialSource, GraphMailSubscription
from graphmail.resource.names import resource_name


class NoAccess(Exception):
    """There is nothing to sign in with.

    Attributes:
        verdict: what the conditions say of it.
        observed: fingerprint of the credential that was found, empty when there is none.
        unreadable: it may be there and unchanged, but the API server does not let us read it.
    """

    def __init__(self, verdict: Verdict, observed: str = "", *, unreadable: bool = False) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict
        self.observed = observed
        self.unreadable = unreadable


class AccessDesk:
    """Looks up what signs in for a mailbox.

    Args:
        cluster: for Secrets of the resource's namespace.
        database: for rows; None when the operator runs without Postgres.
        notification_url: the URL that the mirror derives from `APPLICATION_URL`; None without Postgres.
        lifecycle_url: the receiver's, which the mirror sets while there is one. A resource that has none yet is served too.
        files: what rows may name instead of holding it themselves.
        workload: the pod's own identity, which a Secret may ask for.
    """

    def __init__(
        self,
        cluster: Cluster,
        database: Database | None,
        notification_url: str | None,
        *,
        lifecycle_url: str | None = None,
        files: CredentialFiles | None = None,
        workload: WorkloadIdentity | None = None,
    ) -> None:
        self._cluster = cluster
        self._database = database
        self._notification_url = notification_url
        self._lifecycle_urls = {None, lifecycle_url}
        self._files = files or CredentialFiles(workload=workload)
        self._workload = workload
        self._marks = SecretMarks(self._read_mark)

    async def of(self, resource: GraphMailSubscription, claim: Claim | None = None) -> Access:
        """What signs in for that mailbox now, and what its subscription is made with.

        Args:
            resource: the mailbox.
            claim: has the provider as it was read under it; without one, the row is read now.

        Raises:
            NoAccess: there is no credential yet, or it is not this resource's to use.
            DatabaseUnavailable: the row cannot be read now.
            ClusterUnavailable: the Secret cannot be read now.
        """
        if resource.spec.credentials.source is CredentialSource.SECRET:
            credential, client_state = await self._of_secret(resource)
            place = f"client-state of Secret {resource.spec.credentials.secret_name}"
            _check_client_state(client_state, place, credential.fingerprint)
            return Access(credential, client_state, row_subscription_id=None)
        credential, state, database = await self._of_row(resource, claim)
        client_state = state.client_state or await database.ensure_client_state(state.key, secrets.token_urlsafe(32))
        _check_client_state(client_state, "webhook_verification_token of the provider's row", credential.fingerprint)
        return Access(credential, client_state, state.subscription_id, state.expires_at)

    async def credential(self, resource: GraphMailSubscription) -> Credential:
        """What signs in for that mailbox now; nothing is written. Raises as `of` does."""
        if resource.spec.credentials.source is CredentialSource.SECRET:
            return (await self._of_secret(resource))[0]
        return (await self._of_row(resource))[0]

    async def _of_row(
        self, resource: GraphMailSubscription, claim: Claim | None = None
    ) -> tuple[Credential, ProviderState, Database]:
        if self._database is None:
            raise NoAccess(
                awaiting_credentials("credentials.source is ProviderRow, but GRAPHMAIL_DATABASE_URL is not set")
            )
        key = key_of(resource)
        state = claim.state if claim is not None else await self._database.provider_state(key)
        if state is None:
            raise NoAccess(awaiting_credentials(f"Postgres has no Microsoft provider {key}"))
        mark = self._files.fingerprint(state.credential.fingerprint, state.secret_reference)
        self._check_owner(resource, state, mark)
        try:
            credential = self._files.complete(state.credential, state.secret_reference)
        except UnusableReference as error:
            raise NoAccess(awaiting_credentials(str(error)), mark) from error
        if credential.kind is CredentialKind.NONE:
            message = (
                f"waiting for consent: somebody must sign in for {state.mailbox} in the product; nothing else is needed"
            )
            raise NoAccess(awaiting_credentials(message), mark)
        return replace(credential, fingerprint=mark), state, self._database

    def _check_owner(self, resource: GraphMailSubscription, state: ProviderState, mark: str) -> None:
        """A refusal observes the row's credential: another one would be refused as well."""
        spec = resource.spec
        leaving = resource.metadata.deletion_timestamp is not None and resource.status.subscription_id is not None
        mailbox = (
            spec.mailbox if leaving else state.mailbox
        )  # a provider that moved on deletes what its old mailbox had
        name = resource_name(spec.tenant, spec.provider_id, mailbox)
        mirrored = (
            resource.metadata.name == name
            and resource.metadata.namespace == self._cluster.namespace
            and spec.mailbox.casefold() == mailbox.casefold()
            and spec.notification_url == self._notification_url
            and spec.lifecycle_notification_url in self._lifecycle_urls
        )
        if not mirrored:
            raise NoAccess(
                not_its_own(
                    "a provider row's credential serves only the resource that the mirror makes for it "
                    f"({name}, with the row's mailbox and the operator's URL). Use credentials.source: Secret for a resource of your own"
                ),
                mark,
            )

    async def mark(self, resource: GraphMailSubscription, *, now: datetime, lasts: timedelta) -> str:
        """Fingerprint of what the resource's Secret holds, empty while there is none. Each Secret is read once for all who wait for it.

        Args:
            lasts: what was read that short a time ago counts.

        Raises:
            NoAccess: it may not be read.
            ClusterUnavailable: it cannot be read now.
        """
        name = resource.spec.credentials.secret_name or ""
        return await self._marks.of(name, now=now, lasts=lasts)

    async def _read_mark(self, name: str) -> str:
        secret = await self._secret(name)
        return "" if secret is None else Contents.of(secret).fingerprint(self._workload)

    async def _of_secret(self, resource: GraphMailSubscription) -> tuple[Credential, str | None]:
        name = resource.spec.credentials.secret_name or ""
        secret = await self._secret(name)
        if secret is None:
            message = f"Secret {name} does not exist in namespace {resource.metadata.namespace}: create it"
            raise NoAccess(awaiting_credentials(message))
        contents = Contents.of(secret)
        try:
            credential = credential_of(resource, name, contents, self._workload)
        except UnusableReference as error:
            raise NoAccess(awaiting_credentials(str(error)), contents.fingerprint(self._workload)) from error
        return credential, contents.text("client-state")

    async def _secret(self, name: str) -> dict[str, Any] | None:
        try:
            return await self._cluster.secret(name)
        except ClusterUnavailable:
            raise
        except ClusterError as error:
            raise NoAccess(awaiting_credentials(self._unread(name, error)), unreadable=True) from error

    def _unread(self, name: str, error: ClusterError) -> str:
        """A token that is being changed for another (401), or a webhook that forbids (403), says nothing of the Secret itself."""
        place = f"Secret {name} in namespace {self._cluster.namespace}"
        if error.missing_right is None:
            return f"the API server does not let the operator read {place}, and is asked again: {error}"
        return (
            f"the operator may not read {place}: name it in the chart's value rbac.credentialSecrets, or {error.grant}"
        )


def _check_client_state(client_state: str | None, place: str, mark: str) -> None:
    """Graph would refuse it. It is looked at again, seldom: no fingerprint tells that it has changed."""
    if client_state is None or len(client_state) <= MAX_CLIENT_STATE:
        return
    message = (
        f"{place} has {len(client_state)} characters; Graph takes at most {MAX_CLIENT_STATE} as clientState: shorten it"
    )
    raise NoAccess(Verdict("ClientStateTooLong", message, pace=Pace.SLOW), mark)
