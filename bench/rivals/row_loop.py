"""``python -m rivals.row_loop ROWS``: a loop over the rows, one after the other, as the product renews without an operator.

For each row it lists the subscriptions, asks for the newest message, extends the subscription by 60 hours, and writes the row. It is
favoured where it can be: five statements a row, where the product has 17, and connections that are kept.
"""

import argparse
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
from psycopg.rows import DictRow, dict_row

LIFETIME = timedelta(hours=60)

_DUE = """
SELECT p.tenant, p.id, c.access_token, c.webhook_subscription_id
FROM email_providers p JOIN microsoft_email_provider_config c ON c.tenant = p.tenant AND c.email_provider_id = p.id
WHERE p.provider_type = 'microsoft' AND p.is_active AND c.webhook_expires_at < now() + interval '24 hours'
ORDER BY c.webhook_expires_at LIMIT %s
"""
_RECORD = (
    """UPDATE email_provider_health SET subscription_status = 'renewing', updated_at = now()
       WHERE tenant = %(tenant)s AND provider_id = %(id)s::text""",
    """UPDATE microsoft_email_provider_config
       SET webhook_expires_at = %(expires_at)s, last_subscription_renewal = now(), updated_at = now()
       WHERE tenant = %(tenant)s AND email_provider_id = %(id)s""",
    "UPDATE email_providers SET status = 'connected', updated_at = now() WHERE tenant = %(tenant)s AND id = %(id)s",
    """UPDATE email_provider_health
       SET subscription_status = 'healthy', last_renewal_attempt_at = now(), last_renewal_result = 'success', updated_at = now()
       WHERE tenant = %(tenant)s AND provider_id = %(id)s::text""",
)


def main() -> None:
    """Renew so many rows, then end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int)
    limit = parser.parse_args().rows
    with (
        psycopg.connect(os.environ["GRAPHMAIL_DATABASE_URL"], autocommit=True, row_factory=dict_row) as connection,
        httpx.Client(base_url=os.environ["MICROSOFT_GRAPH_BASE_URL"], timeout=60) as graph,
    ):
        for row in _due(connection, limit):
            _renew(connection, graph, row)


def _due(connection: psycopg.Connection[DictRow], limit: int) -> Iterator[DictRow]:
    yield from connection.execute(_DUE, [limit]).fetchall()


def _renew(connection: psycopg.Connection[DictRow], graph: httpx.Client, row: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {row['access_token']}"}
    listed = graph.get("/subscriptions", headers=headers).raise_for_status().json()["value"]
    if row["webhook_subscription_id"] not in {found["id"] for found in listed}:
        raise RuntimeError("Graph does not list the subscription of the row")
    newest: dict[str, str | int] = {"$top": 1, "$orderby": "receivedDateTime desc", "$select": "id"}
    graph.get("/me/mailFolders/inbox/messages", params=newest, headers=headers).raise_for_status()
    body = {"expirationDateTime": (datetime.now(UTC) + LIFETIME).isoformat()}
    answer = graph.patch(f"/subscriptions/{row['webhook_subscription_id']}", json=body, headers=headers)
    granted = answer.raise_for_status().json()["expirationDateTime"]
    for statement in _RECORD:
        connection.execute(statement, {"tenant": row["tenant"], "id": row["id"], "expires_at": granted})


if __name__ == "__main__":
    main()
