"""Of several operators, each a process, one acts: it is killed, told to stop, or stopped in its tracks, and the next takes over."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from graphmail.election import LOST
from localstack.processes import free_port
from support.command import start
from support.gate import ClusterGate
from support.stage import Running, Stage
from support.waiting import eventually

QUICKLY = {"GRAPHMAIL_LEASE_SECONDS": "20", "GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES": "0.01"}
"""The shortest lease, of five seconds, is lost by a process that a slow machine lets stand still for two."""


@dataclass(frozen=True)
class Replica(Running):
    """An operator in a process of its own."""

    process: asyncio.subprocess.Process

    async def readyz(self) -> tuple[int, str]:
        """What its readiness probe answers; nothing while it does not."""
        with contextlib.suppress(httpx.TransportError):
            async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
                answer = await client.get(self.metrics_url.replace("/metrics", "/readyz"))
                return answer.status_code, answer.text
        return 0, ""

    async def acts_or_stands_by(self) -> bool:
        """Whether it has taken its place."""
        return await self.metric("graphmail_leader") == 1 or (await self.readyz())[1].startswith("[+]standby")

    async def leads(self) -> None:
        """Return once it acts."""
        await self.metric_is(1, "graphmail_leader")

    async def stands_by(self) -> None:
        """Return once it is ready to take over."""

        async def ready() -> bool:
            code, text = await self.readyz()
            return code == 200 and text.startswith("[+]standby ok: ") and text.endswith(" works\nready\n")

        await eventually(ready, "it stands by")
        assert await self.metric("graphmail_leader") == 0


@asynccontextmanager
async def replica(stage: Stage) -> AsyncIterator[Replica]:
    url = f"http://127.0.0.1:{free_port()}/metrics"
    process = await start(stage, "run", GRAPHMAIL_METRICS_URL=url, **QUICKLY)
    log = asyncio.create_task(process.communicate())
    try:
        yield Replica(url, process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.kill()
        await log


@asynccontextmanager
async def two_replicas(stage: Stage) -> AsyncIterator[tuple[Replica, Replica]]:
    """The one that acts, and the one that stands by."""
    async with replica(stage) as one, replica(stage) as other:
        await eventually(one.acts_or_stands_by, "the election is over")
        leader, standby = (one, other) if await one.metric("graphmail_leader") == 1 else (other, one)
        await leader.leads()
        await standby.stands_by()
        yield leader, standby


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_standby_does_nothing_until_the_leader_is_killed_or_stops_and_then_goes_on(
    stage: Stage, number: signal.Signals
) -> None:
    row = stage.add_delegated()
    async with two_replicas(stage) as (leader, standby):
        subscription = await stage.covered_once(row)
        assert await standby.metric("graphmail_subscriptions", state="ready") == 0
        leader.process.send_signal(number)
        late = stage.add_delegated()
        await standby.leads()
        await stage.covered_once(late)
        assert await stage.covered_once(row) == subscription
        assert (await standby.readyz())[1].startswith("[+]kubernetes ok\n")


async def test_a_leader_that_was_stopped_in_its_tracks_changes_nothing_when_it_wakes_up_and_ends_with_3(
    stage: Stage,
) -> None:
    row = stage.add_delegated()
    async with two_replicas(stage) as (leader, standby):
        await stage.covered_once(row)
        leader.process.send_signal(signal.SIGSTOP)
        await standby.leads()
        await stage.covered_once(stage.add_delegated())
        standby.process.send_signal(signal.SIGSTOP)
        stage.simulator.world.end_subscription(stage.live(row)[0], "dropped")
        leader.process.send_signal(signal.SIGCONT)
        assert await asyncio.wait_for(leader.process.wait(), 60) == LOST
        assert (stage.calls(row, "create"), stage.calls(row, "patch")) == (1, 0)


async def test_while_the_api_server_is_away_for_longer_than_the_lease_renewals_go_on_under_claims(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    due, lost = stage.add_delegated(), stage.add_delegated()
    async with ClusterGate(stage.control_plane) as gate:
        monkeypatch.setenv("KUBECONFIG", str(gate.kubeconfig(tmp_path)))
        async with stage.operator(**QUICKLY) as operator:
            await stage.ready(due)
            await stage.ready(lost)
            gate.shut()
            await operator.metric_is(0, "graphmail_leader")
            world = stage.simulator.world
            world.subscriptions.move_expiry(stage.live(due)[0], world.clock.now() + 3600)
            world.end_subscription(stage.live(lost)[0], "dropped")
            await eventually(lambda: stage.calls(due, "patch"), "it is renewed")
            await eventually(lambda: any(call.status == 404 for call in stage.log(lost, "get")), "the loss is seen")
            assert stage.live(lost) == []
            gate.open()
            await operator.metric_is(1, "graphmail_leader")
            await eventually(lambda: stage.live(lost), "what was lost is made anew")
