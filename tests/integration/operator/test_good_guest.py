"""A guest in the product's database, and a quiet one (design, rules 13 and 15)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.gate import ClusterGate, PostgresGate
from support.stage import Stage, condition_status
from support.waiting import eventually

QUIET = {"GRAPHMAIL_TICK_SECONDS": "1", "GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES": "0"}
ALONE = {"GRAPHMAIL_LEADER_ELECTION": "false"}
"""The lease is a write every few seconds, whatever the number of mailboxes."""
COMPARED_ONCE = {"GRAPHMAIL_MIRROR_COMPARE_SECONDS": "3600"}
"""The comparison asks more, once a minute: on a slow machine one came in between."""


async def test_when_nothing_is_due_nobody_is_asked_but_the_database_for_changes(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [stage.add_app_only() for _ in range(20)]
    async with ClusterGate(stage.control_plane) as cluster, PostgresGate(stage.product.url) as postgres:
        monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig(tmp_path)))
        async with stage.operator(GRAPHMAIL_DATABASE_URL=postgres.url, **QUIET, **ALONE, **COMPARED_ONCE):
            for row in rows:
                await stage.ready(row)
            await eventually(lambda: len(created(stage)) == len(rows), "all events are posted")
            await eventually(lambda: shown(stage) == len(rows), "the product's pages show all")
            await asked(postgres, 1)
            calls, written = stage.simulator.log.total, cluster.sent
            capsys.readouterr()
            await asked(postgres, 2)
            [(question, _)] = postgres.statements.items()
            assert question.startswith("SELECT clock.as_of")
            assert (stage.simulator.log.total, cluster.sent) == (calls, written)
            assert capsys.readouterr() == ("", "")


def shown(stage: Stage) -> int:
    return len(stage.product.run("SELECT provider_id FROM graphmail.subscriptions WHERE state = 'covered'"))


def created(stage: Stage) -> list[dict[str, Any]]:
    items = stage.control_plane.request("GET", f"/api/v1/namespaces/{stage.namespace}/events")["items"]
    return [item for item in items if item["reason"] == "Created"]


async def asked(postgres: PostgresGate, times: int) -> None:
    """The mirror asks so often from here on; between two questions each resource has more than one tick."""
    postgres.statements.clear()
    await eventually(lambda: postgres.statements.total() >= times, "the mirror asks")


async def test_who_else_renews_is_told_of_and_the_rows_subscription_is_kept(stage: Stage) -> None:
    moved, replaced = stage.add_delegated(), stage.add_delegated()
    async with stage.operator() as operator:
        await stage.ready(moved)
        before = await stage.ready(replaced)
        assert await operator.metric("graphmail_peer_changes_total") == 0
        stage.product.set_config(moved.id, webhook_expires_at=datetime.now(UTC) + timedelta(days=2))
        theirs = stage.subscribe(replaced)
        for row in (moved, replaced):
            await eventually(lambda row=row: "PeerActive" in stage.event_reasons(row), "a PeerActive event")
        [event] = [event for event in stage.events(replaced) if event["reason"] == "PeerActive"]
        assert event["type"] == "Warning"
        assert theirs.id in event["message"]
        assert "turn the product's own renewal loop off" in event["message"]
        await operator.metric_is(2, "graphmail_peer_changes_total")
        after = await stage.status_of(
            replaced, lambda status: status["subscriptionID"] != before["subscriptionID"], "the row's is adopted"
        )
        await eventually(lambda: len(stage.live(replaced)) == 1, "ours is deleted")
    assert [subscription.id for subscription in stage.live(replaced)] == [theirs.id] == [after["subscriptionID"]]
    assert stage.calls(replaced, "create") == 1


async def test_the_older_generation_of_the_products_tables_is_served_as_well(older_stage: Stage) -> None:
    stage = older_stage
    made, known, refused = stage.add_delegated(), stage.add_app_only(), stage.add_delegated()
    subscription = stage.subscribe(known, hours=5)
    assert refused.grant is not None
    stage.simulator.world.revoke(refused.grant)
    async with stage.operator():
        await stage.ready(made)
        await stage.status_of(known, lambda status: status["lastRenewalTime"], "renewed")
        await stage.status_of(refused, lambda status: condition_status(status, "Stalled") == "True", "stalled")
        assert stage.product.provider(refused.id)["connection_status"] == "error"
        stage.consent_anew(refused)
        await stage.ready(refused)
    assert stage.product.provider(refused.id)["connection_status"] == "connected"
    assert [found.id for found in stage.live(known)] == [subscription.id]
    for row in (made, known, refused):
        [live] = stage.live(row)
        config, [health] = stage.product.config(row.id), stage.product.health(row.id)
        assert config["webhook_subscription_id"] == live.id
        assert config["last_subscription_renewal"] is not None
        assert (health["subscription_status"], health["last_renewal_result"]) == ("healthy", "success")
