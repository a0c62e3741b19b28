"""What Graph lists, credential by credential: one list for an app in its Entra tenant, one for each user who has consented."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from graphmail.cluster import ClusterError, ClusterUnavailable
from graphmail.database import Database
from graphmail.graph import (
    GraphClient,
    MicrosoftError,
    Priority,
    SignIn,
    Spender,
    Subscription,
    Token,
    with_fresh_token,
)
from graphmail.provider import Credential, CredentialKind, ProviderKey
from graphmail.reconciler.access import AccessDesk, NoAccess
from graphmail.resource import CredentialSource, GraphMailSubscription
from graphmail.resource.conditions import ConditionType

_log = structlog.get_logger("graphmail.sweep")

T = TypeVar("T")

PAUSE_SECONDS = 1.0
"""Between two lists. Graph allows an app 40 in 20 seconds, and half of them are left to those who look for a lost answer."""
TRIES = 3
"""Mailboxes of one app and Entra tenant whose credential is tried before the others are passed over."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose credential lists and deletes."""

    resource: GraphMailSubscription
    credential: Credential

    @property
    def group(self) -> tuple[str, ...]:
        """Who sees the same list."""
        credential = self.credential
        if credential.kind is CredentialKind.APP_ONLY:
            return ("app", credential.directory.lower(), credential.client_id.lower())
        return ("user", credential.owner)

    @property
    def key(self) -> ProviderKey:
        """Its provider."""
        return ProviderKey(self.resource.spec.tenant, self.resource.spec.provider_id)

    def made(self, found: Subscription) -> bool:
        """A user's `/me/...`, which the app's own credential may see too, and may not be allowed to delete."""
        return self.credential.kind is CredentialKind.DELEGATED and _root(found) == "me"

    def spender(self, token: Token, found: Subscription | None = None) -> Spender:
        """Nobody waits for a sweep."""
        return Spender(
            app=self.credential.client_id,
            directory=token.directory,
            mailbox=_mailbox(found) or self.resource.spec.mailbox,
            priority=Priority.BULK,
            expires_at=found.expires_at if found else self.resource.status.expiration_time,
        )


def _root(found: Subscription) -> str:
    return found.resource.strip("/").partition("/")[0].lower()


def _mailbox(found: Subscription | None) -> str:
    """Whose mail it watches, as far as its resource says: `users/{mailbox}/...`."""
    if found is None or _root(found) != "users":
        return ""
    return found.resource.strip("/").partition("/")[2].partition("/")[0]


@dataclass(frozen=True, slots=True)
class Listed:
    """A subscription, and who saw it."""

    found: Subscription
    holder: Holder


class Walk:
    """Asks Graph for its lists.

    Args:
        desk: where credentials come from.
        database: keeps the tokens that had to be fetched (design, rule 7); None without Postgres.
        pause_seconds: between two lists.
    """

    def __init__(
        self,
        graph: GraphClient,
        signin: SignIn,
        desk: AccessDesk,
        database: Database | None,
        *,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self.graph = graph
        self._signin = signin
        self._desk = desk
        self._database = database
        self._pause = pause_seconds
        self.unseen = 0
        """Apps and users of the last walk that gave no list: what they would show is looked at another time."""

    async def signed_in(self, holder: Holder, call: Callable[[Token], Awaitable[T]]) -> T:
        """Make calls with the holder's token; one that Graph refuses is replaced once. What had to be fetched is kept in the row.

        Raises:
            MicrosoftError: sign-in or Graph refused, or did not answer.
            DatabaseError: tokens could not be kept.
        """

        async def once(token: Token) -> T:
            await self._keep(holder, token)
            return await call(token)

        return await with_fresh_token(self._signin, holder.credential, once)

    async def lists(
        self, resources: Iterable[GraphMailSubscription], wanted: Callable[[Subscription], bool]
    ) -> list[Listed]:
        """What the credentials of these resources show, each subscription once.

        Args:
            wanted: which subscriptions are of interest.

        Raises:
            DatabaseError: a row cannot be read, or a token cannot be kept.
            ClusterUnavailable: a Secret cannot be read.
        """
        shown: dict[str, Listed] = {}
        listed: set[tuple[str, ...]] = set()
        failures: Counter[tuple[str, ...]] = Counter()
        for resource in resources:
            holder = await self._holder(resource)
            if holder is None or holder.group in listed or failures[holder.group] >= TRIES:
                continue
            try:
                found = await self._list(holder)
            except MicrosoftError as error:
                failures[holder.group] += 1
                _log.info("a list was refused", mailbox=resource.spec.mailbox, error=str(error))
                continue
            listed.add(holder.group)
            for one in filter(wanted, found):
                if one.id not in shown or holder.made(one):
                    shown[one.id] = Listed(one, holder)
            await asyncio.sleep(self._pause)
        self.unseen = len(failures.keys() - listed)
        return list(shown.values())

    async def _holder(self, resource: GraphMailSubscription) -> Holder | None:
        """Who is suspended or waits for a person is not called for, and who is deleted has its own farewell."""
        stalled = resource.status.condition(ConditionType.STALLED) is not None
        if resource.spec.suspend or stalled or resource.metadata.deletion_timestamp is not None:
            return None
        try:
            return Holder(resource, await self._desk.credential(resource))
        except NoAccess:
            return None
        except ClusterUnavailable:
            raise
        except ClusterError as error:
            _log.warning("a Secret cannot be read", resource=resource.metadata.name, error=str(error))
            return None

    async def _list(self, holder: Holder) -> list[Subscription]:
        async def collect(token: Token) -> list[Subscription]:
            pages = self.graph.list_all(token=token.value, spender=holder.spender(token))
            return [one async for one in pages]

        return await self.signed_in(holder, collect)

    async def _keep(self, holder: Holder, token: Token) -> None:
        by_row = holder.resource.spec.credentials.source is CredentialSource.PROVIDER_ROW
        if token.rotated is not None and self._database is not None and by_row:
            await self._database.store_tokens(holder.key, token.rotated)
