"""Turns at Graph: never more than a window allows, most urgent first, and nobody waits for another's throttle."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from graphmail.graph import Budget, CallKind, KindLimit, Limits, Meaning, NoTurn, Priority, Spender

Run = Callable[[Any], Any]
WRITE = CallKind.WRITE
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TEN = Limits(write=KindLimit(app=10, tenant=10), guard=0.0)
"""Ten calls in twenty seconds: two at once, then one every two seconds."""


def now() -> float:
    return asyncio.get_running_loop().time()


def at() -> float:
    return now() - 1000.0


def virtual_budget(limits: Limits | None = None) -> Budget:
    return Budget(limits, clock=now)


def spender(
    name: str,
    *,
    tenant: str = "contoso",
    hours: float | None = 1,
    priority: Priority = Priority.NORMAL,
    app: str = "app",
) -> Spender:
    expires_at = None if hours is None else NOW + timedelta(hours=hours)
    return Spender(app, tenant, f"{name}@example.com", priority, expires_at)


async def call(budget: Budget, who: Spender, log: list[tuple[float, str]], *, takes: float = 0.0) -> None:
    turn = await budget.acquire(WRITE, who)
    log.append((at(), who.mailbox.partition("@")[0]))
    await asyncio.sleep(takes)
    turn.give_back()


async def all_calls(budget: Budget, who: list[Spender], *, takes: float = 0.0) -> list[tuple[float, str]]:
    log: list[tuple[float, str]] = []
    async with asyncio.TaskGroup() as group:
        for one in who:
            group.create_task(call(budget, one, log, takes=takes))
    return log


def test_calls_are_paced_so_that_a_window_holds_no_more_than_its_limit(run: Run) -> None:
    log = run(all_calls(virtual_budget(TEN), [spender(f"m{number}") for number in range(25)]))

    assert [moment for moment, _ in log[:5]] == pytest.approx([0, 0, 2, 4, 6])
    assert [moment for moment, _ in log[9:13]] == pytest.approx([16, 20, 20, 22])
    assert log[-1][0] == pytest.approx(46)


def test_a_slot_is_busy_until_a_window_after_its_answer(run: Run) -> None:
    log = run(all_calls(virtual_budget(TEN), [spender(f"m{number}") for number in range(11)], takes=5))

    assert log[10][0] == pytest.approx(25)


def test_an_idle_budget_gives_a_turn_at_once(run: Run) -> None:
    async def scenario() -> float:
        (await virtual_budget().acquire(WRITE, spender("ann"))).give_back()
        return at()

    assert run(scenario()) == 0


def test_what_expires_first_goes_first(run: Run) -> None:
    hours = [5, 1, 9, 3, 7, 2, 8]

    log = run(
        all_calls(
            virtual_budget(TEN), [spender("first"), spender("second"), *(spender(f"{h}h", hours=h) for h in hours)]
        )
    )

    assert [name for _, name in log[2:]] == ["1h", "2h", "3h", "5h", "7h", "8h", "9h"]


def test_a_person_s_renewal_goes_first_an_uncovered_mailbox_next_and_bulk_last(run: Run) -> None:
    waiting = [
        spender("bulk", hours=0.1, priority=Priority.BULK),
        spender("normal", hours=0.2),
        spender("uncovered", hours=None),
        spender("forced", hours=100, priority=Priority.FORCED),
    ]

    log = run(all_calls(virtual_budget(TEN), [spender("first"), spender("second"), *waiting]))

    assert [name for _, name in log[2:]] == ["forced", "uncovered", "normal", "bulk"]


def test_a_forced_renewal_that_comes_late_takes_the_next_turn(run: Run) -> None:
    async def scenario() -> list[tuple[float, str]]:
        budget = virtual_budget(TEN)
        log: list[tuple[float, str]] = []
        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(call(budget, spender(f"m{number}"), log))
            await asyncio.sleep(5)
            group.create_task(call(budget, spender("forced", priority=Priority.FORCED), log))
        return log

    assert (pytest.approx(6), "forced") in run(scenario())


def test_a_tenant_that_used_up_its_limit_stops_nobody_else(run: Run) -> None:
    limits = Limits(write=KindLimit(app=100, tenant=10), guard=0.0)
    crowd = [spender(f"m{number}", tenant="big", hours=1) for number in range(20)]

    log = run(all_calls(virtual_budget(limits), [*crowd, spender("other", tenant="small", hours=50)]))

    assert {name: moment for moment, name in log}["other"] == 0
    assert [moment for moment, name in log if name != "other"][:4] == pytest.approx([0, 0, 2, 4])


def test_kinds_of_calls_and_apps_have_budgets_of_their_own(run: Run) -> None:
    async def scenario() -> float:
        budget = virtual_budget(Limits(write=KindLimit(app=1, tenant=1)))
        await budget.acquire(WRITE, spender("ann"))
        await budget.acquire(CallKind.READ, spender("ann"))
        await budget.acquire(CallKind.LIST, spender("ann"))
        await budget.acquire(CallKind.REAUTHORIZE, spender("bob"))
        await budget.acquire(WRITE, spender("bob", app="other"))
        return at()

    assert run(scenario()) == 0


def test_a_retry_after_stops_that_tenant_until_it_is_over(run: Run) -> None:
    async def scenario() -> list[tuple[float, str]]:
        budget = virtual_budget()
        budget.hold_tenant(spender("x", tenant="slow"), 30)
        budget.hold_tenant(spender("x", tenant="slow"), 10)
        return await all_calls(budget, [spender("held", tenant="slow"), spender("free", tenant="quick")])

    assert run(scenario()) == [(0, "free"), (pytest.approx(30), "held")]


def test_a_throttled_mailbox_stops_no_other_of_its_tenant(run: Run) -> None:
    async def scenario() -> list[tuple[float, str]]:
        budget = virtual_budget()
        budget.hold_mailbox(spender("Held"), 30)
        return await all_calls(budget, [spender("held"), spender("free")])

    assert run(scenario()) == [(0, "free"), (pytest.approx(30), "held")]


def test_a_mailbox_has_four_calls_at_once_whatever_their_kind(run: Run) -> None:
    async def scenario() -> float:
        budget = virtual_budget()
        turns = [await budget.acquire(kind, spender("ann")) for kind in list(CallKind)[:4]]
        asyncio.get_running_loop().call_later(7, turns[2].give_back)
        await budget.acquire(CallKind.READ, spender("ann"))
        return at()

    assert run(scenario()) == pytest.approx(7)


def test_a_wait_that_is_cancelled_gives_its_place_away(run: Run) -> None:
    async def scenario() -> tuple[float, int]:
        budget = virtual_budget(TEN)
        for name in ("one", "two"):
            await budget.acquire(WRITE, spender(name))
        leaving = [asyncio.ensure_future(budget.acquire(WRITE, spender(f"l{n}", hours=0))) for n in range(5)]
        staying = asyncio.ensure_future(budget.acquire(WRITE, spender("staying")))
        await asyncio.sleep(1)
        for task in leaving:
            task.cancel()
        await staying
        return at(), budget.waiting

    assert run(scenario()) == (pytest.approx(2), 0)


def test_a_turn_that_comes_with_the_cancellation_is_given_back_unused(run: Run) -> None:
    async def scenario() -> float:
        budget = virtual_budget(Limits(write=KindLimit(app=1, tenant=1), guard=0.0))
        first = await budget.acquire(WRITE, spender("first"))
        unlucky = asyncio.ensure_future(budget.acquire(WRITE, spender("unlucky", hours=0)))
        await asyncio.sleep(20)
        first.give_back(used=False)  # the turn goes to the unlucky one, who is cancelled before it can take note of it
        unlucky.cancel()
        await budget.acquire(WRITE, spender("lucky"))
        return at()

    assert run(scenario()) == pytest.approx(40)


def test_a_turn_that_was_not_used_costs_no_slot(run: Run) -> None:
    async def scenario() -> float:
        budget = virtual_budget(Limits(write=KindLimit(app=2, tenant=2), guard=0.0))
        for name in ("a", "b", "c", "d"):
            (await budget.acquire(WRITE, spender(name))).give_back(used=False)
        return at()

    assert run(scenario()) == pytest.approx(
        20
    )  # the pace of one in ten seconds remains; no window of twenty is waited for


def test_a_turn_is_given_back_once(run: Run) -> None:
    async def scenario() -> bool:
        turn = await virtual_budget(TEN).acquire(WRITE, spender("ann"))
        turn.give_back()
        turn.give_back(used=False)
        return turn.over

    assert run(scenario())


def test_waiting_ends_in_time(run: Run) -> None:
    async def scenario() -> tuple[float, NoTurn]:
        budget = virtual_budget(Limits(write=KindLimit(app=1, tenant=1)))
        await budget.acquire(WRITE, spender("first"))
        with pytest.raises(NoTurn) as caught:
            await budget.acquire(WRITE, spender("second"), give_up=40)
        return at(), caught.value

    moment, error = run(scenario())

    assert moment == pytest.approx(40)
    assert error.meaning is Meaning.THROTTLED


def test_a_hold_that_is_longer_than_the_patience_is_told_at_once(run: Run) -> None:
    async def scenario() -> tuple[float, NoTurn]:
        budget = virtual_budget()
        budget.hold_tenant(spender("x"), 300)
        with pytest.raises(NoTurn) as caught:
            await budget.acquire(WRITE, spender("ann"), give_up=40)
        return at(), caught.value

    moment, error = run(scenario())

    assert moment == 0
    assert error.retry_after == pytest.approx(300)


def test_turns_do_not_run_ahead_of_the_connections(run: Run) -> None:
    async def scenario() -> int:
        budget = virtual_budget(Limits(in_flight=5))
        tasks = [asyncio.ensure_future(budget.acquire(WRITE, spender(f"m{n}"))) for n in range(20)]
        await asyncio.sleep(10)
        got = sum(task.done() for task in tasks)
        for task in tasks:
            task.cancel()
        return got

    assert run(scenario()) == 5


def test_four_replicas_share_the_limits() -> None:
    quarter = Limits().share(0.25)

    assert quarter.write == KindLimit(app=500, tenant=125)
    assert quarter.list == KindLimit(app=10, tenant=6)
    assert quarter.window == 20
