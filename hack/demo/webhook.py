"""``python -m demo.webhook``: stands for the product's webhook route, over https.

It answers Graph's handshake, and takes a notification as the product does: the row is found by its ``webhook_subscription_id``,
the client state is compared, and the time of the delivery is written down. What it cannot place is dropped.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
import os
import signal
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from aiohttp import web
from psycopg.rows import TupleRow

PATH = "/api/email/webhooks/microsoft"
READY_FILE = "webhook.json"
DATABASE_VARIABLE = "WEBHOOK_DATABASE_URL"

_FIND = """
SELECT c.tenant, c.email_provider_id, p.mailbox, c.webhook_verification_token
FROM microsoft_email_provider_config c
JOIN email_providers p ON p.tenant = c.tenant AND p.id = c.email_provider_id
WHERE c.webhook_subscription_id = %s
FOR UPDATE OF c
"""
_DELIVERED = """
UPDATE microsoft_email_provider_config SET last_webhook_delivery_at = now(), updated_at = now()
WHERE tenant = %s AND email_provider_id = %s
"""
_NOTIFIED = """
UPDATE email_provider_health SET last_notification_received_at = now()
WHERE tenant = %s AND provider_id = %s::text
"""


@dataclass(frozen=True, slots=True)
class Webhook:
    """The route, on the product's database."""

    database_url: str = field(repr=False)

    def application(self) -> web.Application:
        """The server's application."""
        application = web.Application()
        application.router.add_post(PATH, self.receive)
        return application

    async def receive(self, request: web.Request) -> web.Response:
        """A handshake, or notifications. Graph wants the token back as it was sent, and a 2xx within three seconds."""
        token = request.query.get("validationToken")
        if token is not None:
            log(event="handshake", url=str(request.rel_url.with_query({})))
            return web.Response(text=token, content_type="text/plain")
        body = await request.json()
        async with await psycopg.AsyncConnection.connect(self.database_url) as connection:
            for notification in body["value"]:
                await self._take(connection, notification)
        return web.Response(status=202)

    async def _take(self, connection: psycopg.AsyncConnection[TupleRow], notification: dict[str, Any]) -> None:
        subscription = str(notification.get("subscriptionId"))
        found = await (await connection.execute(_FIND, [subscription])).fetchone()
        if found is None:
            log(event="dropped", subscription=subscription, why="no provider knows this subscription")
            return
        tenant, provider, mailbox, expected = found
        if not expected or not hmac.compare_digest(str(notification.get("clientState")), expected):
            log(event="dropped", subscription=subscription, mailbox=mailbox, why="the client state is another one")
            return
        await connection.execute(_DELIVERED, [tenant, provider])
        await connection.execute(_NOTIFIED, [tenant, provider])
        log(event="notification", subscription=subscription, mailbox=mailbox, change=notification.get("changeType"))


def log(**fields: Any) -> None:
    """One line of JSON on standard output."""
    print(json.dumps({"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **fields}), flush=True)


async def serve(webhook: Webhook, state_dir: Path, certificate: Path, key: Path) -> None:
    """Serve on a free port of the loopback interface until SIGTERM; ``webhook.json`` in the folder then says where."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(webhook.application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        url = f"https://localhost:{runner.addresses[0][1]}"
        temporary = state_dir / f"{READY_FILE}.new"
        temporary.write_text(json.dumps({"application_url": url}))
        temporary.replace(state_dir / READY_FILE)
        log(event="listening", url=f"{url}{PATH}")
        await stop.wait()
    finally:
        await runner.cleanup()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m demo.webhook", description="The product's webhook route.")
    for name in ("--state-dir", "--certificate", "--key"):
        parser.add_argument(name, type=Path, required=True)
    options = parser.parse_args()
    webhook = Webhook(os.environ[DATABASE_VARIABLE])
    asyncio.run(serve(webhook, options.state_dir, options.certificate, options.key))


if __name__ == "__main__":
    main()
