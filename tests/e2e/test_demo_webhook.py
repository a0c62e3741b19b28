"""The webhook that stands for the product's route: what it takes, and what it drops."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from demo.webhook import PATH, Webhook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


Client = TestClient[web.Request, web.Application]
TENANT, PROVIDER = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))


@pytest.fixture
async def client(product_database_url: str) -> AsyncIterator[Client]:
    """The route, on a database with one provider that knows the subscription `ours`."""
    with psycopg.connect(product_database_url) as connection:
        connection.execute("INSERT INTO tenants (tenant, client_name, email) VALUES (%s, 'Contoso', 'it')", [TENANT])
        connection.execute(
            "INSERT INTO email_providers (id, tenant, provider_type, provider_name, mailbox) VALUES (%s, %s, 'microsoft', 'A', 'a')",
            [PROVIDER, TENANT],
        )
        connection.execute(
            "INSERT INTO microsoft_email_provider_config (email_provider_id, tenant, client_id, client_secret, tenant_id, redirect_uri,"
            " webhook_subscription_id, webhook_verification_token) VALUES (%s, %s, '', '', '', '', 'ours', 'expected')",
            [PROVIDER, TENANT],
        )
        connection.execute(
            "INSERT INTO email_provider_health (tenant, provider_id, provider_type) VALUES (%s, %s, 'microsoft')",
            [TENANT, PROVIDER],
        )
    async with TestClient(TestServer(Webhook(product_database_url).application())) as client:
        yield client


def delivered(database_url: str) -> bool:
    with psycopg.connect(database_url) as connection:
        [row] = connection.execute(
            "SELECT c.last_webhook_delivery_at IS NOT NULL, h.last_notification_received_at IS NOT NULL "
            "FROM microsoft_email_provider_config c JOIN email_provider_health h ON h.provider_id = c.email_provider_id::text"
        ).fetchall()
    assert row[0] == row[1]
    return bool(row[0])


async def post(client: Client, **notification: Any) -> int:
    return (await client.post(PATH, json={"value": [notification]})).status


async def test_a_handshake_gets_its_token_back_as_plain_text(client: Client) -> None:
    answer = await client.post(PATH, params={"validationToken": "Validation: 1 + 1 & <2>", "gms": "a.b.c"})
    assert (answer.status, answer.content_type) == (200, "text/plain")
    assert await answer.text() == "Validation: 1 + 1 & <2>"


async def test_a_notification_of_a_known_subscription_is_written_down(
    client: Client, product_database_url: str
) -> None:
    assert await post(client, subscriptionId="ours", clientState="expected") == 202
    assert delivered(product_database_url)


@pytest.mark.parametrize(
    "notification",
    [
        {"subscriptionId": "foreign", "clientState": "expected"},
        {"subscriptionId": "ours", "clientState": "forged"},
        {"subscriptionId": "ours"},
        {},
    ],
    ids=["of an unknown subscription", "with another client state", "without a client state", "without anything"],
)
async def test_a_notification_that_cannot_be_placed_is_dropped(
    client: Client, product_database_url: str, notification: dict[str, str]
) -> None:
    assert await post(client, **notification) == 202
    assert not delivered(product_database_url)
