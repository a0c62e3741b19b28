"""Discovery: all Microsoft providers, without their secrets, and what became of them behind our back."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import sql

from graphmail.database.credentials import client_state_fingerprint, fingerprint, moment, secret_reference
from graphmail.database.pool import BATCH, Row
from graphmail.database.schema import CONFIG, HEALTH, PROVIDERS, Schema
from graphmail.database.session import Session
from graphmail.provider import Provider, ProviderKey

OVERLAP = timedelta(seconds=10)
"""How far a question for changes reaches back before its `changed_since`: a transaction stamps its rows when it begins, and shows
them when it commits."""


@dataclass(frozen=True, slots=True)
class PeerChange:
    """A subscription id or an expiry on the product's row that is not what we last wrote there: somebody else renews too."""

    key: ProviderKey
    subscription_id: str | None
    expires_at: datetime | None
    recorded_subscription_id: str | None
    """As we last wrote it."""
    recorded_expires_at: datetime | None
    recorded_at: datetime
    """When we last wrote it, by the database's clock."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """The providers that were asked for."""

    providers: tuple[Provider, ...]
    as_of: datetime
    """The database's clock: the next `changed_since`."""
    requested: bool
    """Somebody asks for a renewal by a row of `graphmail.renewal_requests`."""
    peer_changes: Mapping[ProviderKey, PeerChange]
    """Of these providers, those whose subscription somebody else wrote."""


_FOREIGN = """s.recorded_at IS NOT NULL AND (
  nullif(c.webhook_subscription_id, '') IS DISTINCT FROM s.subscription_id OR c.webhook_expires_at IS DISTINCT FROM s.expires_at)"""

# What an outcome of ours wrote last is no change: outcomes stamp the row and our own table with one moment (`recorded_at`).
# `clock` makes one row at least, so that one query tells the time, and of requests, as well. Tenants join everywhere: Citus distributes
# by them.
_PROVIDERS = """
SELECT clock.as_of, f.*, clock.requested
FROM (
  SELECT statement_timestamp() AS as_of,
         EXISTS (SELECT FROM graphmail.renewal_requests WHERE state = 'queued' AND finished_at IS NULL) AS requested
) clock
LEFT JOIN LATERAL (
  SELECT p.tenant::text, p.id::text, p.mailbox, coalesce(p.is_active, false), {pause_reason}, {polling}, c.folder_filters::text,
         nullif(c.webhook_subscription_id, ''), {expires_at}, {fingerprint}, {notified_at}, {updated_at},
         {foreign}, s.subscription_id, s.expires_at, s.recorded_at, {client_state}, nullif({secret_reference}, ''),
         coalesce(c.client_id, ''), coalesce(c.tenant_id, '')
  FROM email_providers p
  LEFT JOIN microsoft_email_provider_config c ON c.tenant = p.tenant AND c.email_provider_id = p.id
  LEFT JOIN graphmail.provider_state s ON s.tenant = p.tenant AND s.provider_id = p.id
  LEFT JOIN (
    SELECT tenant, provider_id, max({health_notified_at}) AS notified_at FROM email_provider_health GROUP BY tenant, provider_id
  ) h ON h.tenant = p.tenant AND h.provider_id = p.id::text
  WHERE p.provider_type = 'microsoft'
    AND ({since} IS NULL OR ({updated_at} >= {since} AND {updated_at} IS DISTINCT FROM s.recorded_at))
) f ON true
"""


def providers_statement(schema: Schema) -> sql.Composed:
    """SQL: all providers, or those that changed since `since`."""
    paused = "CASE WHEN p.inbound_paused_at IS NOT NULL THEN coalesce(p.inbound_pause_reason, 'manual') END"
    delivered = schema.column(CONFIG, "c", "last_webhook_delivery_at", "NULL::timestamptz")
    return sql.SQL(_PROVIDERS).format(
        pause_reason=sql.SQL(paused if schema.has(PROVIDERS, "inbound_paused_at") else "NULL"),
        polling=sql.SQL("coalesce({} = 'polling', false)").format(
            schema.column(CONFIG, "c", "delivery_mode", "NULL::text")
        ),
        expires_at=moment(sql.SQL("c.webhook_expires_at")),
        fingerprint=fingerprint(schema),
        client_state=client_state_fingerprint(),
        secret_reference=secret_reference(schema),
        notified_at=moment(sql.SQL("greatest({}, h.notified_at)").format(delivered)),
        updated_at=sql.SQL("greatest(p.updated_at, c.updated_at)"),
        foreign=sql.SQL(_FOREIGN),
        health_notified_at=moment(schema.column(HEALTH, "email_provider_health", "last_notification_received_at")),
        since=sql.SQL("%(since)s::timestamptz"),
    )


async def providers(session: Session, changed_since: datetime | None) -> Discovery:
    """All Microsoft providers, or those that changed since.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    since = None if changed_since is None else changed_since - OVERLAP
    rows = await session.rows(providers_statement, {"since": since})
    found: list[Provider] = []
    foreign: dict[ProviderKey, PeerChange] = {}
    for number, row in enumerate(rows, start=1):
        if number % BATCH == 0:
            await asyncio.sleep(0)
        if row[1] is None:
            continue  # the clock alone: there is no provider
        provider = _provider(row)
        found.append(provider)
        if row[13]:
            foreign[provider.key] = _peer_change(provider, row)
    return Discovery(providers=tuple(found), as_of=rows[0][0], requested=rows[0][-1], peer_changes=foreign)


def _provider(row: Row) -> Provider:
    (
        _,
        tenant,
        provider_id,
        mailbox,
        active,
        pause_reason,
        polling,
        folders,
        subscription,
        expires,
        mark,
        notified,
        updated,
        *_,
        client_state,
        reference,
        app,
        directory,
        _,
    ) = row
    return Provider(
        key=ProviderKey(tenant, provider_id),
        mailbox=mailbox,
        active=active,
        pause_reason=pause_reason,
        polling=polling,
        folders=folders_of(folders),
        subscription_id=subscription,
        expires_at=expires,
        credential=mark,
        last_notification_at=notified,
        updated_at=updated,
        client_state=client_state,
        secret_reference=reference,
        app=app,
        directory=directory,
    )


def _peer_change(provider: Provider, row: Row) -> PeerChange:
    recorded_id, recorded_expiry, recorded_at = row[14:17]
    return PeerChange(
        key=provider.key,
        subscription_id=provider.subscription_id,
        expires_at=provider.expires_at,
        recorded_subscription_id=recorded_id,
        recorded_expires_at=recorded_expiry,
        recorded_at=recorded_at,
    )


def folders_of(text: str | None) -> tuple[str, ...]:
    """The folders that `folder_filters` names, in order and each once.

    It should be an array of names. Rows are found that hold an object, null, a number, or an array that was encoded twice: what is no
    name is left out, and nothing left means the inbox.
    """
    if text is None or text == "[]":
        return ()
    value = _decode(text)
    if isinstance(value, str):
        value = _decode(value) if value.lstrip().startswith("[") else [value]
    if not isinstance(value, list):
        return ()
    names = (name.strip() for name in value if isinstance(name, str))
    return tuple(dict.fromkeys(name for name in names if name))


def _decode(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


_PEER_CHANGES = """
SELECT p.tenant::text, p.id::text, nullif(c.webhook_subscription_id, ''), {expires_at}, s.subscription_id, s.expires_at, s.recorded_at
FROM graphmail.provider_state s
JOIN email_providers p ON p.tenant = s.tenant AND p.id = s.provider_id
JOIN microsoft_email_provider_config c ON c.tenant = s.tenant AND c.email_provider_id = s.provider_id
WHERE p.provider_type = 'microsoft' AND {foreign}
ORDER BY s.recorded_at DESC
"""


def peer_changes_statement(_: Schema) -> sql.Composed:
    """SQL: the rows whose subscription somebody else wrote."""
    return sql.SQL(_PEER_CHANGES).format(expires_at=moment(sql.SQL("c.webhook_expires_at")), foreign=sql.SQL(_FOREIGN))


async def peer_changes(session: Session) -> list[PeerChange]:
    """Every provider whose subscription id or expiry is not what we last wrote; the latest written first.

    Raises:
        DatabaseError: Postgres could not be asked, or refused.
    """
    rows = await session.rows(peer_changes_statement, {})
    return [PeerChange(ProviderKey(tenant, provider_id), *rest) for tenant, provider_id, *rest in rows]
