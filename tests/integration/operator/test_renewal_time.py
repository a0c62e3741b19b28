"""When a subscription is renewed (design, rule 9): at its expiry less min(lookAhead, granted ÷ 2), one tick and jitter."""

from datetime import UTC, datetime, timedelta
from typing import Any

from graphsim.subscriptions import Subscription
from support.hand import Hand
from support.stage import Row, Stage

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def planned_before_expiry(status: dict[str, Any]) -> timedelta:
    expires, planned = (datetime.fromisoformat(status[name]) for name in ("expirationTime", "nextRenewalTime"))
    return expires - planned


async def renewed(stage: Stage, row: Row | str, value: str) -> None:
    stage.request_renewal(row, value)
    await stage.status_of(row, lambda status: status["lastHandledRenewal"] == value, "renewed")


async def test_what_was_created_together_is_renewed_apart_and_a_restart_renews_nothing_early(stage: Stage) -> None:
    rows = [stage.add_app_only() for _ in range(6)]
    settings = {"GRAPHMAIL_TICK_SECONDS": "600", "GRAPHMAIL_LIFETIME_MINUTES": str(4 * 24 * 60)}
    async with stage.operator(**settings):
        before = [await stage.ready(row) for row in rows]
    margins = [planned_before_expiry(status) for status in before]
    earliest = DAY + 10 * MINUTE
    assert all(earliest <= margin <= earliest + 0.1 * 4 * DAY + MINUTE for margin in margins)
    assert len(set(margins)) == len(margins)
    async with stage.operator(**settings):
        await renewed(stage, rows[0], "now")
        for row, status in zip(rows[1:], before[1:], strict=True):
            assert (await stage.ready(row))["nextRenewalTime"] == status["nextRenewalTime"]
    assert [stage.calls(row, "create", "patch") for row in rows] == [2, 1, 1, 1, 1, 1]


async def test_where_graph_grants_an_hour_half_of_it_is_used_and_renewed_in_time(stage: Stage) -> None:
    stage.simulator.world.settings.grant_at_most_minutes = 60
    row = stage.add_app_only()
    async with stage.operator():
        margin = planned_before_expiry(await stage.ready(row))
        assert 30 * MINUTE + 6 * MINUTE <= margin <= 30 * MINUTE + 12 * MINUTE + MINUTE
        await renewed(stage, row, "now")
        assert planned_before_expiry(await stage.ready(row)) <= 43 * MINUTE
    assert stage.calls(row, "create", "patch") == 2


async def test_a_lifetime_that_graph_refuses_is_asked_for_as_graph_allows_it(stage: Stage) -> None:
    short = stage.simulator.world.add_tenant("Short", ceiling_minutes=4230)
    stage.simulator.world.allow_app(stage.app, short.id, {"Mail.Read"})
    rows = [stage.add_app_only(entra=short) for _ in range(2)]
    async with stage.operator():
        statuses = [await stage.ready(row) for row in rows]
    limit = datetime.now(UTC) + 4230 * MINUTE
    assert all(limit - 5 * MINUTE < datetime.fromisoformat(status["expirationTime"]) <= limit for status in statuses)


def granted_since(began: float, subscription: Subscription) -> timedelta:
    """Counted from a moment of the simulator's clock. It grants what it is asked for."""
    return timedelta(seconds=subscription.expires_at - began)


async def test_the_longest_life_is_asked_for_unless_the_resource_says_another(stage: Stage) -> None:
    row, hand = stage.add_app_only(), Hand(stage)
    hand.app_only_secret("own")
    hand.write("own", lookAhead="2h", lifetime="72h")
    began = stage.simulator.clock.now()
    async with stage.operator(GRAPHMAIL_TICK_SECONDS="600"):
        await stage.ready(row)
        assert planned_before_expiry(await stage.ready("own")) <= 2 * HOUR + 10 * MINUTE + 0.1 * 72 * HOUR + MINUTE
        [longest], [own] = stage.live(row), hand.live("own")
        assert 10_000 * MINUTE <= granted_since(began, longest) < 10_010 * MINUTE
        assert 72 * HOUR <= granted_since(began, own) < 72 * HOUR + 10 * MINUTE
        later = stage.simulator.clock.now()
        await renewed(stage, "own", "now")
        [own] = hand.live("own")
        assert 72 * HOUR <= granted_since(later, own) < 72 * HOUR + 10 * MINUTE


async def test_remaining_time_is_judged_by_graphs_clock(stage: Stage) -> None:
    row, other = stage.add_app_only(), stage.add_app_only()
    async with stage.operator():
        before = await stage.ready(row)
        await stage.ready(other)
    left = datetime.fromisoformat(before["expirationTime"]) - datetime.now(UTC)
    stage.simulator.clock.advance((left - 30 * MINUTE).total_seconds())
    async with stage.operator(GRAPHMAIL_TICK_SECONDS="1"):
        await renewed(stage, other, "Graph tells the time in its answer")
        after = await stage.status_of(
            row, lambda status: status["expirationTime"] > before["expirationTime"], "renewed"
        )
    assert after["subscriptionID"] == before["subscriptionID"]
    assert stage.calls(row, "create", "patch") == 2
