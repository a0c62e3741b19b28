"""One of the two stores is away: what lives is kept alive, and nothing is made that could not be written down (design, rule 5)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from graphmail.resource.moments import write_time
from support.due import shorten
from support.gate import ClusterGate, PostgresGate
from support.stage import Stage, condition_reason, condition_status
from support.waiting import eventually

OFTEN = {"GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES": "0.01"}
"""Graph is asked all the time, so that what happens there is noticed at once."""


async def test_while_postgres_is_away_renewals_go_on_and_are_written_down_later(stage: Stage) -> None:
    due, lost, doomed = stage.add_delegated(), stage.add_delegated(), stage.add_app_only()
    async with PostgresGate(stage.product.url) as gate, stage.operator(GRAPHMAIL_DATABASE_URL=gate.url, **OFTEN) as one:
        for row in (due, lost, doomed):
            await stage.ready(row)
        before = stage.product.config(due.id)
        gate.shut()
        await eventually(lambda: gate.refused, "it is noticed")
        shorten(stage, due)
        stage.simulator.world.end_subscription(stage.live(lost)[0], "dropped")
        stage.kubectl("delete", "gms", doomed.name, "--wait=false")
        await eventually(lambda: stage.calls(due, "patch"), "it is renewed")
        soon = write_time(datetime.now(UTC) + timedelta(hours=2))
        status = await stage.status_of(due, lambda status: status["expirationTime"] > soon, "the renewal is shown")
        assert condition_status(status, "Synced") == "False"
        assert condition_reason(status, "Synced") == "PostgresUnavailable"
        assert "kept in memory and written when it is back" in stage.condition(due, "Synced")["message"]
        assert condition_status(status, "Ready") == "True"
        assert await one.metric("graphmail_store_up", store="postgres") == 0
        await eventually(lambda: any(call.status == 404 for call in stage.log(lost, "get")), "the loss is seen")
        assert (stage.calls(lost, "create"), stage.calls(doomed, "delete")) == (1, 0)
        assert stage.product.config(due.id) == before
        gate.open()
        status = await stage.status_of(due, lambda status: condition_status(status, "Synced") == "True", "synced")
        after = stage.product.config(due.id)
        assert write_time(after["webhook_expires_at"]) == status["expirationTime"]
        assert after["last_subscription_renewal"] > before["last_subscription_renewal"]
        stage.request_renewal(lost, "now")
        await eventually(lambda: stage.live(lost), "what was lost can be made anew")
        await stage.ready(doomed)
    assert stage.calls(doomed, "delete") == 0


async def test_what_is_made_while_postgres_goes_away_is_kept_and_written_down_by_the_next_process_once_postgres_is_back(
    stage: Stage,
) -> None:
    row = stage.add_app_only()
    stage.endpoint.validating.clear()
    async with PostgresGate(stage.product.url) as gate:
        async with stage.operator(GRAPHMAIL_DATABASE_URL=gate.url):
            await eventually(lambda: stage.endpoint.waiting, "Graph is making the subscription")
            gate.shut()
            stage.endpoint.validating.set()
            status = await stage.ready(row)
        assert condition_reason(status, "Synced") == "PostgresUnavailable"
        assert stage.product.config(row.id)["webhook_subscription_id"] is None
        [made] = stage.live(row)
        stage.product.end_claim(row.id)
        calls, refused = stage.simulator.log.total, gate.refused
        async with stage.operator(GRAPHMAIL_DATABASE_URL=gate.url) as operator:
            stage.request_renewal(row, "now")
            await operator.metric_is(0, "graphmail_store_up", store="postgres")
            await eventually(lambda: gate.refused > refused, "the next process finds Postgres away, and waits for it")
            new = stage.add_delegated()
            assert stage.simulator.log.total == calls
            gate.open()
            await stage.status_of(row, lambda status: status["lastHandledRenewal"] == "now", "renewed")
            await stage.ready(new)
        assert await stage.covered_once(row) == made.id
    assert stage.calls(row, "create") == 1


async def test_while_the_api_server_is_away_renewals_go_on_and_are_shown_later(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    due, lost = stage.add_delegated(), stage.add_delegated()
    async with ClusterGate(stage.control_plane) as gate:
        monkeypatch.setenv("KUBECONFIG", str(gate.kubeconfig(tmp_path)))
        gate.shut()
        async with stage.operator(**OFTEN) as operator:
            await eventually(lambda: gate.refused, "it waits for the API server from its start on")
            assert stage.simulator.log.total == 0
            gate.open()
            before = await stage.ready(due)
            await stage.ready(lost)
            gate.shut()
            shorten(stage, due)
            await eventually(lambda: stage.calls(due, "patch"), "it is renewed")
            await eventually(
                lambda: write_time(stage.product.config(due.id)["webhook_expires_at"]) > before["expirationTime"],
                "Postgres has it",
            )
            await operator.metric_is(0, "graphmail_store_up", store="kubernetes")
            stage.simulator.world.end_subscription(stage.live(lost)[0], "dropped")
            await eventually(lambda: any(call.status == 404 for call in stage.log(lost, "get")), "the loss is seen")
            assert stage.resource(due)["status"] == before
            gate.open()
            after = await stage.status_of(due, lambda status: status != before, "shown")
            stage.request_renewal(lost, "now")
            await stage.ready(lost)
    assert write_time(stage.product.config(due.id)["webhook_expires_at"]) == after["expirationTime"]
    assert stage.calls(due, "create") == 1
