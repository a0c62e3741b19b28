"""The notifications of the simulated Graph: of messages, and of the life of subscriptions.

The rules are Graph's: a notification that meets a time-out, a cut connection, 429 or a 5xx is tried again, for about four hours
of simulated time; any other refusal is final. Where an endpoint answers too slowly, notifications of messages to it are dropped
for a while and are gone; its subscriptions are told that they missed some once that is over.
"""

import asyncio
import json
import ssl
from collections import deque
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any

from graphsim.deliveries import Attempt, Delivery, DeliveryState, LifecycleDelivery, Posting
from graphsim.directory import Mailbox, Message
from graphsim.endpoints import Endpoints
from graphsim.lifecycle import LifecycleItem
from graphsim.slowness import EndpointState, SlowEndpoints
from graphsim.subscriptions import Subscription
from graphsim.timestamps import graph_timestamp
from graphsim.world import World

_KEPT_DELIVERIES = 5_000
_MOST_ITEMS = 100


class Notifier:
    """Tells endpoints on behalf of the simulated Graph, and lets the world's agenda run. Open it as an asynchronous context manager."""

    def __init__(self, world: World, trust: ssl.SSLContext) -> None:
        self._world = world
        self._endpoints = Endpoints(world, trust)
        self._tasks: set[asyncio.Task[None]] = set()
        self._pump: asyncio.Task[None] | None = None
        self._lost: dict[str, dict[str, Subscription]] = {}
        self.slow = SlowEndpoints()
        self.deliveries: deque[Delivery] = deque(maxlen=_KEPT_DELIVERIES)
        self.lifecycle: deque[LifecycleDelivery] = deque(maxlen=_KEPT_DELIVERIES)

    async def __aenter__(self) -> "Notifier":
        await self._endpoints.__aenter__()
        self._pump = asyncio.create_task(self._keep_pumping())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        try:
            if self._pump is not None:
                await _ended(self._pump)
        finally:
            await self.forget()
            await self._endpoints.__aexit__()

    async def forget(self) -> None:
        """Give up everything that is under way, and forget all deliveries and what is known of endpoints."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.deliveries.clear()
        self.lifecycle.clear()
        self.slow.clear()
        self._lost.clear()

    async def handshake(self, url: str) -> None:
        """Validate an endpoint as Graph does; raises GraphError 400 that says what was wrong with its answer."""
        await self._endpoints.handshake(url)

    async def announce(self, mailbox: Mailbox, message: Message) -> list[Delivery]:
        """Notify every subscription that a message concerns; answer after the first attempt at each that is not delayed."""
        self._world.settle()
        return await self._notify_all(mailbox, message, self._world.to_be_told(mailbox, message))

    async def send_lifecycle(self, items: Iterable[LifecycleItem]) -> list[LifecycleDelivery]:
        """Send lifecycle items, those of one URL together; answer after the first attempt at each URL."""
        by_url: dict[str, list[LifecycleItem]] = {}
        for item in items:
            by_url.setdefault(item.url, []).append(item)
        made = [
            LifecycleDelivery(url=url, items=tuple(of_url[first : first + _MOST_ITEMS]))
            for url, of_url in by_url.items()
            for first in range(0, len(of_url), _MOST_ITEMS)
        ]
        self.lifecycle.extend(made)
        await asyncio.gather(*(self._send(one, _encoded(item.body() for item in one.items)) for one in made))
        return made

    async def _keep_pumping(self) -> None:
        """Let the world's agenda run as time flows, and send what it puts into the outbox."""
        world = self._world
        while True:
            await world.something_to_do()
            world.settle()
            for notice in world.outbox.take_notices():
                self._start(self._notify_all(notice.mailbox, notice.message, notice.subscriptions))
            if items := world.outbox.take_items():
                self._start(self.send_lifecycle(items))

    async def _notify_all(
        self, mailbox: Mailbox, message: Message, subscriptions: Iterable[Subscription]
    ) -> list[Delivery]:
        if self._world.settings.deliveries == "account":
            self._world.account(mailbox, message, subscriptions)
            return []
        return list(await asyncio.gather(*(self._notify(one, mailbox, message) for one in subscriptions)))

    async def _notify(self, subscription: Subscription, mailbox: Mailbox, message: Message) -> Delivery:
        delivery = Delivery(
            url=subscription.notification_url,
            subscription=subscription,
            mailbox=mailbox.upn,
            message_id=message.id,
            received_at=message.received_at,
        )
        self.deliveries.append(delivery)
        body = _encoded([_change(subscription, message)])
        moment = self._world.delivery_moment(mailbox, message)
        if moment > self._world.clock.now():
            self._start(self._send_later(delivery, body, moment))
        else:
            await self._send(delivery, body)
        return delivery

    async def _send_later(self, posting: Posting, body: bytes, moment: float) -> None:
        await self._world.clock.wait_until(moment)
        await self._send(posting, body)

    async def _send(self, posting: Posting, body: bytes) -> None:
        await self._attempt(posting, body)
        if posting.state == "retrying":
            self._start(self._retry(posting, body))

    async def _retry(self, posting: Posting, body: bytes) -> None:
        for wait in self._world.settings.notification_retry_seconds:
            await self._world.clock.wait_until(posting.attempts[-1].at + wait)
            await self._attempt(posting, body)
            if posting.state != "retrying":
                return
        posting.state = "given-up"

    async def _attempt(self, posting: Posting, body: bytes) -> None:
        if isinstance(posting, Delivery) and self._dropped(posting):
            return
        attempt = await self._endpoints.post(posting.url, body)
        posting.attempts.append(attempt)
        posting.state = _state_after(attempt.status)
        if isinstance(posting, Delivery):
            self._note_answer(posting, attempt)

    def _dropped(self, delivery: Delivery) -> bool:
        endpoint = self.slow.of(delivery.url)
        if self._world.clock.now() >= endpoint.dropping_until:
            return False
        delivery.state = "dropped"
        endpoint.dropped += 1
        lost = self._lost.setdefault(endpoint.endpoint, {})
        lost[delivery.subscription_id] = delivery.subscription
        return True

    def _note_answer(self, delivery: Delivery, attempt: Attempt) -> None:
        world, settings = self._world, self._world.settings
        now = world.clock.now()
        if delivery.state == "delivered":
            world.delivered.note(delivery.subscription, received_at=delivery.received_at, delivered_at=now)
        slow = attempt.timed_out or attempt.milliseconds > settings.slow_answer_seconds * 1_000
        endpoint = self.slow.of(delivery.url)
        if endpoint.note(now, slow=slow, settings=settings):
            world.agenda.add(endpoint.dropping_until, partial(self._tell_of_lost, endpoint))

    def _tell_of_lost(self, endpoint: EndpointState, _at: float) -> None:
        for subscription in self._lost.pop(endpoint.endpoint, {}).values():
            if self._world.subscriptions.get(subscription.id) is subscription:
                self._world.tell(subscription, "missed")

    def _start(self, work: Coroutine[Any, Any, object]) -> None:
        task: asyncio.Task[Any] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _ended(task: asyncio.Task[None]) -> None:
    """End a task; raises what it failed with, if it did."""
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return


def _state_after(status: int | None) -> DeliveryState:
    if status is None or status == 429 or status >= 500:
        return "retrying"
    return "delivered" if 200 <= status < 300 else "refused"


def _encoded(value: Iterable[dict[str, Any]]) -> bytes:
    return json.dumps({"value": list(value)}).encode()


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
