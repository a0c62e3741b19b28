"""Credentials: their fingerprint, which anybody may see, and themselves, for the one piece of work that needs them."""

from psycopg import sql

from graphmail.database.keys import parameters
from graphmail.database.pool import Row
from graphmail.database.schema import CONFIG, Schema
from graphmail.database.session import Session
from graphmail.provider import CLIENT_STATE_DIGITS, Credential, ProviderKey, ProviderState

# A provider cannot sign in while it has neither a user's token nor a directory of its own; the same rule as `Credential.kind`.
# Postgres cannot know what stands in the file that a reference names: it counts as a secret here.
_KIND = """CASE
  WHEN coalesce(c.refresh_token, '') <> '' OR coalesce(c.access_token, '') <> '' THEN 'delegated'
  WHEN (coalesce(c.client_secret, '') <> '' OR coalesce({secret_reference}, '') <> '')
    AND c.tenant_id NOT IN ('', 'common', 'organizations', 'consumers') THEN 'app-only'
END"""

_FINGERPRINT = "CASE WHEN {kind} IS NULL THEN '' ELSE {digest} END"
_MARKED = "concat_ws(chr(31), {kind}, c.client_id, c.client_secret, {secret_reference}, c.tenant_id, {consent})"
_CLIENT_STATE_MARK = "CASE WHEN c.webhook_verification_token <> '' THEN {digest} ELSE '' END"

_CONSENT = """CASE WHEN {state}.refused_token <> {digest} THEN {digest} ELSE coalesce({state}.consent, '') END"""


def digest(token: sql.Composable) -> sql.Composed:
    """SQL: a short digest of a refresh token, '' for none."""
    return sql.SQL("coalesce({}, '')").format(_short_hash(token, 16))


def _short_hash(text: sql.Composable, digits: int) -> sql.Composed:
    """SQL: so many hexadecimal digits of a text's hash, NULL for none."""
    return sql.SQL("left(encode(sha256(convert_to({}, 'UTF8')), 'hex'), {})").format(text, sql.Literal(digits))


def consent(token: sql.Composable, state: str) -> sql.Composed:
    """SQL: which consent of a user counts, given the refresh token and the alias of `graphmail.provider_state`.

    A refresh token is replaced at every use, by us and by the product, hourly; none of that is a change of the credential. It
    becomes one when the token before it was refused for good: then somebody has consented anew. From there on that consent counts.
    """
    return sql.SQL(_CONSENT).format(digest=digest(token), state=sql.Identifier(state))


def fingerprint(schema: Schema) -> sql.Composed:
    """SQL: the fingerprint of the credential in `microsoft_email_provider_config c`, given `graphmail.provider_state s`.

    Twelve hexadecimal digits; '' while the row cannot sign in. One expression for discovery and for the credential itself, so that
    both always agree. Computed at the server: no secret leaves it for this.
    """
    reference = secret_reference(schema)
    kind = sql.SQL(_KIND).format(secret_reference=reference)
    marked = sql.SQL(_MARKED).format(
        kind=kind, secret_reference=reference, consent=consent(sql.SQL("c.refresh_token"), "s")
    )
    return sql.SQL(_FINGERPRINT).format(kind=kind, digest=_short_hash(marked, 12))


def client_state_fingerprint() -> sql.Composed:
    """SQL: the same as `graphmail.provider.client_state_fingerprint`; '' for none."""
    marked = sql.SQL("'client-state' || chr(31) || c.webhook_verification_token")
    return sql.SQL(_CLIENT_STATE_MARK).format(digest=_short_hash(marked, CLIENT_STATE_DIGITS))


def secret_reference(schema: Schema) -> sql.Composable:
    """SQL: the name under which the app's secret stands elsewhere, given `microsoft_email_provider_config c`."""
    return schema.column(CONFIG, "c", "client_secret_ref", "NULL::text")


def moment(expression: sql.Composable) -> sql.Composed:
    """SQL: a timestamp that Python can hold, NULL for any other, such as `infinity`: one odd row must not hide the rest."""
    return sql.SQL("CASE WHEN {0} BETWEEN '0002-01-01' AND '9998-12-31' THEN {0}::timestamptz END").format(expression)


_STATE = """
SELECT p.mailbox, coalesce(p.is_active, false), coalesce(c.tenant_id, ''), coalesce(c.client_id, ''), {fingerprint},
       nullif(c.client_secret, ''), nullif(c.refresh_token, ''), nullif(c.access_token, ''), {token_expires_at},
       nullif(c.webhook_verification_token, ''), nullif(c.webhook_subscription_id, ''), {expires_at}, nullif({secret_reference}, ''),
       (SELECT jsonb_object_agg(f.folder, f.subscription_id) FROM graphmail.folder_subscriptions f
        WHERE f.tenant = %(tenant)s AND f.provider_id = %(provider)s AND f.subscription_id IS NOT NULL)
FROM email_providers p
LEFT JOIN microsoft_email_provider_config c ON c.tenant = p.tenant AND c.email_provider_id = p.id
LEFT JOIN graphmail.provider_state s ON s.tenant = p.tenant AND s.provider_id = p.id
WHERE p.tenant = %(tenant)s AND p.id = %(provider)s AND p.provider_type = 'microsoft'
"""


def state_statement(schema: Schema) -> sql.Composed:
    """SQL: one provider with its credential."""
    return sql.SQL(_STATE).format(
        fingerprint=fingerprint(schema),
        token_expires_at=moment(sql.SQL("c.token_expires_at")),
        expires_at=moment(sql.SQL("c.webhook_expires_at")),
        secret_reference=secret_reference(schema),
    )


async def provider_state(session: Session, key: ProviderKey) -> ProviderState | None:
    """The provider's row as it stands now, with its credential; None when there is no such row.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    return state_from(key, await session.rows(state_statement, parameters(key)))


def state_from(key: ProviderKey, rows: list[Row]) -> ProviderState | None:
    """What the rows of `state_statement` say: one, or none."""
    if not rows:
        return None
    [
        (
            mailbox,
            active,
            directory,
            client_id,
            mark,
            secret,
            refresh,
            access,
            access_until,
            client_state,
            subscription,
            expires,
            reference,
            folders,
        )
    ] = rows
    credential = Credential(
        owner=str(key),
        directory=directory,
        client_id=client_id,
        fingerprint=mark,
        client_secret=secret,
        refresh_token=refresh,
        access_token=access,
        access_token_expires_at=access_until,
        user=mailbox,
    )
    return ProviderState(
        key=key,
        mailbox=mailbox,
        active=active,
        credential=credential,
        client_state=client_state,
        subscription_id=subscription,
        expires_at=expires,
        secret_reference=reference,
        folders=folders or {},
    )


_CLIENT_STATE = """
WITH filled AS (
  UPDATE microsoft_email_provider_config c SET webhook_verification_token = %(generated)s, updated_at = now()
  WHERE c.tenant = %(tenant)s AND c.email_provider_id = %(provider)s AND coalesce(c.webhook_verification_token, '') = ''
  RETURNING c.webhook_verification_token
)
SELECT webhook_verification_token FROM filled
UNION ALL
SELECT c.webhook_verification_token FROM microsoft_email_provider_config c
WHERE c.tenant = %(tenant)s AND c.email_provider_id = %(provider)s AND c.webhook_verification_token <> ''
"""


def client_state_statement(_: Schema) -> sql.SQL:
    """SQL: give the row a client state if it has none, and tell which one stands."""
    return sql.SQL(_CLIENT_STATE)


async def ensure_client_state(session: Session, key: ProviderKey, generated: str) -> str | None:
    """The row's `webhook_verification_token`; `generated` becomes it if there was none. None when there is no such row.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    # Whoever fills it at the same moment makes our update miss, while our snapshot still shows it empty: then look once more.
    for _ in range(2):
        rows = await session.rows(client_state_statement, {**parameters(key), "generated": generated})
        if rows:
            return str(rows[0][0])
    return None
