"""Outcomes: all that is written back after work on a provider, in one statement, if the claim is still ours."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from graphmail.database.claims import CLAIM_TIME, Claim, Refusal, claim, let_go
from graphmail.database.errors import DatabaseError, DatabaseUnavailable
from graphmail.database.keys import parameters
from graphmail.database.outcome_statement import record_statement, record_with_folders_statement
from graphmail.database.session import Session
from graphmail.provider import Credential, Outcome, ProviderKey, RotatedTokens

_NO_LIMIT = 2**31 - 1
_LONGEST_REASON = 2000


class RowFate(StrEnum):
    """What became of the product's row."""

    WRITTEN = "written"
    GONE = "gone"
    """The provider was deleted meanwhile; there was nothing to write to."""
    MOVED_ON = "moved-on"
    """The row names a subscription that is neither the one we knew nor ours, or was renewed since; it was left alone."""


class TokenFate(StrEnum):
    """What became of rotated tokens."""

    NONE = "none"
    STORED = "stored"
    DISCARDED = "discarded"
    """The row's refresh token is no longer the one that ours were fetched with: the row's count."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The outcome was taken, and the claim is given back."""

    key: ProviderKey
    row: RowFate
    tokens: TokenFate = TokenFate.NONE
    status: str | None = None
    """The provider's status as it stands now; None when the row was not written."""


@dataclass(frozen=True, slots=True)
class Fenced:
    """Nothing was written: the claim was taken over, or given back, meanwhile."""

    key: ProviderKey


async def record(
    session: Session, held: Claim, outcome: Outcome, *, credential: Credential | None, settled: bool
) -> Recorded | Fenced:
    """Write the outcome and give the claim back, in one transaction. A claim under which it is refused is given back, too.

    Args:
        session: where to.
        held: the claim under which the work was done.
        outcome: of that work.
        credential: what the work signed in with; without it, what the row holds now is taken for it.
        settled: nothing that was begun under this claim or before is open any more at Graph. False after an answer that was lost.

    Raises:
        DatabaseError: Postgres could not be asked, or refused. After `DatabaseUnavailable` it may have been written: `record_late`
            tells apart.
    """
    return await _write(session, held, outcome, credential=credential, settled=settled, known=outcome.only_over)


async def record_late(
    session: Session, outcome: Outcome, *, holder: str, known_subscription_id: str | None, credential: Credential | None
) -> Recorded | Refusal | Fenced:
    """Write an outcome that could not be written when it came about, if the row still stands as it was known.

    That is: its subscription id is the known one, none, or the outcome's own, and nobody renewed it since. It takes the claim for
    the moment of writing, past the tenant's limit; what was begun and never settled stays so.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    held = await claim(session, outcome.key, holder=holder, action=None, limit=_NO_LIMIT, duration=CLAIM_TIME)
    if isinstance(held, Refusal):
        return held
    known = known_subscription_id or ""
    return await _write(session, held, outcome, credential=credential, settled=False, known=known)


async def _write(
    session: Session, held: Claim, outcome: Outcome, *, credential: Credential | None, settled: bool, known: str | None
) -> Recorded | Fenced:
    values = {
        **parameters(held.key),
        **_outcome(outcome),
        **_tokens(outcome, credential),
        **_folders(outcome),
        "token": held.token,
        "settled": settled,
        "guarded": known is not None,
        "known": known,
    }
    statement = record_statement if outcome.folders is None else record_with_folders_statement
    try:
        [(fenced, exists, written, stored, status)] = await session.rows(statement, values)
    except DatabaseUnavailable:
        raise
    except DatabaseError:
        await let_go(session, held)
        raise
    if not fenced:
        return Fenced(held.key)
    if not written:
        return Recorded(held.key, RowFate.MOVED_ON if exists else RowFate.GONE, _fate(outcome, stored=False))
    return Recorded(held.key, RowFate.WRITTEN, _fate(outcome, stored=stored), status)


def _fate(outcome: Outcome, *, stored: bool) -> TokenFate:
    if outcome.tokens is None:
        return TokenFate.NONE
    return TokenFate.STORED if stored else TokenFate.DISCARDED


def _outcome(outcome: Outcome) -> dict[str, Any]:
    reason = None
    if not outcome.success:
        reason = (outcome.failure_reason or "failed").replace("\x00", "")[:_LONGEST_REASON]
    return {
        "at": outcome.at,
        "success": outcome.success,
        "subscription_id": outcome.subscription_id or None,
        "expires_at": outcome.expires_at,
        "renewed": outcome.renewed,
        "reason": reason,
        "counted": outcome.counted or outcome.success,
        "failures": 0 if outcome.success else outcome.consecutive_failures,
        "provider_error": outcome.provider_error and not outcome.success,
    }


def _folders(outcome: Outcome) -> dict[str, Any]:
    if outcome.folders is None:
        return {}
    return {
        "folders": [row.folder for row in outcome.folders],
        "folder_subscriptions": [row.subscription_id for row in outcome.folders],
        "folder_expiries": [row.expires_at for row in outcome.folders],
    }


def _tokens(outcome: Outcome, credential: Credential | None) -> dict[str, Any]:
    tokens = outcome.tokens
    return {
        "access_token": tokens.access_token if tokens else None,
        "refresh_token": tokens.refresh_token if tokens else None,
        "token_expires_at": tokens.expires_at if tokens else None,
        "replaces": tokens.replaces if tokens else None,
        "used": _refresh_token_used(tokens, credential),
    }


def _refresh_token_used(tokens: RotatedTokens | None, credential: Credential | None) -> str | None:
    """The refresh token that the work began with: the row's, also where an earlier piece of work stored our tokens in it."""
    if tokens is None or (credential is not None and credential.refresh_token == tokens.refresh_token):
        return credential.refresh_token if credential else None
    return tokens.replaces
