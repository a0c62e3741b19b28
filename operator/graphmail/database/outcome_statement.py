"""The statement that writes an outcome back, written for the generation of the schema that is there."""

from psycopg import sql

from graphmail.database.credentials import consent, digest
from graphmail.database.schema import Schema

# Every part hangs on `fence`, directly or through `config`: no token, no write. All parts see one snapshot, so nothing reads what
# another part wrote except through its RETURNING.
#
# The health table has no unique key, so nothing but order prevents a second row. The claim is that order: whoever writes holds it, and
# gives it back in this very statement, so the next writer's snapshot shows what this one inserted.
_RECORD = """
WITH fence AS (
  UPDATE graphmail.claims c
  SET until = NULL,
      unsettled = CASE WHEN %(settled)s THEN ARRAY[]::text[] ELSE c.unsettled END,
      unsettled_since = CASE WHEN %(settled)s THEN NULL ELSE c.unsettled_since END
  WHERE c.tenant = %(tenant)s AND c.provider_id = %(provider)s AND c.token = %(token)s AND c.until IS NOT NULL
  RETURNING c.token
), before AS (
  SELECT p.{status} AS status, {message} AS message, s.error_message AS our_message, s.status_before,
         s.refused_token, s.consent,
         s.error_message IS NOT NULL AND p.{status} = 'error' AND {ours} AS ours
  FROM email_providers p
  LEFT JOIN graphmail.provider_state s ON s.tenant = p.tenant AND s.provider_id = p.id
  WHERE p.tenant = %(tenant)s AND p.id = %(provider)s
), config AS (
  UPDATE microsoft_email_provider_config c
  SET webhook_subscription_id = %(subscription_id)s,
      webhook_expires_at = %(expires_at)s,
      last_subscription_renewal = CASE WHEN %(renewed)s THEN %(at)s ELSE c.last_subscription_renewal END,
      access_token = CASE WHEN c.refresh_token = %(replaces)s::text THEN %(access_token)s::text ELSE c.access_token END,
      token_expires_at = CASE WHEN c.refresh_token = %(replaces)s::text THEN %(token_expires_at)s::timestamptz ELSE c.token_expires_at END,
      refresh_token = CASE WHEN c.refresh_token = %(replaces)s::text THEN %(refresh_token)s::text ELSE c.refresh_token END,
      updated_at = now()
  FROM fence, before
  WHERE c.tenant = %(tenant)s AND c.email_provider_id = %(provider)s
    AND (NOT %(guarded)s OR (
      coalesce(c.webhook_subscription_id, '') IN ('', %(known)s::text, coalesce(%(subscription_id)s::text, ''))
      AND coalesce(c.last_subscription_renewal <= %(at)s, true)))
  RETURNING coalesce(c.refresh_token = %(refresh_token)s::text AND c.access_token = %(access_token)s::text, false) AS stored,
            c.refresh_token
), provider AS (
  UPDATE email_providers p
  SET {status} = CASE WHEN %(provider_error)s THEN 'error'
                      WHEN before.status_before = 'disconnected' THEN 'disconnected' ELSE 'connected' END,
      {set_message}
      updated_at = now()
  FROM config, before
  WHERE p.tenant = %(tenant)s AND p.id = %(provider)s
    AND CASE WHEN %(provider_error)s THEN before.ours OR p.{status} IS DISTINCT FROM 'error'
             ELSE %(success)s AND %(subscription_id)s::text IS NOT NULL AND before.ours AND p.{status} = 'error' AND {still_ours} END
  RETURNING p.{status} AS status
), remembered AS (
  INSERT INTO graphmail.provider_state AS s (tenant, provider_id, subscription_id, expires_at, recorded_at, error_message, status_before,
                                             refused_token, consent)
  SELECT %(tenant)s, %(provider)s, %(subscription_id)s, %(expires_at)s::timestamptz, now(),
         CASE WHEN provider.status = 'error' THEN %(reason)s::text
              WHEN %(success)s AND %(subscription_id)s::text IS NOT NULL THEN NULL ELSE before.our_message END,
         CASE WHEN before.ours THEN before.status_before WHEN provider.status = 'error' THEN before.status END,
         CASE WHEN %(provider_error)s THEN {refused} END,
         {consent}
  FROM config CROSS JOIN before LEFT JOIN provider ON true
  ON CONFLICT (tenant, provider_id) DO UPDATE
  SET subscription_id = excluded.subscription_id, expires_at = excluded.expires_at, recorded_at = excluded.recorded_at,
      error_message = excluded.error_message, status_before = excluded.status_before,
      refused_token = excluded.refused_token, consent = excluded.consent
), health AS (
  UPDATE email_provider_health h
  SET {health_values},
      success_count = coalesce(h.success_count, 0) + CASE WHEN %(success)s THEN 1 ELSE 0 END,
      failure_count = coalesce(h.failure_count, 0) + CASE WHEN %(success)s OR NOT %(counted)s THEN 0 ELSE 1 END,
      last_success_at = CASE WHEN %(success)s THEN %(at)s ELSE h.last_success_at END,
      last_failure_at = CASE WHEN %(success)s THEN h.last_failure_at ELSE %(at)s END
  FROM config
  WHERE h.tenant = %(tenant)s AND h.provider_id = %(provider)s::text
), first_health AS (
  INSERT INTO email_provider_health (tenant, provider_id, provider_type, {health_columns},
                                     success_count, failure_count, last_success_at, last_failure_at, created_at)
  SELECT %(tenant)s, %(provider)s::text, 'microsoft', {health_inserted},
         CASE WHEN %(success)s THEN 1 ELSE 0 END, CASE WHEN %(success)s OR NOT %(counted)s THEN 0 ELSE 1 END,
         CASE WHEN %(success)s THEN %(at)s END, CASE WHEN %(success)s THEN NULL ELSE %(at)s END, now()
  FROM config
  WHERE NOT EXISTS (SELECT FROM email_provider_health h WHERE h.tenant = %(tenant)s AND h.provider_id = %(provider)s::text)
){legacy}{folders}
SELECT EXISTS (SELECT FROM fence), EXISTS (SELECT FROM before), EXISTS (SELECT FROM config),
       coalesce((SELECT stored FROM config), false), coalesce((SELECT status FROM provider), (SELECT status FROM before))
"""

_HEALTH = {
    "is_healthy": "%(success)s OR NOT %(counted)s",
    "subscription_status": "CASE WHEN %(counted)s AND NOT %(success)s THEN 'error' "
    "WHEN %(subscription_id)s::text IS NOT NULL THEN 'healthy' END",
    "subscription_expires_at": "%(expires_at)s::timestamptz",
    "last_renewal_attempt_at": "%(at)s::timestamptz",
    "last_renewal_result": "CASE WHEN %(success)s THEN 'success' ELSE 'failure' END",
    "failure_reason": "%(reason)s::text",
    "consecutive_failures": "%(failures)s::int",
    "last_health_check_at": "%(at)s::timestamptz",
    "updated_at": "now()",
}

_KEPT = {
    "is_healthy": "CASE WHEN %(counted)s THEN %(success)s ELSE h.is_healthy END",
    "subscription_status": "CASE WHEN CASE WHEN %(counted)s THEN %(success)s ELSE coalesce(h.is_healthy, true) END = false THEN 'error' "
    "WHEN %(subscription_id)s::text IS NOT NULL THEN 'healthy' END",
}
"""What a failure that does not count leaves as it is in a row that is there; claims said `renewing` meanwhile."""

# The older table takes no `configuring`; that one status leaves it alone.
_LEGACY = """, legacy AS (
  UPDATE email_provider_configs l
  SET webhook_subscription_id = %(subscription_id)s,
      webhook_expires_at = %(expires_at)s,
      last_subscription_renewal = CASE WHEN %(renewed)s THEN %(at)s ELSE l.last_subscription_renewal END,
      connection_status = CASE WHEN now_is.status IN ('connected', 'disconnected', 'error') THEN now_is.status ELSE l.connection_status END,
      connection_error_message = CASE WHEN %(provider_error)s THEN %(reason)s
                                      WHEN now_is.status = 'error' THEN l.connection_error_message END,
      updated_at = now()
  FROM (SELECT coalesce(provider.status, before.status) AS status
        FROM config CROSS JOIN before LEFT JOIN provider ON true) now_is
  WHERE l.tenant = %(tenant)s AND l.id = %(provider)s
)"""


_FOLDERS = """, folders AS (
  INSERT INTO graphmail.folder_subscriptions (tenant, provider_id, folder, subscription_id, expires_at, recorded_at)
  SELECT %(tenant)s, %(provider)s, held.folder, held.subscription_id, held.expires_at, statement_timestamp()
  FROM config, unnest(%(folders)s::text[], %(folder_subscriptions)s::text[], %(folder_expiries)s::timestamptz[])
               AS held (folder, subscription_id, expires_at)
  ON CONFLICT (tenant, provider_id, folder) DO UPDATE
  SET subscription_id = excluded.subscription_id, expires_at = excluded.expires_at, recorded_at = excluded.recorded_at
), given_up AS (
  UPDATE graphmail.folder_subscriptions f
  SET subscription_id = NULL, expires_at = NULL, recorded_at = statement_timestamp()
  FROM config
  WHERE f.tenant = %(tenant)s AND f.provider_id = %(provider)s AND f.subscription_id IS NOT NULL
    AND f.folder <> ALL (%(folders)s::text[])
)"""


def record_statement(schema: Schema) -> sql.Composed:
    """SQL: the whole write-back. One row: fenced in, row exists, row written, tokens stored, status."""
    return _composed(schema, folders="")


def record_with_folders_statement(schema: Schema) -> sql.Composed:
    """SQL: the same, with the subscriptions of all folders."""
    return _composed(schema, folders=_FOLDERS)


def _composed(schema: Schema, *, folders: str) -> sql.Composed:
    status = sql.Identifier(schema.status_column)
    message = (
        sql.SQL("p.{}").format(sql.Identifier(schema.message_column))
        if schema.message_column
        else sql.SQL("NULL::text")
    )
    used = sql.SQL("coalesce(%(used)s::text, config.refresh_token)")
    standing = sql.SQL("CASE WHEN config.stored THEN config.refresh_token ELSE {} END").format(used)
    return sql.SQL(_RECORD).format(
        status=status,
        message=message,
        ours=sql.SQL("{} = s.error_message").format(message) if schema.message_column else sql.SQL("true"),
        still_ours=sql.SQL("{} = before.our_message").format(message) if schema.message_column else sql.SQL("true"),
        set_message=_set_message(schema),
        refused=digest(standing),
        consent=consent(used, "before"),
        health_values=sql.SQL(", ").join(sql.SQL(f"{name} = {value}") for name, value in (_HEALTH | _KEPT).items()),
        health_columns=sql.SQL(", ").join(sql.Identifier(name) for name in _HEALTH),
        health_inserted=sql.SQL(", ").join(sql.SQL(value) for value in _HEALTH.values()),
        legacy=sql.SQL(_LEGACY if schema.legacy else ""),
        folders=sql.SQL(folders),
    )


def _set_message(schema: Schema) -> sql.Composable:
    if schema.message_column is None:
        return sql.SQL("")
    return sql.SQL("{} = CASE WHEN %(provider_error)s THEN %(reason)s END,").format(
        sql.Identifier(schema.message_column)
    )
