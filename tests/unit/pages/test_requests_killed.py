"""A request of the product's pages, whenever the operator dies: it is never forgotten, and never done twice."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from graphmail.cluster import Cluster
from graphmail.database import Database, Progress, RenewalRequest, RequestState
from graphmail.decision import Policy
from graphmail.fleet import Fleet
from graphmail.pages.requests import Requests
from graphmail.provider import ProviderKey
from graphmail.stores import Stores

KEY = ProviderKey("2f1f9d5a-0f5b-4c58-9d7e-0a6f6c2a4b11", "7b1d0a52-6d36-4b0a-8f0c-5a8f4c1f2e22")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NAME = "ann-1"


class Killed(Exception):
    """The process is gone: what it had in memory is lost."""


class World:
    """Postgres and the API server, and a process that dies at a call: before it arrives, or after it was carried out."""

    def __init__(self, *, dies_at: int | None, arrives: bool, requests: int = 1) -> None:
        self._dies_at = dies_at
        self._arrives = arrives
        self._calls = 0
        self.rows = {f"r{n}": self._row(f"r{n}") for n in range(requests)}
        self.version = 1
        self.annotations: dict[str, str] = {}
        self.status: dict[str, Any] = {}
        self.renewals: list[str] = []

    @staticmethod
    def _row(name: str) -> RenewalRequest:
        return RenewalRequest(name, KEY, RequestState.QUEUED, "", None, NOW - timedelta(seconds=5))

    @property
    def open(self) -> list[RenewalRequest]:
        return [row for row in self.rows.values() if not row.state.final]

    def _call(self) -> bool:
        """Whether this call is the last that the process makes."""
        self._calls += 1
        return self._calls == self._dies_at

    async def open_renewal_requests(self) -> list[RenewalRequest]:
        if self._call():
            raise Killed
        return self.open

    async def advance_renewal_requests(self, made: Sequence[Progress]) -> frozenset[str]:
        dies = self._call()
        written = set()
        for one in made if not dies or self._arrives else ():
            row = self.rows[one.id]
            if row.state.final or (one.answer_to is not None and row.answer_to != one.over):
                continue
            written.add(one.id)
            self.rows[one.id] = dataclasses.replace(
                row, state=one.state, message=one.message, answer_to=one.answer_to or row.answer_to
            )
        if dies:
            raise Killed
        return frozenset(written)

    async def merge(self, name: str, patch: dict[str, Any]) -> dict[str, Any]:
        dies = self._call()
        if not dies or self._arrives:
            assert patch["metadata"]["resourceVersion"] == str(self.version)
            self.annotations |= patch["metadata"]["annotations"]
            self.version += 1
        if dies:
            raise Killed
        return self.body

    @property
    def body(self) -> dict[str, Any]:
        return {
            "metadata": {
                "name": NAME,
                "namespace": "mail",
                "uid": "u",
                "resourceVersion": str(self.version),
                "labels": {"app.kubernetes.io/managed-by": "graphmail-mirror"},
                "annotations": dict(self.annotations),
            },
            "spec": {
                "tenant": KEY.tenant,
                "providerID": KEY.provider_id,
                "mailbox": "ann@example.com",
                "notificationURL": "https://app.example.com/hook",
            },
            "status": self.status,
        }

    def reconcile(self) -> None:
        """What the operator does about the annotation: once for each value."""
        asked = self.annotations.get("graphmail.dev/renew-requested-at")
        if asked is None or asked == self.status.get("lastHandledRenewal"):
            return
        self.renewals.append(asked)
        ready = {"type": "Ready", "status": "True", "reason": "Subscribed", "message": "covered"}
        self.status = {
            "lastHandledRenewal": asked,
            "lastRenewalTime": "2026-11-24T12:00:00Z",
            "conditions": [{**ready, "lastTransitionTime": "2026-11-24T12:00:00Z"}],
        }
        self.version += 1


def process(world: World) -> tuple[Requests, Fleet]:
    """A process that has just begun, and knows every resource."""
    fleet = Fleet()
    fleet.observe(world.body, now=NOW)
    requests = Requests(
        database=cast("Database", world),
        cluster=cast("Cluster", world),
        fleet=fleet,
        stores=Stores({}),
        policy=Policy(),
        noticed=lambda _: None,
        now=lambda: NOW,
    )
    return requests, fleet


async def carried_out(world: World) -> int:
    """Look until nothing is open, with a new process for each that dies. Returns how many there were."""
    requests, fleet = process(world)
    processes = 1
    for _ in range(20):
        try:
            await requests.look()
        except Killed:
            requests, fleet = process(world)
            processes += 1
        world.reconcile()
        fleet.observe(world.body, now=NOW)
        if not world.open:
            return processes
    raise AssertionError(f"still open: {world.open}")


@pytest.mark.parametrize("arrives", [False, True], ids=["before the call arrives", "after it was carried out"])
@pytest.mark.parametrize("dies_at", range(1, 5))
@pytest.mark.parametrize("requests", [1, 3])
async def test_whenever_it_dies_each_request_is_done_by_one_renewal(
    dies_at: int, requests: int, *, arrives: bool
) -> None:
    world = World(dies_at=dies_at, arrives=arrives, requests=requests)
    assert await carried_out(world) == 2
    assert len(world.renewals) == 1
    assert {row.state for row in world.rows.values()} == {RequestState.DONE}


async def test_a_persons_own_request_that_is_under_way_answers_the_row_too() -> None:
    world = World(dies_at=None, arrives=True)
    world.annotations["graphmail.dev/renew-requested-at"] = "by hand"
    await carried_out(world)
    assert world.renewals == ["by hand"]


async def test_what_took_the_place_of_our_value_and_was_acted_on_answers_the_row() -> None:
    world = World(dies_at=3, arrives=True)
    requests, _ = process(world)
    await requests.look()
    with pytest.raises(Killed):
        await requests.look()
    world.annotations["graphmail.dev/renew-requested-at"] = "somebody else's"
    world.version += 1
    world.reconcile()
    await carried_out(world)
    assert world.renewals == ["somebody else's"]


class Raced(World):
    """Another process takes the row up in the moment between the reading and the writing of the first."""

    rival: Requests | None = None

    async def advance_renewal_requests(self, made: Sequence[Progress]) -> frozenset[str]:
        rival, self.rival = self.rival, None
        if rival is not None:
            await rival.look()
        return await super().advance_renewal_requests(made)


async def test_of_two_that_act_without_a_lease_one_takes_a_row_up_and_the_other_asks_for_nothing() -> None:
    world = Raced(dies_at=None, arrives=True)
    late, _ = process(world)
    world.annotations["graphmail.dev/renew-requested-at"] = "by hand"
    world.version += 1
    world.rival, _ = process(world)
    await late.look()
    assert world.rows["r0"].answer_to == "by hand"
    await late.look()
    await carried_out(world)
    assert world.renewals == ["by hand"]


async def test_while_nobody_asks_nothing_is_asked() -> None:
    world = World(dies_at=None, arrives=True, requests=0)
    requests, _ = process(world)
    for _ in range(5):
        await requests.look()
    assert world._calls == 1
