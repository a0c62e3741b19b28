"""What can be seen of each provider, in Kubernetes, in Postgres and at the simulated Graph, gathered at one moment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from demo.provider import Provider
from demo.scenario import PROVIDERS
from graphmail.resource import GraphMailSubscription

if TYPE_CHECKING:
    from demo.stack import Stack
    from graphsim.client import SimulatorControl
    from graphsim.control_models import CoverageView, SubscriptionView

_ROWS = """
SELECT p.id::text, p.status, p.error_message, c.webhook_subscription_id, c.webhook_expires_at, c.last_subscription_renewal,
       c.refresh_token, c.token_expires_at, c.delivery_mode, c.last_webhook_delivery_at,
       l.webhook_subscription_id AS legacy_subscription_id,
       l.id IS NOT NULL AS has_legacy
FROM email_providers p
JOIN microsoft_email_provider_config c ON c.tenant = p.tenant AND c.email_provider_id = p.id
LEFT JOIN email_provider_configs l ON l.tenant = p.tenant AND l.id = p.id
"""
_HEALTH = """
SELECT h.provider_id, p.mailbox, h.subscription_status, h.subscription_expires_at, h.last_renewal_result, h.failure_reason,
       h.consecutive_failures, h.success_count, h.failure_count, h.last_notification_received_at
FROM email_provider_health h JOIN email_providers p ON p.tenant = h.tenant AND p.id::text = h.provider_id
ORDER BY p.mailbox, h.id
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """One provider, as it stands everywhere."""

    resource: GraphMailSubscription | None
    events: tuple[str, ...]
    """Reasons of the events about it."""
    row: dict[str, Any]
    health: tuple[dict[str, Any], ...]
    at_graph: tuple[SubscriptionView, ...]
    """Live subscriptions of its mailbox, made by its tenant's app."""
    coverage: CoverageView
    calls: int
    """Calls of Graph and of sign-in about its mailbox."""


def resources(stack: Stack) -> dict[str, GraphMailSubscription]:
    """All resources by name."""
    listed = json.loads(stack.kubectl("get", "graphmailsubscriptions", "-o", "json"))
    parsed = [GraphMailSubscription.parse(item) for item in listed["items"]]
    return {resource.metadata.name: resource for resource in parsed}


def rows(database_url: str) -> dict[str, dict[str, Any]]:
    """The product's row of each provider, by its id."""
    return {row["id"]: row for row in _query(database_url, _ROWS)}


def health(database_url: str) -> list[dict[str, Any]]:
    """All rows of health."""
    return _query(database_url, _HEALTH)


def observe(stack: Stack) -> dict[str, Seen]:
    """Everything about every provider, by its id. Raises LocalStackError, ControlError or psycopg.Error when a part is away."""
    by_name, events = resources(stack), _events(stack)
    configs, conditions = rows(stack.database_url), health(stack.database_url)
    with stack.control() as control:
        return {
            provider.id: Seen(
                resource=by_name.get(provider.resource),
                events=tuple(events.get(provider.resource, ())),
                row=configs[provider.id],
                health=tuple(row for row in conditions if row["provider_id"] == provider.id),
                at_graph=tuple(
                    control.subscriptions(mailbox=provider.mailbox, client_id=provider.tenant.client_id),
                ),
                coverage=control.coverage(mailbox=provider.mailbox)[0],
                calls=_calls(control, provider),
            )
            for provider in PROVIDERS
        }


def _calls(control: SimulatorControl, provider: Provider) -> int:
    return control.requests(mailbox=provider.mailbox, limit=0).matching


def _events(stack: Stack) -> dict[str, list[str]]:
    listed = json.loads(stack.kubectl("get", "events", "-o", "json"))
    reasons: dict[str, list[str]] = {}
    for item in listed["items"]:
        reasons.setdefault(item["involvedObject"]["name"], []).append(item["reason"])
    return reasons


def _query(database_url: str, statement: str) -> list[dict[str, Any]]:
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        return connection.execute(statement.encode()).fetchall()
