"""Sign-in, Graph or our own URL are away or slow: what lives is kept, nobody is stormed, all is well afterwards (design, rule 5)."""

import json
import time
from itertools import pairwise
from typing import Any

import pytest

from graphmail.backoff import LEAST
from support.due import renewed_again
from support.stage import Row, Stage, condition_reason, condition_status
from support.waiting import eventually

HOLD_SECONDS = 3
LONG_HOLD_SECONDS = 40
"""Every mailbox has asked for its turn by then, also on a slow machine."""
TICKED = "graphmail_last_tick_timestamp_seconds"
CALM = {"GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES": "0"}


def due_soon(stage: Stage) -> list[Row]:
    """Providers of both kinds, whose subscriptions expire one after the other in some hours: they are due."""
    rows = [*(stage.add_app_only() for _ in range(9)), *(stage.add_delegated() for _ in range(3))]
    for hours, row in enumerate(rows, start=3):
        stage.subscribe(row, hours=hours)
    return rows


async def all_renewed(stage: Stage, rows: list[Row], before: list[str]) -> None:
    for row in rows:
        await stage.status_of(row, lambda status: status["lastRenewalTime"], "renewed")
    assert [await stage.covered_once(row) for row in rows] == before
    assert sum(stage.calls(row, "create", "delete") for row in rows) == 0


def sign_ins(stage: Stage) -> int:
    return sum(call.route == "token" for call in stage.simulator.log.newest_first())


AWAY: dict[str, dict[str, Any]] = {"it answers 503": {"status": 503}, "it breaks off": {"drop_connection": True}}


@pytest.mark.parametrize("how", AWAY.values(), ids=AWAY.keys())
async def test_while_sign_in_is_away_it_is_asked_seldom_and_afterwards_everything_is_renewed(
    stage: Stage, how: dict[str, Any]
) -> None:
    rows = due_soon(stage)
    before = [stage.live(row)[0].id for row in rows]
    stage.fault("token", **how)
    begun = time.monotonic()
    async with stage.operator(**CALM):
        for row in rows:
            status = await stage.status_of(
                row, lambda status: condition_reason(status, "Ready") == "GraphUnavailable", "told"
            )
            assert condition_status(status, "Stalled") is None
        assert sum(stage.calls(row, "patch", "get") for row in rows) == 0
        tries = 3 + (time.monotonic() - begun) / LEAST.total_seconds()
        assert sign_ins(stage) <= tries * len(rows)
        stage.simulator.faults.clear()
        await all_renewed(stage, rows, before)
    assert all(stage.calls(row, "patch") == 1 for row in rows)


async def test_a_slow_sign_in_is_waited_for_and_asked_once_for_all_that_share_it(stage: Stage) -> None:
    rows = due_soon(stage)
    before = [stage.live(row)[0].id for row in rows]
    stage.fault("token", delay_seconds=3.0)
    async with stage.operator(**CALM):
        await all_renewed(stage, rows, before)
    delegated = sum(row.grant is not None for row in rows)
    assert sign_ins(stage) == 1 + delegated
    assert all(stage.calls(row, "patch") == 1 for row in rows)


async def test_a_graph_that_tells_everybody_to_wait_again_and_again_is_not_stormed_and_nobody_is_blamed(
    stage: Stage,
) -> None:
    rows = due_soon(stage)
    before = [stage.live(row)[0].id for row in rows]
    fault = stage.fault("patch", answer="throttled", headers={"Retry-After": str(HOLD_SECONDS)})
    async with stage.operator(**CALM):
        await eventually(lambda: fault.hits > 2 * len(rows), "most were told to wait more than once")
        for row in rows:
            status = (stage.resource(row) or {})["status"]
            assert (condition_reason(status, "Ready"), status["consecutiveFailures"]) == ("Throttled", 0)
        stage.simulator.faults.clear()
        await all_renewed(stage, rows, before)
    for row in rows:
        tries = [call.at for call in stage.log(row, "patch")]
        assert all(later - earlier >= HOLD_SECONDS for earlier, later in pairwise(tries))
        assert [call.status for call in stage.log(row, "patch")][-1] == 200
    assert "error" not in {stage.product.provider(row.id)["status"] for row in rows}


async def test_once_graph_takes_calls_again_who_expires_first_is_renewed_first(stage: Stage) -> None:
    rows = [stage.add_app_only() for _ in range(8)]
    by_expiry = [rows[place] for place in (5, 2, 7, 0, 3, 6, 1, 4)]
    for hours, row in enumerate(by_expiry, start=3):
        stage.subscribe(row, hours=hours)
    fault = stage.fault("patch", answer="throttled", headers={"Retry-After": str(LONG_HOLD_SECONDS)}, count=1)
    async with stage.operator(**CALM, GRAPHMAIL_QUOTA_WRITES_PER_TENANT="20", GRAPHMAIL_GRAPH_CONNECTIONS="1"):
        for row in rows:
            await stage.status_of(row, lambda status: status["lastRenewalTime"], "renewed")
    assert fault.hits == 1
    once = {row.name: calls[0] for row in by_expiry if len(calls := stage.log(row, "patch")) == 1}
    [told] = [call for row in by_expiry for call in stage.log(row, "patch") if call.status == 429]
    waited = [name for name, call in once.items() if call.at > told.at + LONG_HOLD_SECONDS]
    assert len(waited) >= len(rows) - 2
    called = sorted(waited, key=lambda name: once[name].number)
    # Turns are given in the order of expiry; of two that have theirs at once, either may have its claim first.
    assert all(abs(called.index(name) - place) <= 1 for place, name in enumerate(waited)), called


async def test_while_our_own_url_is_down_what_lives_is_kept_and_renewed_and_what_changes_waits(stage: Stage) -> None:
    due, changed = stage.add_app_only(), stage.add_delegated()
    async with stage.operator(GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES="0.01"):
        before = [await stage.covered_once(row) for row in (due, changed)]
        stage.endpoint.failing = True
        patch = json.dumps({"spec": {"changeTypes": ["created", "updated"]}})
        stage.kubectl("patch", "gms", changed.name, "--type=merge", "-p", patch)
        await stage.status_of(
            changed, lambda status: condition_reason(status, "Ready") == "NotificationEndpointFailed", "told"
        )
        await renewed_again(stage, due)
        assert [await stage.covered_once(due), stage.live(changed)[0].id] == before
        assert (stage.calls(due, "create", "delete"), stage.calls(changed, "delete")) == (1, 0)
        stage.endpoint.failing = False
        stage.request_renewal(changed, "now")
        await eventually(lambda: [one.id for one in stage.live(changed)] not in ([before[1]], []), "it is replaced")
        await eventually(lambda: len(stage.live(changed)) == 1, "the old one has gone")
        assert await stage.covered_once(changed) != before[1]


async def test_a_restart_ends_nobodys_wait(stage: Stage) -> None:
    told, slow, other = stage.add_app_only(), stage.add_delegated(), stage.add_app_only()
    for row in (told, slow):
        stage.subscribe(row, hours=5)
    stage.fault("patch", answer="service-unavailable", headers={"Retry-After": "900"}, mailbox=told.address)
    stage.fault("patch", answer="access-denied", mailbox=slow.address)
    async with stage.operator(**CALM):
        await stage.ready(other)
        waits = [
            await stage.status_of(row, lambda status: status["nextAttemptTime"], "it waits") for row in (told, slow)
        ]
    made = stage.simulator.log.total
    async with stage.operator(**CALM, GRAPHMAIL_TICK_SECONDS="1") as again:
        stage.request_renewal(other, "now")
        await stage.status_of(other, lambda status: status["lastHandledRenewal"] == "now", "renewed")
        first = await eventually(lambda: again.metric(TICKED), "all were looked at")

        async def looked_again() -> bool:
            return (await again.metric(TICKED) or 0.0) > first + 1

        await eventually(looked_again, "all were looked at once more")
        since = [call.mailbox for call in stage.simulator.log.newest_first() if call.number > made]
        statuses = [(stage.resource(row) or {})["status"] for row in (told, slow)]
    assert other.address in since
    assert not {told.address, slow.address} & set(since)
    assert [status["nextAttemptTime"] for status in statuses] == [status["nextAttemptTime"] for status in waits]
