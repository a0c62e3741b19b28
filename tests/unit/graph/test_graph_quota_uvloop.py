"""Turns come on uvloop too, whose handles and clock differ from asyncio's own."""

import asyncio
import time

import pytest

from graphmail.graph import Budget, CallKind, KindLimit, Limits, Spender

uvloop = pytest.importorskip("uvloop")


def test_turns_come_in_real_time_and_no_window_holds_too_many() -> None:
    limits = Limits(write=KindLimit(app=4, tenant=3), window=0.1, guard=0.0)
    counted: list[float] = []

    async def call(budget: Budget, number: int) -> None:
        turn = await budget.acquire(CallKind.WRITE, Spender("app", f"t{number % 2}", f"m{number}"), give_up=30)
        counted.append(time.monotonic())
        turn.give_back()

    async def all_calls() -> None:
        budget = Budget(limits)
        async with asyncio.TaskGroup() as group:
            for number in range(12):
                group.create_task(call(budget, number))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(all_calls())

    assert len(counted) == 12
    assert all(later - earlier >= 0.1 for earlier, later in zip(counted, counted[4:], strict=False))
