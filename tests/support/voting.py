"""Candidates for a real Lease, each with a clock that moves only when a test moves it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graphmail.cluster import ClusterError, ClusterUnavailable, load_configuration
from graphmail.election import Election, LeadershipLost, LeaseClient, Record, Terms
from localstack.controlplane import ApiRefusedError, ControlPlane
from support.waiting import eventually


class _Terms(Terms):
    """A loser has all the time that it needs to stop in: that alone would go by the clock of a slow machine."""

    @property
    def stop_within(self) -> float:
        """Far more than it needs."""
        return 240.0


TERMS = _Terms(1.5)
"""Short only so that the threads look often: what is in time or late is decided by the clocks of the tests."""


class PatientClient(LeaseClient):
    """Keeps back what a test wants to come late, and loses what it wants to be lost."""

    before_taking: Callable[[], object] = staticmethod(lambda: None)
    before_renewing: Callable[[], object] = staticmethod(lambda: None)
    loses_answers = False
    """Renewals are done, and nobody is told."""
    conflicts = 0
    """Renewals of a version that was not the newest."""

    def renew(self, holder: str, seconds: float, over: Record) -> Record:
        self.before_renewing()
        try:
            renewed = super().renew(holder, seconds, over)
        except ClusterError as error:
            self.conflicts += error.status == 409
            raise
        if self.loses_answers:
            raise ClusterUnavailable(0, "ReadTimeout", "the answer is lost")
        return renewed

    def take(self, holder: str, seconds: float, over: Record) -> Record:
        self.before_taking()
        return super().take(holder, seconds, over)


@dataclass
class Voter:
    """A candidate, and what a test sees of it."""

    name: str
    client: PatientClient
    stand_in: bool = False
    now: float = 0.0
    silence: float = 0.0
    looks: int = 0
    behind: list[str] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    working: asyncio.Event = field(default_factory=asyncio.Event)
    abandoned: asyncio.Event = field(default_factory=asyncio.Event)
    outcome: BaseException | None = None
    """How it ended."""

    def __post_init__(self) -> None:
        self.election = Election(
            self.client,
            self.name,
            TERMS,
            silent_for=self._silent_for,
            stands_by=self.behind.append,
            stand_in=self.stand_in,
            clock=lambda: self.now,
            end=self.ended.set,
        )

    def _silent_for(self) -> float:
        """Asked at the beginning of each look."""
        self.looks += 1
        return self.silence

    async def run(self) -> None:
        """Stand by, work, and give back, as the operator does; how that ended is kept."""
        try:
            async with self.election as election:
                if await election.won(self.stop):
                    await election.guard(self._work())
        except (LeadershipLost, ClusterError) as error:
            self.outcome = error

    async def loses(self) -> str:
        """Why it has lost, once it has."""
        await eventually(lambda: self.outcome, f"{self.name} loses")
        assert isinstance(self.outcome, LeadershipLost)
        return str(self.outcome)

    async def _work(self) -> None:
        self.working.set()
        try:
            await self.stop.wait()
        except asyncio.CancelledError:
            self.abandoned.set()
            raise

    async def leads(self) -> None:
        """Return once it holds the lease."""
        await eventually(lambda: self.working.is_set() and self.election.holds(), f"{self.name} leads")

    async def stands_by(self, other: str) -> None:
        """Return once it knows for whom it stands by."""
        await eventually(lambda: self.behind and self.behind[-1] == other, f"{self.name} stands by for {other}")

    async def looks_again(self) -> None:
        """Return once a look that began from now on is over, and what follows from it is done."""
        looks = self.looks
        await eventually(lambda: self.looks >= looks + 2, f"{self.name} looks again")

    async def renews_at(self, now: float) -> None:
        """Return once it has renewed the lease at that time of its clock."""
        self.now = now
        until = now + TERMS.renew_within
        await eventually(lambda: self.election._candidate.acts_until == until, f"{self.name} renews at {now}")


@dataclass
class Polls:
    """A Lease, and the candidates for it."""

    control_plane: ControlPlane
    namespace: str

    @asynccontextmanager
    async def voter(
        self,
        name: str,
        *,
        kubeconfig: Path | None = None,
        stand_in: bool = False,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> AsyncIterator[Voter]:
        """A candidate that stands until its block ends, where it is told to stop."""
        with self.client(kubeconfig, wall) as client:
            voter = Voter(name, client, stand_in=stand_in)
            async with asyncio.TaskGroup() as group:
                group.create_task(voter.run())
                yield voter
                voter.stop.set()

    def client(
        self, kubeconfig: Path | None = None, wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> PatientClient:
        """For the Lease."""
        configuration = load_configuration(str(kubeconfig or self.control_plane.kubeconfig))
        return PatientClient(configuration, self.namespace, "seat", answer_within=10, now=wall)

    def spec(self) -> dict[str, Any]:
        """What the API server has; empty when there is no Lease."""
        try:
            return dict(self.control_plane.request("GET", self._path("seat"))["spec"])
        except ApiRefusedError:
            return {}

    def write(self, **spec: Any) -> None:
        """A Lease as others leave it behind."""
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "seat"}, "spec": spec}
        self.control_plane.request("POST", self._path(), body)

    def kubectl(self, *arguments: str) -> None:
        """What a person does to it."""
        self.control_plane.run_kubectl("-n", self.namespace, *arguments)

    def _path(self, name: str = "") -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases" + (f"/{name}" if name else "")
