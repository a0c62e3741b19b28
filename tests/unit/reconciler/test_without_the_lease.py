"""What a process still does at Graph when the lease is not its own at the moment: the last check before a call, and before a create."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from graphmail.election import Standing
from graphmail.observability.metrics import Metrics
from graphmail.resource.moments import write_time
from support.reconciling import NOW, Microsoft, Play, Reply, holding

EMPTY_LIST = Reply(200, body=b'{"value": []}')
DUE = holding(hours=1)
CREATE_OF_UNKNOWN_END = {"observedGeneration": 1, "pendingCreateTime": write_time(NOW - timedelta(minutes=2))}


@asynccontextmanager
async def play(status: dict[str, object], standing: Callable[[Microsoft], Standing]) -> AsyncIterator[Microsoft]:
    """One look at a mailbox whose resource has no row, so that no claim can stand in for the lease."""
    microsoft = Microsoft([EMPTY_LIST])
    one = Play(microsoft, status, metrics=Metrics(list, "0"), standing=lambda: standing(microsoft))
    await one.look()
    yield microsoft
    await one.http.aclose()


def once_it_has_been_asked(microsoft: Microsoft) -> Standing:
    """The lease runs out while the first call is on its way."""
    return Standing.OUT if microsoft.asked else Standing.HOLDS


@pytest.mark.parametrize("standing", [Standing.OUT, Standing.STOOD_IN_FOR])
@pytest.mark.parametrize("status", [DUE, {}, CREATE_OF_UNKNOWN_END])
async def test_without_lease_and_claim_graph_is_not_called(status: dict[str, object], standing: Standing) -> None:
    async with play(status, lambda _: standing) as microsoft:
        assert microsoft.asked == []


@pytest.mark.parametrize(("status", "method"), [(DUE, "PATCH"), ({}, "POST"), (CREATE_OF_UNKNOWN_END, "GET")])
async def test_with_the_lease_it_is(status: dict[str, object], method: str) -> None:
    async with play(status, lambda _: Standing.HOLDS) as microsoft:
        assert microsoft.asked[0].method == method


async def test_a_lease_that_runs_out_while_a_lost_create_is_looked_for_makes_no_new_one() -> None:
    async with play(CREATE_OF_UNKNOWN_END, lambda _: Standing.HOLDS) as microsoft:
        assert [call.method for call in microsoft.asked][:2] == ["GET", "POST"]
    async with play(CREATE_OF_UNKNOWN_END, once_it_has_been_asked) as microsoft:
        assert {call.method for call in microsoft.asked} == {"GET"}


async def test_a_create_that_another_process_has_just_begun_is_waited_for() -> None:
    just_begun = {"observedGeneration": 1, "pendingCreateTime": write_time(NOW)}
    async with play(just_begun, lambda _: Standing.HOLDS) as microsoft:
        assert [call.method for call in microsoft.asked] == ["GET"]


@pytest.mark.parametrize("moment", ["2099-12-31T23:59:59Z", "9999-12-31T23:59:59Z"])
async def test_a_create_that_somebody_has_dated_into_the_future_keeps_no_mailbox_uncovered(moment: str) -> None:
    by_hand = {"observedGeneration": 1, "pendingCreateTime": moment}
    async with play(by_hand, lambda _: Standing.HOLDS) as microsoft:
        assert [call.method for call in microsoft.asked][:2] == ["GET", "POST"]
