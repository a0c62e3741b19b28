"""Tokens that were fetched without a claim, by a person's check: kept as an outcome's are."""

from psycopg import sql

from graphmail.database.keys import parameters
from graphmail.database.schema import Schema
from graphmail.database.session import Session
from graphmail.provider import ProviderKey, RotatedTokens

_STORE = """
UPDATE microsoft_email_provider_config c
SET access_token = %(access_token)s, token_expires_at = %(expires_at)s, refresh_token = %(refresh_token)s, updated_at = now()
WHERE c.tenant = %(tenant)s AND c.email_provider_id = %(provider)s AND c.refresh_token = %(replaces)s
RETURNING true
"""


def store_statement(_: Schema) -> sql.SQL:
    """SQL: keep the tokens of a refresh, unless the row has another refresh token by now."""
    return sql.SQL(_STORE)


async def store_tokens(session: Session, key: ProviderKey, tokens: RotatedTokens) -> bool:
    """Keep the tokens of a refresh if the row's refresh token is still the one that was read (design, rule 7).

    Returns:
        False: the row has another one by now, which counts, or there is no such row; ours are discarded.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    values = {
        **parameters(key),
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "expires_at": tokens.expires_at,
        "replaces": tokens.replaces,
    }
    return bool(await session.rows(store_statement, values))
