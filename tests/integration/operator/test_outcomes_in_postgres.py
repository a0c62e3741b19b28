"""What the product reads of our work: its provider, its health rows, and the older table beside them."""

from datetime import UTC, datetime, timedelta

import pytest

from graphmail.resource.moments import write_time
from support.stage import Row, Stage, condition_status


async def renewed(stage: Stage, row: Row, value: str) -> dict[str, object]:
    stage.request_renewal(row, value)
    return await stage.status_of(row, lambda status: status["lastHandledRenewal"] == value, value)


@pytest.mark.usefixtures("no_retry")
async def test_failures_beyond_the_threshold_are_an_error_until_the_first_success(stage: Stage) -> None:
    row = stage.add_app_only()
    stage.subscribe(row)
    for _ in range(2):
        stage.product.run(
            "INSERT INTO email_provider_health (tenant, provider_id, provider_type) VALUES (%s, %s, 'microsoft')",
            row.tenant,
            row.id,
        )
    stage.product.run(
        "INSERT INTO email_provider_configs (id, tenant, name, provider_type, mailbox) VALUES (%s, %s, 'm', 'microsoft', %s)",
        row.id,
        row.tenant,
        row.address,
    )
    async with stage.operator(MICROSOFT_EMAIL_RENEWAL_FAILURE_THRESHOLD="1"):
        await stage.ready(row)
        stage.fault("patch", answer="internal-error")
        await renewed(stage, row, "one")
        assert stage.product.provider(row.id)["status"] == "configuring"
        status = await renewed(stage, row, "two")
        assert status["consecutiveFailures"] == 2
        assert stage.product.provider(row.id)["status"] == "error"
        for health in stage.product.health(row.id):
            told = (health["subscription_status"], health["last_renewal_result"], health["consecutive_failures"])
            assert told == ("error", "failure", 2)
            assert health["failure_reason"].startswith("GraphUnavailable: ")
            assert (health["success_count"], health["failure_count"], health["is_healthy"]) == (1, 2, False)
        assert legacy(stage, row)["connection_status"] == "error"
        stage.simulator.faults.clear()
        status = await renewed(stage, row, "three")
    assert stage.product.provider(row.id)["status"] == "connected"
    assert len(stage.product.health(row.id)) == 2
    for health in stage.product.health(row.id):
        told = (health["subscription_status"], health["last_renewal_result"], health["consecutive_failures"])
        assert told == ("healthy", "success", 0)
        assert health["failure_reason"] is None
        assert write_time(health["subscription_expires_at"]) == status["expirationTime"]
    told = legacy(stage, row)
    assert (told["connection_status"], told["connection_error_message"]) == ("connected", None)
    assert told["webhook_subscription_id"] == status["subscriptionID"]


def legacy(stage: Stage, row: Row) -> dict[str, object]:
    return stage.product.run("SELECT * FROM email_provider_configs WHERE id = %s", row.id)[0]


async def test_a_subscription_whose_expiry_the_row_does_not_know_is_looked_up(stage: Stage) -> None:
    row = stage.add_app_only()
    subscription = stage.subscribe(row)
    stage.product.set_config(row.id, webhook_expires_at=None)
    async with stage.operator():
        status = await stage.ready(row)
    assert status["subscriptionID"] == subscription.id
    assert write_time(stage.product.config(row.id)["webhook_expires_at"]) == status["expirationTime"]


async def test_a_renewal_older_than_the_renewal_interval_is_due_whatever_the_expiry(stage: Stage) -> None:
    row = stage.add_app_only()
    async with stage.operator():
        before = await stage.ready(row)
    stage.simulator.clock.advance(timedelta(hours=2).total_seconds())
    async with stage.operator(GRAPHMAIL_RENEWAL_INTERVAL_MINUTES="60", GRAPHMAIL_TICK_SECONDS="1"):
        other = stage.add_app_only()
        await stage.ready(other)
        await stage.status_of(row, lambda status: status["expirationTime"] > before["expirationTime"], "renewed")
    assert datetime.fromisoformat(before["expirationTime"]) > datetime.now(UTC) + timedelta(days=6)
    assert stage.calls(row, "patch") == 1


async def test_a_stalled_provider_is_in_error_at_once(stage: Stage) -> None:
    row = stage.add_app_only()
    row.mailbox.enabled = False
    async with stage.operator(MICROSOFT_EMAIL_RENEWAL_FAILURE_THRESHOLD="1000"):
        status = await stage.status_of(row, lambda status: condition_status(status, "Stalled") == "True", "stalled")
    assert status["consecutiveFailures"] == 1
    assert stage.product.provider(row.id)["status"] == "error"
