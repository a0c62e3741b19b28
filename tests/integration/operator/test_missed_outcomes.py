"""Several outcomes that Postgres misses: the later one does not take what the earlier one has to tell (design, rule 5)."""

from datetime import datetime

from graphmail.resource.moments import write_time
from support.gate import PostgresGate
from support.stage import Stage, condition_status
from support.waiting import eventually


async def test_a_renewal_that_postgres_missed_is_told_also_when_a_verification_came_after_it(stage: Stage) -> None:
    row = stage.add_app_only()
    async with (
        PostgresGate(stage.product.url) as gate,
        stage.operator(GRAPHMAIL_DATABASE_URL=gate.url, GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES="0.01"),
    ):
        await stage.ready(row)
        before = stage.product.config(row.id)["last_subscription_renewal"]
        gate.shut()
        await eventually(lambda: gate.refused, "it is noticed")
        stage.request_renewal(row, "now")
        await stage.status_of(row, lambda status: status["lastHandledRenewal"] == "now", "renewed")
        [subscription] = stage.live(row)
        stage.simulator.world.subscriptions.move_expiry(subscription, subscription.expires_at - 60)
        await stage.status_of(row, lambda status: _ends(status) == int(subscription.expires_at), "Graph says less")
        gate.open()
        status = await stage.status_of(row, lambda status: condition_status(status, "Synced") == "True", "synced")
    config = stage.product.config(row.id)
    assert write_time(config["webhook_expires_at"]) == status["expirationTime"]
    assert config["last_subscription_renewal"] > before


def _ends(status: dict[str, str]) -> int:
    return int(datetime.fromisoformat(status["expirationTime"]).timestamp())
