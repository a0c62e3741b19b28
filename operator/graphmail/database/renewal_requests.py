"""Renewals that the product's own pages ask for by a row, and what becomes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from psycopg import sql

from graphmail.database.schema import Schema
from graphmail.database.session import Session
from graphmail.provider import ProviderKey

AT_ONCE = 1000
"""Open requests that are read at once, the oldest first; the others follow when these are finished."""


class RequestState(StrEnum):
    """How a request stands."""

    QUEUED = "queued"
    RUNNING = "running"
    """It is asked for at the resource, or waits for Graph's quota."""
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    """Nothing was tried; the message says why."""

    @property
    def final(self) -> bool:
        """Nothing more becomes of it."""
        return self not in {RequestState.QUEUED, RequestState.RUNNING}


@dataclass(frozen=True, slots=True)
class RenewalRequest:
    """A request that is not finished."""

    id: str
    key: ProviderKey
    state: RequestState
    message: str
    answer_to: str | None
    """The value of the resource's annotation that was set for it."""
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """What became of a request."""

    id: str
    state: RequestState
    message: str = ""
    answer_to: str | None = None
    """None: as it is."""
    over: str | None = None
    """With `answer_to`: what it takes the place of. Where another process has written something else there, nothing is written."""
    expires_at: datetime | None = None


_READ = """
SELECT id::text, tenant::text, provider_id::text, state, message, answer_to, requested_at
FROM graphmail.renewal_requests WHERE finished_at IS NULL ORDER BY requested_at LIMIT %(most)s::int
"""
_ADVANCE = """
UPDATE graphmail.renewal_requests r
SET state = p.state, message = p.message, expires_at = p.expires_at, answer_to = coalesce(p.answer_to, r.answer_to),
    started_at = CASE WHEN p.state = 'running' THEN coalesce(r.started_at, statement_timestamp()) ELSE r.started_at END,
    finished_at = CASE WHEN p.state IN ('done', 'failed', 'refused') THEN statement_timestamp() END
FROM unnest(%(ids)s::uuid[], %(states)s::text[], %(messages)s::text[], %(answers)s::text[], %(over)s::text[], %(expiries)s::timestamptz[])
     AS p (id, state, message, answer_to, over, expires_at)
WHERE r.id = p.id AND r.finished_at IS NULL AND (p.answer_to IS NULL OR r.answer_to IS NOT DISTINCT FROM p.over)
RETURNING r.id::text
"""


def read_statement(_: Schema) -> sql.SQL:
    """SQL: the requests that are not finished."""
    return sql.SQL(_READ)


def advance_statement(_: Schema) -> sql.SQL:
    """SQL: what became of some requests; what is finished, or was taken up by another process, stays as it is."""
    return sql.SQL(_ADVANCE)


async def open_requests(session: Session) -> list[RenewalRequest]:
    """The requests that are not finished, the oldest first.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    rows = await session.rows(read_statement, {"most": AT_ONCE})
    return [
        RenewalRequest(name, ProviderKey(tenant, provider), RequestState(state), *rest)
        for name, tenant, provider, state, *rest in rows
    ]


async def advance(session: Session, made: Sequence[Progress]) -> frozenset[str]:
    """Write down what became of these requests, each at most once; the ids of those for which it was written.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    values = {
        "ids": [one.id for one in made],
        "states": [one.state.value for one in made],
        "messages": [one.message.replace("\x00", "") for one in made],
        "answers": [one.answer_to for one in made],
        "over": [one.over for one in made],
        "expiries": [one.expires_at for one in made],
    }
    return frozenset(name for (name,) in await session.rows(advance_statement, values))
