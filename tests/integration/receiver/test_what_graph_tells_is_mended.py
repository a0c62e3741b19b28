"""What Graph itself tells of a subscription, on its whole way: the simulator posts it, a receiver takes it, an operator mends it.

Nothing else could mend it here: there is no verification, no renewal is due, nobody looks for silent mailboxes, and no timer ticks for an
hour, far longer than a test waits for anything. How long each takes is printed, and decides nothing: docs/receiver.md has it.
"""

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from graphmail.resource.names import ANNOTATION_CLIENT_STATE
from support.happened import Listener, listening
from support.receiving import Ingress
from support.reception import receiver, switched_on
from support.stage import LIVE_HOURS, Row, Running, Stage, condition_reason, condition_status
from support.waiting import eventually

UNASKED = {
    "GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES": "0",
    "GRAPHMAIL_SILENCE_CHECK": "false",
    "GRAPHMAIL_TICK_SECONDS": "3600",
}
SOON = {"GRAPHMAIL_MIRROR_COMPARE_SECONDS": "5", "GRAPHMAIL_MIRROR_POLL_SECONDS": "4"}
"""The mirror looks soon: when notifications arrived, and which clientState the row of an adopted subscription has."""
GRAPH_RESTS = timedelta(minutes=10)
"""After a subscription was made, the simulator asks nothing of it for so long."""
NOTIFICATIONS = "graphmail_receiver_notifications_total"
COUNTED = "graphmail_lifecycle_notifications_total"


@dataclass
class World:
    """A receiver and an operator at work."""

    stage: Stage
    receiver: Running
    operator: Running

    async def knows(self, subscriptions: int) -> None:
        """Return once the receiver does: what it does not know, it believes nothing of."""
        await self.receiver.metric_is(subscriptions, "graphmail_receiver_subscriptions")

    async def posts(self, row: Row, event: str) -> float:
        """Graph posts that of the mailbox's subscription, and is told that it was taken; when it began to."""
        begun = time.monotonic()
        order = {"items": [{"event": event, "mailbox": row.address}]}
        [sent] = await self.stage.order("/lifecycle", order)
        assert [attempt["status"] for attempt in sent["attempts"]] == [202]
        return begun

    async def posts_until_believed(self, row: Row, event: str) -> float:
        """The same where the receiver may not have heard of the clientState yet."""
        begun = 0.0

        async def believed() -> bool:
            nonlocal begun
            begun = await self.posts(row, event)
            return await self.receiver.metric(NOTIFICATIONS, kind=event, outcome="taken") == 1

        await eventually(believed, f"{event} is believed")
        return begun

    async def taken_up(self, event: str) -> None:
        """Return once receiver and operator have counted it."""
        await self.receiver.metric_is(1, NOTIFICATIONS, kind=event, outcome="taken")
        await self.operator.metric_is(1, COUNTED, event=event)

    async def status(self, row: Row, check: Callable[[dict[str, Any]], Any], begun: float, what: str) -> dict[str, Any]:
        """The status once it shows the work, and how long that took."""
        status = await self.stage.status_of(row, check, what)
        print(f"{what}: {time.monotonic() - begun:.2f} s after Graph began to post")
        return status


@asynccontextmanager
async def at_work(stage: Stage, ingress: Ingress, **variables: str) -> AsyncIterator[World]:
    on = switched_on(stage, ingress)
    async with receiver(stage, ingress, **on) as receiving, stage.operator(**UNASKED, **on, **variables) as operator:
        yield World(stage, receiving, operator)


async def test_a_renewal_that_graph_asks_for_is_one_patch(stage: Stage, ingress: Ingress) -> None:
    row = stage.add_delegated({"webhook_verification_token": "state"})
    urls = {"url": f"{ingress.url}/notifications", "lifecycle_url": f"{ingress.url}/lifecycle"}
    subscription = stage.subscribe(row, client_state="state", **urls)
    async with at_work(stage, ingress, **SOON) as world:
        await stage.ready(row)
        await eventually(lambda: told_by_the_mirror(stage, row), "the mirror tells the clientState of what was adopted")
        assert stage.calls(row, "patch") == 0
        begun = await world.posts_until_believed(row, "reauthorizationRequired")
        await world.status(row, lambda status: status["lastRenewalTime"], begun, "renewed")
        await world.taken_up("reauthorizationRequired")
        await eventually(lambda: stage.event_reasons(row) >= {"RenewalAskedByGraph", "Renewed"}, "it is told")
        [asked] = stage.simulator.world.reauthorizations.requests
    assert (asked.subscription_id, asked.by) == (subscription.id, "patch")
    assert await stage.covered_once(row) == subscription.id
    assert (stage.calls(row, "patch"), stage.calls(row, "reauthorize", "create", "delete")) == (1, 0)


async def test_by_its_own_rules_graph_asks_once_and_gets_one_patch(stage: Stage, ingress: Ingress) -> None:
    row = stage.add_delegated({"webhook_verification_token": "state"})
    urls = {"url": f"{ingress.url}/notifications", "lifecycle_url": f"{ingress.url}/lifecycle"}
    subscription = stage.subscribe(row, client_state="state", **urls)
    simulated = stage.simulator.world
    async with at_work(stage, ingress, **SOON) as world:
        await stage.ready(row)
        await world.posts_until_believed(row, "missed")
        simulated.settings.reauthorize_before_minutes = LIVE_HOURS * 60 - 1
        simulated.reauthorizations.plan_anew([subscription])
        stage.simulator.clock.advance(GRAPH_RESTS.total_seconds())
        await stage.status_of(row, lambda status: status.get("lastRenewalTime"), "renewed")
        await world.taken_up("reauthorizationRequired")
    [asked] = simulated.reauthorizations.requests
    assert (asked.subscription_id, asked.times, asked.by) == (subscription.id, 1, "patch")
    assert (stage.calls(row, "patch"), stage.calls(row, "reauthorize", "create", "delete")) == (1, 0)
    assert not simulated.reauthorizations.doubled


async def test_what_graph_has_removed_is_made_anew_and_the_next_message_arrives(stage: Stage, ingress: Ingress) -> None:
    row = stage.add_app_only()
    async with at_work(stage, ingress) as world:
        before = (await stage.ready(row))["subscriptionID"]
        await world.knows(1)
        begun = time.monotonic()
        await stage.order(f"/subscriptions/{before}/remove", {})
        await world.status(row, lambda status: status["subscriptionID"] != before, begun, "made anew")
        await world.taken_up("subscriptionRemoved")
        made = await stage.covered_once(row)
        assert stage.live(row)[0].lifecycle_url == f"{ingress.url}/lifecycle"
        await eventually(lambda: stage.event_reasons(row) >= {"SubscriptionRemoved", "Replaced"}, "it is told")
        await stage.arrive(row)
        [notification] = await eventually(lambda: stage.endpoint.notifications, "the product has the next message")
    assert notification["subscriptionId"] == made
    assert (stage.calls(row, "create"), stage.calls(row, "patch", "reauthorize", "get")) == (2, 0)


async def test_what_graph_has_missed_is_told_to_people_and_to_the_product_until_a_message_arrives(
    stage: Stage, ingress: Ingress
) -> None:
    row = stage.add_app_only()
    with listening(stage.product.url) as listener:
        async with at_work(stage, ingress, **SOON) as world:
            await stage.ready(row)
            await world.knows(1)
            begun = await world.posts(row, "missed")
            status = await world.status(row, lambda status: delivering(status) == "False", begun, "told")
            assert condition_reason(status, "Delivering") == "NotificationsMissed"
            assert condition_status(status, "Ready") == "True"
            await world.taken_up("missed")
            await eventually(lambda: "NotificationsMissed" in stage.event_reasons(row), "people are told")
            await heard(listener, row, "notifications_missed")
            assert history(stage, row) == ["notifications_missed"]

            # Times are told in whole seconds: one of the same second proves nothing.
            missed = datetime.fromisoformat(status["subscriptions"][0]["lifecycle"]["missed"])
            await eventually(lambda: datetime.now(UTC) > missed + timedelta(seconds=1), "a later second")
            await stage.arrive(row)
            await stage.status_of(row, lambda status: delivering(status) == "True", "delivered")
            await heard(listener, row, "recovered")
    assert history(stage, row) == ["notifications_missed", "recovered"]
    assert (stage.calls(row, "create"), stage.calls(row, "patch", "reauthorize", "get", "delete")) == (1, 0)


async def test_what_graph_drops_at_a_slow_endpoint_is_told_once_it_delivers_again(
    stage: Stage, ingress: Ingress
) -> None:
    row = stage.add_app_only()
    settings = stage.simulator.world.settings
    settings.slow_least_answers = 2
    async with at_work(stage, ingress, **SOON) as world:
        await stage.ready(row)
        await world.knows(1)
        settings.slow_answer_seconds = 0.000_001  # any answer is slow
        for _ in range(3):
            await stage.arrive(row)
        settings.slow_answer_seconds = 60
        [endpoint] = [one for one in stage.simulator.notifier.slow.all() if one.dropped]
        stage.simulator.clock.advance(settings.drop_minutes * 60)
        status = await stage.status_of(row, lambda status: delivering(status) == "False", "told")
        assert condition_reason(status, "Delivering") == "NotificationsMissed"
        await world.taken_up("missed")
        await eventually(lambda: "NotificationsMissed" in stage.event_reasons(row), "people are told")
    assert (endpoint.endpoint, endpoint.dropped) == (ingress.url, 1)
    assert (stage.calls(row, "create"), stage.calls(row, "patch", "reauthorize", "delete")) == (1, 0)


def told_by_the_mirror(stage: Stage, row: Row) -> bool:
    return ANNOTATION_CLIENT_STATE in (stage.resource(row) or {})["metadata"]["annotations"]


def delivering(status: dict[str, Any]) -> str | None:
    return condition_status(status, "Delivering")


async def heard(listener: Listener, row: Row, kind: str) -> None:
    """Return once whoever listens in the product's place is told that of the provider."""

    def told() -> bool:
        events = [json.loads(payload) for payload in listener.heard()]
        return (row.id, kind) in {(event["provider_id"], event["kind"]) for event in events}

    await eventually(told, f"the product hears of {kind}")


def history(stage: Stage, row: Row) -> list[str]:
    """The kinds of all that was told of a provider, as the product reads it."""
    asked = "SELECT kind FROM graphmail.provider_events WHERE provider_id = %s ORDER BY position"
    return [found["kind"] for found in stage.product.run(asked, row.id)]
