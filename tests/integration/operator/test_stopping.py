"""Told to stop, the operator finishes what it has begun, and begins nothing more."""

import asyncio
import time
from datetime import timedelta

import pytest

from graphmail import operating
from graphmail.reconciler import listings, lost_creates
from support.stage import Stage
from support.waiting import eventually

PATIENCE = 60.0
"""What is begun is finished in this, also on a slow machine."""


async def test_a_subscription_that_is_being_created_is_recorded_before_the_operator_ends(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operating, "DRAIN_SECONDS", PATIENCE)
    row = stage.add_delegated()
    stage.endpoint.validating.clear()
    stop = asyncio.Event()
    operator = stage.start(stop)
    await eventually(lambda: stage.endpoint.handshakes, "the create is under way")
    stop.set()
    late = stage.add_delegated()
    stage.endpoint.validating.set()
    await operator
    [subscription] = stage.live(row)
    assert stage.product.config(row.id)["webhook_subscription_id"] == subscription.id
    assert (stage.resource(row) or {})["status"]["subscriptionID"] == subscription.id
    assert "Created" in stage.event_reasons(row)
    assert stage.live(late) == []
    assert open_claims(stage) == []


def open_claims(stage: Stage) -> list[dict[str, object]]:
    return stage.product.run("SELECT * FROM graphmail.claims WHERE until IS NOT NULL OR unsettled <> '{}'")


async def test_a_stop_during_a_mass_renewal_begins_no_more_of_it_and_leaves_no_claim(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most of them stand in line for Graph's quota, and some wait for its answer."""
    monkeypatch.setattr(operating, "STOP_SECONDS", PATIENCE)
    rows = [stage.add_app_only() for _ in range(40)]
    for row in rows:
        stage.subscribe(row, hours=1)
    stage.fault("patch", delay_seconds=1.0)
    stop = asyncio.Event()
    operator = stage.start(stop, GRAPHMAIL_QUOTA_WRITES_PER_TENANT="20")
    await eventually(lambda: sum(stage.calls(row, "patch") for row in rows) >= 3, "the renewals are under way")
    stop.set()
    stopped_at = time.monotonic()
    await operator
    assert time.monotonic() - stopped_at < PATIENCE
    renewed = [row for row in rows if stage.calls(row, "patch")]
    assert len(renewed) < len(rows) / 2
    for row in renewed:
        [subscription] = stage.live(row)
        assert stage.product.config(row.id)["last_subscription_renewal"] is not None
        assert (stage.resource(row) or {})["status"]["subscriptionID"] == subscription.id
    assert open_claims(stage) == []


async def test_work_that_is_abandoned_while_it_is_written_down_keeps_nobody_out(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operating, "STOP_SECONDS", 1.0)
    row = stage.add_delegated()
    stage.endpoint.validating.clear()
    stop = asyncio.Event()
    operator = stage.start(stop)
    await eventually(lambda: stage.endpoint.handshakes, "the create is under way")
    with stage.product.locked("microsoft_email_provider_config"):
        stage.endpoint.validating.set()
        await eventually(stage.product.waiting, "it is being written down")
        stop.set()
        await operator
        assert stage.product.claimed() == 0
    async with stage.operator():
        await stage.covered_once(row)
    assert stage.calls(row, "create") == 1


async def test_a_create_that_is_abandoned_without_an_answer_is_waited_for_by_who_comes_next(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Graph commits it after the next process has looked for it."""
    monkeypatch.setattr(operating, "STOP_SECONDS", 0.1)
    monkeypatch.setattr(lost_creates, "ARRIVES", timedelta(hours=1))
    # Also where Graph's first answer has just set the clock back by a part of a second.
    monkeypatch.setattr(listings, "KEPT", timedelta(days=-1))
    row = stage.add_delegated()
    stage.endpoint.validating.clear()
    stop = asyncio.Event()
    operator = stage.start(stop, GRAPHMAIL_INSTALLATION="here")
    await eventually(lambda: stage.endpoint.handshakes, "the create is under way")
    stop.set()
    await operator
    assert stage.product.claimed() == 0
    assert "pendingCreateTime" in (stage.resource(row) or {})["status"]
    async with stage.operator(GRAPHMAIL_INSTALLATION="here"):
        await eventually(lambda: stage.calls(row, "list"), "it is looked for")
        url = f"{stage.endpoint.url}{stage.endpoint.path}?gms=here.{row.id}.inbox"
        stage.subscribe(row, url=url)
        stage.product.set_config(row.id, webhook_subscription_id=None, webhook_expires_at=None)
        stage.request_renewal(row, "now")
        await stage.covered_once(row)
    assert len(stage.endpoint.handshakes) == 1
