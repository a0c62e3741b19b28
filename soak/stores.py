"""What the three of them say in the end: Graph, the resources, and Postgres."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import psycopg

from graphsim.client import SimulatorControl
from rig.parts import Parts

_ROWS = """
SELECT p.mailbox, lower(c.webhook_subscription_id) FROM email_providers p
JOIN microsoft_email_provider_config c ON c.tenant = p.tenant AND c.email_provider_id = p.id"""


@dataclass(frozen=True, slots=True)
class Reckoning:
    """Where the stores stand."""

    leaked: tuple[str, ...]
    """Subscriptions that live, belong to nobody and are not recorded as abandoned."""
    disagreements: tuple[str, ...]
    """Mailboxes for which Graph, resource and row do not name one and the same subscription; a line each."""


def reckon(parts: Parts, control: SimulatorControl, namespace: str, wanted: Collection[str]) -> Reckoning:
    """Compare.

    Args:
        wanted: addresses of the mailboxes that must be covered.
    """
    graph = _at_graph(control)
    resources = _in_kubernetes(parts, namespace)
    with psycopg.connect(parts.database_url) as connection:
        rows: dict[str, str | None] = dict(connection.execute(_ROWS).fetchall())
        left = connection.execute("SELECT lower(subscription_id) FROM graphmail.abandoned").fetchall()
    owned = {one for held in resources.values() for one in held} | set(rows.values()) | {one for (one,) in left}
    leaked = sorted(one for held in graph.values() for one in held if one not in owned)
    lines = []
    for address in sorted(wanted):
        here, there, row = graph.get(address, set()), resources.get(address, set()), rows.get(address)
        if not (len(here) == 1 and here == there and here == {row}):
            lines.append(f"{address}: Graph {sorted(here)}, resource {sorted(there)}, row {row}")
    return Reckoning(tuple(leaked), tuple(lines))


def _at_graph(control: SimulatorControl) -> dict[str, set[str]]:
    held: dict[str, set[str]] = {}
    for subscription in control.subscriptions():
        held.setdefault(subscription.mailbox, set()).add(subscription.id.lower())
    return held


def _in_kubernetes(parts: Parts, namespace: str) -> dict[str, set[str]]:
    listed: dict[str, Any] = parts.cluster.request("GET", parts.resources_path(namespace), timeout=30.0)
    held: dict[str, set[str]] = {}
    for resource in listed["items"]:
        status = resource.get("status", {})
        ids = {status.get("subscriptionID"), *(row.get("subscriptionID") for row in status.get("subscriptions", []))}
        held.setdefault(resource["spec"]["mailbox"], set()).update(one.lower() for one in ids if one)
    return held
