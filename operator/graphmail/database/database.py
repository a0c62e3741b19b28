"""The room's front: one object for everything that the operator asks of Postgres, and tells it."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from graphmail.database import (
    abandoned,
    claims,
    credentials,
    delivery,
    discovery,
    grants,
    inbound_pauses,
    mailbox_states,
    orphans,
    outcomes,
    provider_events,
    renewal_requests,
    rhythms,
    tokens,
    triggers,
)
from graphmail.database.abandoned import Abandoned
from graphmail.database.claims import CLAIM_TIME, Claim, Refusal
from graphmail.database.discovery import Discovery, PeerChange
from graphmail.database.mailbox_states import MailboxState
from graphmail.database.migrations import required_version
from graphmail.database.orphans import Holdings, Sighting
from graphmail.database.outcomes import Fenced, Recorded
from graphmail.database.pool import Pool, PoolSettings
from graphmail.database.provider_events import ProviderEvent
from graphmail.database.renewal_requests import Progress, RenewalRequest
from graphmail.database.rhythms import KeptRhythm
from graphmail.database.schema import Schema
from graphmail.database.session import Session
from graphmail.provider import Credential, Outcome, ProviderKey, ProviderState, RotatedTokens


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """How the operator uses Postgres."""

    pool: PoolSettings = field(default_factory=PoolSettings)
    claim_time: timedelta = CLAIM_TIME


class Database:
    """Postgres, as the operator sees it.

    Every method raises `DatabaseUnavailable` while Postgres is away or too slow, `SchemaError` while a migration is missing, and another
    `DatabaseError` when a statement is refused. Each is one statement, or one message of statements, on whichever connection is free.
    """

    def __init__(self, session: Session, pool: Pool, holder: str, claim_time: timedelta) -> None:
        self._session = session
        self._pool = pool
        self._holder = holder
        self._claim_time = claim_time

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, holder: str, settings: DatabaseSettings | None = None) -> AsyncIterator[Self]:
        """Start connecting, without waiting for Postgres; everything is closed at the end.

        Args:
            url: libpq's URL or its key=value form. Its password reaches no text.
            holder: names this process in its claims, such as the pod's name and a random part.
            settings: sizes and time-outs.

        Raises:
            DatabaseError: the URL cannot be read.
        """
        settings = settings or DatabaseSettings()
        pool = Pool(url, settings.pool)
        await pool.open()
        try:
            yield cls(Session(pool, required_version()), pool, holder, settings.claim_time)
        finally:
            await pool.close()

    @property
    def holder(self) -> str:
        """The name of this process in its claims."""
        return self._holder

    async def schema(self) -> Schema:
        """What the database looks like; raises `SchemaError` with what is missing and how to mend it."""
        return await self._session.schema()

    async def clock(self) -> datetime:
        """The database's clock; the cheapest question whether Postgres is there."""
        [[now]] = await self._pool.rows("SELECT statement_timestamp()", {})
        moment: datetime = now
        return moment

    async def missing_privileges(self) -> list[str]:
        """What our role lacks of all that a running operator needs, such as `UPDATE on email_providers.status`."""
        return await grants.missing_privileges(self._session)

    async def silent_tables(self) -> list[str]:
        """The product's tables that have no trigger which tells of changes."""
        return await triggers.silent_tables(self._session)

    async def providers(self, changed_since: datetime | None = None) -> Discovery:
        """All Microsoft providers, active or not, or those whose row changed since; no secret is read."""
        return await discovery.providers(self._session, changed_since)

    async def peer_changes(self) -> list[PeerChange]:
        """Every provider whose subscription id or expiry is not what we last wrote, the latest written first."""
        return await discovery.peer_changes(self._session)

    async def provider_state(self, key: ProviderKey) -> ProviderState | None:
        """One provider as it stands now, with its credential; None when there is no such row."""
        return await credentials.provider_state(self._session, key)

    async def ensure_client_state(self, key: ProviderKey, generated: str) -> str | None:
        """The row's client state, which becomes `generated` if there was none; None when there is no such row."""
        return await credentials.ensure_client_state(self._session, key, generated)

    async def store_tokens(self, key: ProviderKey, rotated: RotatedTokens) -> bool:
        """Keep tokens that were fetched without a claim; False: the row has another refresh token by now, which counts."""
        return await tokens.store_tokens(self._session, key, rotated)

    async def claim(self, key: ProviderKey, action: str | None, limit: int) -> Claim | Refusal:
        """Take the claim of a provider for an action, while fewer than `limit` of its tenant are claimed, and read it under the claim.

        Without an action the provider is not read.

        A live claim refuses everybody, this process too. The action counts as begun until `record` or `release` settles it; None begins
        nothing that a later holder would have to look at.
        """
        return await claims.claim(
            self._session, key, holder=self._holder, action=action, limit=limit, duration=self._claim_time
        )

    async def release(self, claim: Claim, *, settled: bool) -> bool:
        """Give a claim back without an outcome; False when it was no longer ours.

        `settled`: nothing that was begun under it or before is open any more, so that the next claim has nothing unfinished.
        """
        return await claims.release(self._session, claim, settled=settled)

    async def record(
        self, claim: Claim, outcome: Outcome, *, credential: Credential | None = None, settled: bool = True
    ) -> Recorded | Fenced:
        """Write the outcome and give the claim back, in one transaction; nothing is written when the claim is no longer ours.

        `credential`: what the work signed in with, so that a consent given meanwhile is told apart from the one that failed.
        `settled`: as for `release`; False when an answer of Graph was lost.
        """
        return await outcomes.record(self._session, claim, outcome, credential=credential, settled=settled)

    async def record_late(
        self, outcome: Outcome, *, known_subscription_id: str | None, credential: Credential | None = None
    ) -> Recorded | Refusal | Fenced:
        """Write an outcome after an outage of Postgres, if the row still stands as it was known; a `Refusal`: try again later."""
        return await outcomes.record_late(
            self._session,
            outcome,
            holder=self._holder,
            known_subscription_id=known_subscription_id,
            credential=credential,
        )

    async def mark_delivering(self, keys: Collection[ProviderKey]) -> list[ProviderKey]:
        """Polling rows whose notification has really arrived become webhook rows; returns those that changed."""
        return await delivery.mark_delivering(self._session, keys)

    async def note_notifications(self, arrivals: Collection[tuple[ProviderKey, datetime]]) -> set[ProviderKey]:
        """When these providers last had a notification, in one statement; returns those that have a health row to keep it in."""
        return await delivery.note_notifications(self._session, arrivals)

    async def abandon(self, key: ProviderKey, subscription_id: str, expires_at: datetime | None, reason: str) -> None:
        """Remember a subscription that is left to expire, since nothing could sign in to delete it."""
        await abandoned.abandon(self._session, key, subscription_id, expires_at, reason)

    async def abandoned(self) -> list[Abandoned]:
        """All subscriptions that were abandoned, the latest first."""
        return await abandoned.abandoned(self._session)

    async def holdings(self, subscriptions: Collection[str], providers: Collection[str]) -> Holdings:
        """To whom these subscriptions belong, and how these providers stand, at one moment."""
        return await orphans.holdings(self._session, subscriptions, providers)

    async def see_orphans(
        self, found: Collection[Sighting], owned: Collection[str], at: datetime
    ) -> dict[str, datetime]:
        """Remember orphans; since when each has been seen as one. `owned`: ids that are none."""
        return await orphans.see(self._session, found, owned, at)

    async def orphans_seen(self, subscriptions: Collection[str]) -> dict[str, datetime]:
        """Since when these have been seen as orphans; those that have not are absent."""
        return await orphans.seen(self._session, subscriptions)

    async def mailbox_states(self, namespace: str) -> list[MailboxState]:
        """What the operator of that namespace has told of its mailboxes, of those that are removed too."""
        return await mailbox_states.read(self._session, namespace)

    async def tell_mailbox_states(self, states: Sequence[MailboxState], events: Sequence[ProviderEvent] = ()) -> None:
        """Tell the product how these mailboxes stand, and what happened to them, in one statement; no event is told twice."""
        await mailbox_states.write(self._session, states, events)

    async def forget_provider_events(self, older_than: timedelta) -> int:
        """Delete some events that were told longer ago than that; how many."""
        return await provider_events.forget(self._session, older_than)

    async def pause_inbound(self, key: ProviderKey) -> bool:
        """Pause the provider's inbound mail, unless it is paused or this product cannot; whether it was done."""
        return await inbound_pauses.pause(self._session, key)

    async def resume_inbound(self, key: ProviderKey) -> bool:
        """Take back the pause that is ours, if it still stands as we wrote it; whether it was done."""
        return await inbound_pauses.resume(self._session, key)

    async def inbound_pauses(self) -> list[ProviderKey]:
        """The providers whose inbound mail we have paused and not resumed."""
        return await inbound_pauses.standing(self._session)

    async def open_renewal_requests(self) -> list[RenewalRequest]:
        """The renewals that rows ask for and that are not finished, the oldest first."""
        return await renewal_requests.open_requests(self._session)

    async def advance_renewal_requests(self, made: Sequence[Progress]) -> frozenset[str]:
        """Write down what became of these requests, in one statement; the ids of those that nobody else has taken up or finished."""
        return await renewal_requests.advance(self._session, made)

    async def rhythms(self) -> list[KeptRhythm]:
        """When notifications usually arrive in each mailbox, as it was kept."""
        return await rhythms.read(self._session)

    async def keep_rhythms(self, learned: Sequence[KeptRhythm]) -> None:
        """Keep what was learned of these mailboxes, in one statement."""
        await rhythms.write(self._session, learned)
