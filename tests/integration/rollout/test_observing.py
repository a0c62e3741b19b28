"""GRAPHMAIL_MODE=observe: it tells what it would do, and neither Microsoft nor the product's tables notice."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from graphmail.resource.moments import write_time
from support.stage import Row, Stage, condition_reason
from support.waiting import eventually

OBSERVE = {"GRAPHMAIL_MODE": "observe"}
TABLES = ("email_providers", "microsoft_email_provider_config", "email_provider_health")


def tables(stage: Stage) -> list[list[dict[str, Any]]]:
    return [stage.product.run(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES]


async def told(stage: Stage, row: Row, words: str) -> dict[str, Any]:
    """The status, once its Ready condition says these words."""
    return await stage.status_of(
        row, lambda status: any(words in found["message"] for found in status["conditions"]), words
    )


async def test_a_fleet_is_told_what_would_be_done_and_nobody_is_called(stage: Stage) -> None:
    new, expiring, lively = stage.add_delegated(), stage.add_delegated(), stage.add_app_only()
    stage.subscribe(expiring, hours=5)
    stage.subscribe(lively)
    before = tables(stage)
    async with stage.operator(**OBSERVE) as running:
        await told(stage, new, "would create the subscription")
        await told(stage, expiring, "and renew it at once: expires at")
        status = await told(stage, lively, "and renew it at 20")
        await running.metric_is(1, "graphmail_observing")
        await running.metric_is(1, "graphmail_observed_actions_total", action="create")
        await eventually(lambda: "Observed" in stage.event_reasons(new), "an event")
    assert condition_reason(status, "Ready") == "Observing"
    assert status["nextRenewalTime"] < status["expirationTime"]
    assert tables(stage) == before
    assert list(stage.simulator.log.newest_first()) == []


async def test_what_the_products_own_loop_renews_meanwhile_is_followed(stage: Stage) -> None:
    row = stage.add_delegated()
    stage.subscribe(row, hours=5)
    async with stage.operator(**OBSERVE):
        await told(stage, row, "renew it at once")
        expires = datetime.now(UTC) + timedelta(hours=60)
        stage.product.set_config(row.id, webhook_expires_at=expires)
        status = await told(stage, row, "and renew it at 20")
    assert status["expirationTime"] == write_time(expires)


async def test_from_observing_to_acting_the_same_subscription_is_adopted(stage: Stage) -> None:
    row = stage.add_app_only()
    subscription = stage.subscribe(row)
    async with stage.operator(**OBSERVE):
        await told(stage, row, "would adopt")
    async with stage.operator():
        assert await stage.covered_once(row) == subscription.id
    assert stage.calls(row, "create", "patch", "delete") == 0


async def test_from_acting_to_observing_and_back_costs_nothing_at_graph_but_a_look(stage: Stage) -> None:
    row = stage.add_app_only()
    async with stage.operator():
        first = await stage.covered_once(row)
    calls = len(list(stage.simulator.log.newest_first()))
    async with stage.operator(**OBSERVE):
        await told(stage, row, "would renew the subscription at 20")
        stage.request_renewal(row, "now-please")
        await told(stage, row, "would renew the subscription: a renewal was requested")
        stage.kubectl("annotate", "gms", row.name, "graphmail.dev/renew-requested-at-")
        await told(stage, row, "would renew the subscription at 20")
    assert len(list(stage.simulator.log.newest_first())) == calls
    async with stage.operator():
        assert await stage.covered_once(row) == first
    assert stage.calls(row, "create") == 1
    assert stage.calls(row, "patch", "delete") == 0


async def test_a_resource_that_tells_of_a_subscription_outlives_its_row_and_a_persons_deletion_is_not_held_up(
    stage: Stage,
) -> None:
    row, other = stage.add_app_only(), stage.add_app_only()
    async with stage.operator():
        subscription = await stage.covered_once(row)
        await stage.covered_once(other)
    stage.product.delete_provider(row.id)
    async with stage.operator(**OBSERVE) as running:
        await running.metric_is(1, "graphmail_mirror_rows")
        assert stage.resource(row) is not None
        await asyncio.to_thread(stage.kubectl, "delete", "gms", row.name, "--timeout=5m")
    assert [found.id for found in stage.live(row)] == [subscription]
