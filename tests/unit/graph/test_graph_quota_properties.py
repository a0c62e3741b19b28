"""Wherever Graph's windows lie and however long its answers take, none of them ever holds more than the limit."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphmail.graph import Budget, CallKind, KindLimit, Limits, Priority, Spender

Run = Callable[[Any], Any]
SOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Work:
    tenant: int
    mailbox: int
    priority: Priority
    expires_in: int
    comes_after: float
    takes: float
    counted_at: float
    """Where between turn and answer Graph counts the call, from 0 to 1."""
    leaves_after: float | None


works = st.builds(
    Work,
    tenant=st.integers(0, 2),
    mailbox=st.integers(0, 5),
    priority=st.sampled_from(Priority),
    expires_in=st.integers(0, 100),
    comes_after=st.sampled_from([0.0, 0.0, 0.1, 3.0, 19.0]),
    takes=st.sampled_from([0.0, 0.15, 1.0, 12.0]),
    counted_at=st.floats(0, 1),
    leaves_after=st.none() | st.sampled_from([0.0, 2.0, 10.0, 30.0]),
)
limits = st.builds(
    lambda app, tenant, in_flight: Limits(write=KindLimit(app, tenant), guard=0.0, in_flight=in_flight),
    st.integers(1, 12),
    st.integers(1, 8),
    st.integers(1, 20),
)


class Graph:
    """Counts calls as Graph might, and those in flight for a mailbox."""

    def __init__(self) -> None:
        self.counted: dict[str, list[float]] = defaultdict(list)
        self.in_flight: dict[str, int] = defaultdict(int)
        self.most_in_flight = 0

    async def call(self, budget: Budget, work: Work) -> None:
        loop = asyncio.get_running_loop()
        tenant, mailbox = f"t{work.tenant}", f"m{work.mailbox}"
        expires_at = SOON + timedelta(hours=work.expires_in)
        turn = await budget.acquire(CallKind.WRITE, Spender("app", tenant, mailbox, work.priority, expires_at))
        self.in_flight[mailbox] += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight[mailbox])
        try:
            await asyncio.sleep(work.takes * work.counted_at)
            self.counted["app"].append(loop.time())
            self.counted[tenant].append(loop.time())
            await asyncio.sleep(work.takes * (1 - work.counted_at))
        finally:
            self.in_flight[mailbox] -= 1
            turn.give_back()

    async def all(self, budget: Budget, plan: list[Work]) -> None:
        for work in plan:
            await asyncio.sleep(work.comes_after)
            task = asyncio.ensure_future(self.call(budget, work))
            if work.leaves_after is not None:
                asyncio.get_running_loop().call_later(work.leaves_after, task.cancel)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)


def most_in_a_window(moments: list[float]) -> int:
    """The most calls that any half-open window of 20 seconds holds; the worst one begins at a call."""
    ordered = sorted(moments)
    return max((sum(start <= moment < start + 20 - 1e-6 for moment in ordered) for start in ordered), default=0)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(limit=limits, plan=st.lists(works, max_size=40))
def test_no_window_ever_holds_more_than_the_limit(run: Run, limit: Limits, plan: list[Work]) -> None:
    graph = Graph()

    async def scenario() -> int:
        budget = Budget(limit, clock=asyncio.get_running_loop().time)
        await graph.all(budget, plan)
        return budget.waiting

    assert run(scenario()) == 0
    assert most_in_a_window(graph.counted["app"]) <= limit.write.app
    for tenant in ("t0", "t1", "t2"):
        assert most_in_a_window(graph.counted[tenant]) <= limit.write.tenant
    assert graph.most_in_flight <= 4
    expected = sum(work.leaves_after is None for work in plan)
    assert len(graph.counted["app"]) >= expected


def test_a_fleet_in_eight_tenants_gets_97_percent_of_what_graph_allows(run: Run) -> None:
    random, fleet = Random(7), 5000
    plan = [
        Work(
            number % 8,
            number,
            Priority.NORMAL,
            random.randrange(100),
            0.0,
            random.uniform(0.1, 0.2),
            random.random(),
            None,
        )
        for number in range(fleet)
    ]
    graph = Graph()

    async def scenario() -> float:
        started = asyncio.get_running_loop().time()
        await graph.all(Budget(clock=asyncio.get_running_loop().time), plan)
        return asyncio.get_running_loop().time() - started

    seconds = run(scenario())

    ordered = sorted(graph.counted["app"])
    assert fleet / (100 * seconds) >= 0.97
    assert all(late - early > 20 for early, late in itertools.pairwise(ordered[::2000]))
    assert max(late - early for early, late in zip(ordered, ordered[1999:], strict=False)) >= 20
