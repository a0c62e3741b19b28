"""Claims: who may work on a provider. Never two at once, whatever the number of processes, and whichever of them dies."""

import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from psycopg import sql

from graphmail.database.credentials import state_from, state_statement
from graphmail.database.errors import DatabaseError, DatabaseUnavailable
from graphmail.database.keys import parameters
from graphmail.database.schema import Schema
from graphmail.database.session import Session
from graphmail.provider import ProviderKey, ProviderState

CLAIM_TIME = timedelta(seconds=120)
"""How long a claim holds, by the database's clock. Work at Graph gives up after half of it."""
RENEWING_ACTIONS = frozenset({"adopt", "create", "renew", "replace"})
"""Actions during which the product's health row says `renewing`."""

_LOCKS = 0x676D7331
"""Our class of advisory locks ("gms1"); the second number is the tenant's hash."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a provider until a moment, and to write back what came of it."""

    key: ProviderKey
    token: int
    """Grows with each claim of this key; a write-back with an older one is refused."""
    until: datetime
    """By the database's clock."""
    unfinished: tuple[str, ...] = ()
    """Actions that an earlier holder had begun, the earliest first, and whose result nobody recorded: look at Graph before acting."""
    unfinished_since: datetime | None = None
    """When the earliest of them was begun, by the database's clock."""
    state: ProviderState | None = None
    """The provider as it stands under this claim, with its credential; None when there is no such row, or it was not asked for."""


class RefusalReason(StrEnum):
    """Why there is no claim."""

    HELD = "held"
    """Somebody is working on this provider."""
    TENANT_BUSY = "tenant-busy"
    """As many providers of the tenant are being worked on as the limit allows."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """No claim; try again later."""

    key: ProviderKey
    reason: RefusalReason
    holder: str | None = None
    """Who works on it, when it is held."""
    until: datetime | None = None
    """When that claim ends at the latest, by the database's clock."""


# Statements that are sent at once. The lock makes the claims of a tenant one after the other; since the second statement begins after the
# lock was gained, its count includes every claim granted before: the limit is strict. In one statement the count would be older than
# the wait. The predicate on `until` stands on the locked row itself: on a joined table it would read an old snapshot. For the same
# reason the provider is read by a third statement: whoever had the claim before may have recorded a subscription while the second one
# ran, and who does not see it makes another.
#
# `statement_timestamp()` is the time the message arrived. After a wait for the lock it lies a little in the past, which only shortens
# this claim and leaves others theirs; and Citus refuses `clock_timestamp()` in an UPDATE.
_LOCK = "SELECT pg_advisory_xact_lock({}, hashtext(%(tenant)s::text))"
_CLAIM = """
WITH free AS (
  SELECT c.unsettled, c.unsettled_since FROM graphmail.claims c
  WHERE c.tenant = %(tenant)s AND c.provider_id = %(provider)s AND (c.until IS NULL OR c.until <= statement_timestamp())
  FOR UPDATE SKIP LOCKED
), in_flight AS (
  SELECT count(*) AS n FROM graphmail.claims c WHERE c.tenant = %(tenant)s AND c.until > statement_timestamp()
), taken AS (
  UPDATE graphmail.claims c
  SET holder = %(holder)s, token = c.token + 1, until = statement_timestamp() + %(duration)s::interval, action = %(action)s,
      begun_at = statement_timestamp(),
      unsettled = CASE WHEN %(action)s::text IS NULL OR %(action)s = ANY (free.unsettled) THEN free.unsettled
                       ELSE free.unsettled || %(action)s::text END,
      unsettled_since = coalesce(free.unsettled_since, CASE WHEN %(action)s::text IS NOT NULL THEN statement_timestamp() END)
  FROM free, in_flight
  WHERE c.tenant = %(tenant)s AND c.provider_id = %(provider)s AND in_flight.n < %(limit)s
  RETURNING c.token, c.until, free.unsettled AS unfinished, free.unsettled_since AS unfinished_since
), first AS (
  INSERT INTO graphmail.claims (tenant, provider_id, holder, token, until, action, begun_at, unsettled, unsettled_since)
  SELECT %(tenant)s, %(provider)s, %(holder)s, 1, statement_timestamp() + %(duration)s::interval, %(action)s, statement_timestamp(),
         array_remove(ARRAY[%(action)s::text], NULL), CASE WHEN %(action)s::text IS NOT NULL THEN statement_timestamp() END
  FROM in_flight
  WHERE in_flight.n < %(limit)s AND NOT EXISTS (
    SELECT FROM graphmail.claims c WHERE c.tenant = %(tenant)s AND c.provider_id = %(provider)s)
  ON CONFLICT DO NOTHING
  RETURNING token, until, ARRAY[]::text[] AS unfinished, NULL::timestamptz AS unfinished_since
), granted AS (
  SELECT * FROM taken UNION ALL SELECT * FROM first
), announced AS (
  UPDATE email_provider_health h SET subscription_status = 'renewing', updated_at = now() FROM granted
  WHERE %(announce)s AND h.tenant = %(tenant)s AND h.provider_id = %(provider)s::text
)
SELECT granted.token, granted.until, granted.unfinished, granted.unfinished_since, in_flight.n >= %(limit)s, held.holder, held.until
FROM in_flight
LEFT JOIN granted ON true
LEFT JOIN graphmail.claims held
  ON held.tenant = %(tenant)s AND held.provider_id = %(provider)s AND held.until > statement_timestamp()
"""


def lock_statement(_: Schema) -> sql.Composed:
    """SQL: wait until no other claim of the tenant is being taken."""
    return sql.SQL(_LOCK).format(sql.Literal(_LOCKS))


def claim_statement(_: Schema) -> sql.SQL:
    """SQL: take the claim if it is free and the tenant's limit leaves room."""
    return sql.SQL(_CLAIM)


async def claim(
    session: Session, key: ProviderKey, *, holder: str, action: str | None, limit: int, duration: timedelta
) -> Claim | Refusal:
    """Take the claim of a provider. A live claim refuses everybody, its holder too. The action counts as begun until it is settled.

    Without an action something is only written down, and the provider is not read.

    Raises:
        DatabaseError: Postgres could not be asked, or refused. The claim may have been granted all the same; it then ends by itself.
    """
    values = {
        **parameters(key),
        "holder": holder,
        "action": action,
        "limit": limit,
        "duration": duration,
        "announce": action in RENEWING_ACTIONS,
    }
    reading = () if action is None else (state_statement,)
    _, answer, *read = await session.results((lock_statement, claim_statement, *reading), values)
    if not answer:
        raise DatabaseUnavailable("Postgres is unavailable: it gave no answer to a claim")
    [(token, until, unfinished, since, busy, other, other_until)] = answer
    if token is not None:
        return Claim(
            key=key,
            token=token,
            until=until,
            unfinished=tuple(unfinished),
            unfinished_since=since,
            state=state_from(key, read[0]) if read else None,
        )
    if busy and other is None:
        return Refusal(key, RefusalReason.TENANT_BUSY)
    return Refusal(key, RefusalReason.HELD, holder=other, until=other_until)


_RELEASE = """
WITH fence AS (
  UPDATE graphmail.claims c
  SET until = NULL,
      unsettled = CASE WHEN %(settled)s THEN ARRAY[]::text[] ELSE c.unsettled END,
      unsettled_since = CASE WHEN %(settled)s THEN NULL ELSE c.unsettled_since END
  WHERE c.tenant = %(tenant)s AND c.provider_id = %(provider)s AND c.token = %(token)s AND c.until IS NOT NULL
  RETURNING c.token
), calmed AS (
  UPDATE email_provider_health h
  SET subscription_status = CASE WHEN NOT coalesce(h.is_healthy, true) THEN 'error'
                                 WHEN h.subscription_expires_at IS NOT NULL THEN 'healthy' END,
      updated_at = now()
  FROM fence
  WHERE h.tenant = %(tenant)s AND h.provider_id = %(provider)s::text AND h.subscription_status = 'renewing'
)
SELECT count(*) FROM fence
"""


def release_statement(_: Schema) -> sql.SQL:
    """SQL: give a claim back without an outcome; the health row stops saying `renewing`."""
    return sql.SQL(_RELEASE)


async def release(session: Session, held: Claim, *, settled: bool) -> bool:
    """Give a claim back without an outcome; False when it was no longer ours.

    `settled` says that nothing which was begun is open any more, at Graph or here: the next claim has nothing unfinished.

    Raises:
        DatabaseError: Postgres could not be asked, or refused. The claim then ends by itself.
    """
    [[fenced]] = await session.rows(
        release_statement, {**parameters(held.key), "token": held.token, "settled": settled}
    )
    return bool(fenced)


_LET_GO = """
UPDATE graphmail.claims c SET until = NULL
WHERE c.tenant = %(tenant)s AND c.provider_id = %(provider)s AND c.token = %(token)s
"""


def let_go_statement(_: Schema) -> sql.SQL:
    """SQL: end a claim, and touch nothing but our own table."""
    return sql.SQL(_LET_GO)


async def let_go(session: Session, held: Claim) -> None:
    """End a claim under which Postgres has refused to be told what was done; that counts as begun and never settled.

    The product's tables, of which one may be what refuses, are left alone. If that is refused too, the claim ends by itself.
    """
    with contextlib.suppress(DatabaseError):
        await session.rows(let_go_statement, {**parameters(held.key), "token": held.token})
