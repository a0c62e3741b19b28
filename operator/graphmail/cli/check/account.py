"""Whose credential Microsoft is tried with: one provider's, as a person says, or one that costs nothing to try."""

from dataclasses import dataclass
from datetime import UTC, datetime

from graphmail.cli.check.ground import Ground
from graphmail.cli.failures import CommandFailed
from graphmail.cli.selection import Selection
from graphmail.database import Database
from graphmail.graph.signin import MARGIN
from graphmail.provider import Credential, CredentialKind, Provider, ProviderKey, WorkloadIdentity
from graphmail.reconciler import AccessDesk, CredentialFiles
from graphmail.reconciler.access import NoAccess
from graphmail.reconciler.credential_files import UnusableReference
from graphmail.resource import CredentialSource

LOOKED_AT = 20
"""Rows that are read, secrets and all, in search of a token that is still valid."""


@dataclass(frozen=True, slots=True)
class Account:
    """A mailbox to try Microsoft with."""

    mailbox: str
    credential: Credential
    subscription_id: str | None
    """As its row knows it."""
    key: ProviderKey | None = None
    """Its row, where tokens are kept; None for a resource with a Secret."""

    @property
    def delegated(self) -> bool:
        """A user has consented; tokens are shared with the product."""
        return self.credential.kind is CredentialKind.DELEGATED

    @property
    def fresh(self) -> bool:
        """The row's own access token is still good."""
        expires = self.credential.access_token_expires_at
        return bool(self.credential.access_token) and expires is not None and expires > datetime.now(UTC) + MARGIN

    @property
    def free(self) -> bool:
        """Microsoft can be tried without using up anything that the product shares."""
        return self.fresh or not self.delegated


async def choose(ground: Ground) -> Account | None:
    """The account to try; None: nobody has a credential yet.

    Raises:
        CommandFailed: the provider that was asked for is not there.
        DatabaseError, ClusterError: a store cannot be asked, or refuses.
    """
    found = await _from_rows(ground, ground.database) if ground.database is not None else None
    if found is None and (ground.database is None or ground.wish.client_id is not None):
        return await _from_secret(ground)
    return found


async def _from_rows(ground: Ground, database: Database) -> Account | None:
    asked = _asked(ground)
    candidates = asked if asked is not None else [row for row in ground.providers if row.active and row.credential]
    candidates = [row for row in candidates if not row.app or _of_app(ground, row.app)]
    files = CredentialFiles(*_given(ground))
    read = [await _from_row(database, files, row) for row in candidates[:LOOKED_AT]]
    accounts = [account for account in read if account is not None and _of_app(ground, account.credential.client_id)]
    return next((account for account in accounts if account.free), accounts[0] if accounts else None)


def _of_app(ground: Ground, client_id: str) -> bool:
    """That app is the one that the command line names, or it names none."""
    return ground.wish.client_id is None or ground.wish.client_id.lower() == client_id.lower()


def _asked(ground: Ground) -> list[Provider] | None:
    """The provider that the command line names; None: it names none."""
    wish = ground.wish
    if wish.provider is None and wish.tenant is None:
        return None
    found = [
        row
        for row in ground.providers
        if wish.provider in {None, row.key.provider_id} and wish.tenant in {None, row.key.tenant}
    ]
    if not found:
        raise CommandFailed("Postgres has no such Microsoft provider: see --provider and --tenant")
    return found


def _given(ground: Ground) -> tuple[str | None, WorkloadIdentity | None]:
    settings = ground.settings
    return (settings.credentials_dir, settings.workload_identity) if settings is not None else (None, None)


async def _from_row(database: Database, files: CredentialFiles, row: Provider) -> Account | None:
    state = await database.provider_state(row.key)
    if state is None:
        return None
    try:
        credential = files.complete(state.credential, state.secret_reference)
    except UnusableReference:
        return None
    if credential.kind is CredentialKind.NONE:
        return None
    return Account(state.mailbox, credential, state.subscription_id, row.key)


async def _from_secret(ground: Ground) -> Account | None:
    if ground.cluster is None:
        return None
    _, workload = _given(ground)
    desk = AccessDesk(ground.cluster, None, None, workload=workload)
    selection = Selection(tenant=ground.wish.tenant, provider=ground.wish.provider)
    for resource in filter(selection.includes, ground.resources):
        if resource.spec.credentials.source is CredentialSource.SECRET:
            try:
                access = await desk.of(resource)
            except NoAccess:
                continue
            if _of_app(ground, access.credential.client_id):
                return Account(resource.spec.mailbox, access.credential, resource.status.subscription_id)
    return None
