"""Calls from the simulated Graph to the endpoints of its clients: the validation handshake and the notifications.

Both are made for real over HTTP(S). The rules are Graph's: the handshake must be answered within ten seconds with 200,
`text/plain` and the token as it was before it was encoded; redirects are not followed; a notification that meets a
time-out, a cut connection, 429 or a 5xx is tried again, for about four hours of simulated time.
"""

import asyncio
import contextlib
import json
import ssl
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote_plus, urlsplit

import aiohttp
from yarl import URL

from graphsim.directory import Mailbox, Message
from graphsim.graph_answers import GRAPH_ANSWERS
from graphsim.subscriptions import WHOLE_MAILBOX, Subscription
from graphsim.timestamps import graph_timestamp
from graphsim.world import World

DeliveryState = Literal["delivered", "retrying", "refused", "given-up"]
_KEPT_DELIVERIES = 5_000
_LONGEST_TOKEN = 4_096


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST of a notification: the simulated moment, the HTTP status (None: no answer came) and what went wrong."""

    at: float
    status: int | None
    error: str
    milliseconds: float


@dataclass(slots=True)
class Delivery:
    """One notification to one endpoint, and every attempt to deliver it."""

    subscription_id: str
    user_id: str
    mailbox: str
    url: str
    message_id: str
    state: DeliveryState = "retrying"
    attempts: list[Attempt] = field(default_factory=list)


class Notifier:
    """Calls endpoints on behalf of the simulated Graph. Open it as an asynchronous context manager."""

    def __init__(self, world: World, trust: ssl.SSLContext) -> None:
        self._world = world
        self._trust = trust
        self._session: aiohttp.ClientSession | None = None
        self._retries: set[asyncio.Task[None]] = set()
        self.deliveries: deque[Delivery] = deque(maxlen=_KEPT_DELIVERIES)

    async def __aenter__(self) -> "Notifier":
        connector = aiohttp.TCPConnector(ssl=self._trust, limit=64)
        self._session = aiohttp.ClientSession(connector=connector, headers={"User-Agent": "graphsim"})
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.forget()
        if self._session is not None:
            await self._session.close()

    async def forget(self) -> None:
        """Give up every pending retry and forget all deliveries."""
        tasks = list(self._retries)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.deliveries.clear()

    async def handshake(self, url: str) -> None:
        """Validate an endpoint as Graph does; raises GraphError 400 that says what was wrong with its answer."""
        settings = self._world.settings
        if not settings.handshake:
            return
        token = f"Validation: Testing client application reachability. Request-Id: {self._world.randomness.guid()}"
        target = URL(f"{url}{'&' if '?' in url else '?'}validationToken={quote_plus(token)}", encoded=True)
        try:
            async with asyncio.timeout(settings.handshake_limit_seconds):
                status, content_type, text = await self._validate(target)
        except TimeoutError:
            raise GRAPH_ANSWERS["endpoint-timed-out"].error() from None
        except aiohttp.ClientConnectorDNSError:
            raise GRAPH_ANSWERS["endpoint-unresolved"].error(host=urlsplit(url).hostname) from None
        except (aiohttp.ClientError, OSError):
            raise GRAPH_ANSWERS["endpoint-validation-failed"].error() from None
        _judge_handshake(status, content_type, text, token)

    async def announce(self, mailbox: Mailbox, message: Message) -> list[Delivery]:
        """Notify every subscription that a message concerns; answer after the first attempt at each."""
        self._world.settle()
        concerned = [
            subscription
            for subscription in self._world.subscriptions.of_mailbox(mailbox.user_id)
            if subscription.delivers
            and "created" in subscription.change_types
            and subscription.folder in {WHOLE_MAILBOX, message.folder_id}
        ]
        return list(await asyncio.gather(*(self._notify(one, mailbox, message) for one in concerned)))

    async def _notify(self, subscription: Subscription, mailbox: Mailbox, message: Message) -> Delivery:
        delivery = Delivery(subscription.id, mailbox.user_id, mailbox.upn, subscription.notification_url, message.id)
        self.deliveries.append(delivery)
        body = json.dumps({"value": [_change(subscription, message)]}).encode()
        await self._attempt(delivery, body)
        if delivery.state == "retrying":
            task = asyncio.create_task(self._retry(delivery, body))
            self._retries.add(task)
            task.add_done_callback(self._retries.discard)
        return delivery

    async def _retry(self, delivery: Delivery, body: bytes) -> None:
        for wait in self._world.settings.notification_retry_seconds:
            await self._world.clock.wait_until(delivery.attempts[-1].at + wait)
            await self._attempt(delivery, body)
            if delivery.state != "retrying":
                return
        delivery.state = "given-up"

    async def _attempt(self, delivery: Delivery, body: bytes) -> None:
        at, started = self._world.clock.now(), time.perf_counter()
        status, error = None, ""
        try:
            async with asyncio.timeout(self._world.settings.notification_limit_seconds):
                status = await self._post(delivery.url, body)
        except TimeoutError:
            error = "timed out"
        except (aiohttp.ClientError, OSError) as failure:
            error = type(failure).__name__
        delivery.attempts.append(Attempt(at, status, error, (time.perf_counter() - started) * 1_000))
        delivery.state = _state_after(status)

    async def _validate(self, target: URL) -> tuple[int, str, str]:
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        async with self._client().post(target, data=b"", headers=headers, allow_redirects=False) as answer:
            raw = await answer.content.read(_LONGEST_TOKEN)
            return answer.status, answer.content_type, raw.decode(errors="replace")

    async def _post(self, url: str, body: bytes) -> int:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        target = URL(url, encoded=True)
        async with self._client().post(target, data=body, headers=headers, allow_redirects=False) as answer:
            with contextlib.suppress(aiohttp.ClientError):
                await answer.read()
            return answer.status

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the notifier is not open: use it as an asynchronous context manager")
        return self._session


def _judge_handshake(status: int, content_type: str, text: str, token: str) -> None:
    if status != 200 or content_type != "text/plain":
        raise GRAPH_ANSWERS["endpoint-validation-failed"].error()
    if text != token:
        raise GRAPH_ANSWERS["endpoint-wrong-token"].error()


def _state_after(status: int | None) -> DeliveryState:
    if status is None or status == 429 or status >= 500:
        return "retrying"
    return "delivered" if 200 <= status < 300 else "refused"


def _change(subscription: Subscription, message: Message) -> dict[str, Any]:
    resource = f"Users/{subscription.user_id}/Messages/{message.id}"
    return {
        "subscriptionId": subscription.id,
        "subscriptionExpirationDateTime": graph_timestamp(subscription.expires_at),
        "changeType": "created",
        "resource": resource,
        "resourceData": {
            "@odata.type": "#Microsoft.Graph.Message",
            "@odata.id": resource,
            "@odata.etag": f'W/"{message.id[-12:]}"',
            "id": message.id,
        },
        "clientState": subscription.client_state,
        "tenantId": subscription.tenant_id,
    }
