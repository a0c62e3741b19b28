"""One run after another: a fresh world, a blow, a new process where the old one died, and a look at what came of it."""

import asyncio
import itertools
import json
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import psycopg

from chaos import victim
from chaos.ending import End, read_end, secrets_shown
from chaos.points import Blow, Order, Phase, Point, read_trace
from chaos.scenarios import Scenario, facts
from graphmail.database import migrate
from graphmail.resource.moments import write_time
from graphsim.server import Simulator
from graphsim.settings import SimulatorSettings
from localstack.controlplane import ControlPlane
from localstack.messages import LocalStackError
from localstack.postgres import PostgresServer
from localstack.processes import guarded
from support.fixtures import open_endpoint, serve_crd, set_stage
from support.stage import Row, Stage
from support.waiting import eventually

PRODUCT_SCHEMA = Path(__file__).parents[1] / "fixtures" / "product_schema.sql"
LIMIT_SECONDS = 600.0
"""Only a hang takes this long, or a state that never comes."""
PATIENT = SimulatorSettings(handshake_limit_seconds=60)
"""An endpoint that answers late, since all runs share one process, is none that fails."""
SETTINGS = {
    "GRAPHMAIL_LEADER_ELECTION": "false",  # one process at a time: nobody has to wait for the lease of the dead one
    "GRAPHMAIL_INSTALLATION": "chaos",
    "GRAPHMAIL_SWEEP_INTERVAL_HOURS": "0.001",
    "GRAPHMAIL_SWEEP_GRACE_MINUTES": "1",
    "GRAPHMAIL_LOG_FORMAT": "json",
}
_CLAIMS_OVER = """
UPDATE graphmail.claims SET until = until - interval '3 minutes', unsettled_since = unsettled_since - interval '3 minutes'
WHERE until IS NOT NULL OR unsettled <> '{}'
"""
"""The end of a dead process's claim, and of the time in which its last call could still reach Graph: skipped, not waited for."""
_NAMED = "SELECT webhook_subscription_id FROM microsoft_email_provider_config WHERE email_provider_id = %s"
_GRACE_OVER = "UPDATE graphmail.orphans SET seen_since = seen_since - interval '3 minutes'"
"""The sweep's grace time, skipped likewise."""


@dataclass(frozen=True)
class Undisturbed:
    """A run without a blow."""

    points: Sequence[Point]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came of one blow."""

    scenario: str
    order: Order
    struck: bool
    """The point was reached."""
    trouble: str = ""
    """How the end differs from an undisturbed one; empty: it does not."""


@dataclass
class Ground:
    """The real parts that all runs share."""

    control_plane: ControlPlane
    postgres: PostgresServer
    template: str
    folder: Path
    processes: ForkServerContext
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @asynccontextmanager
    async def world(self, scenario: Scenario) -> AsyncIterator["World"]:
        """A fresh namespace, database and Graph, with one mailbox."""
        name = f"chaos-{next(self._numbers)}"
        folder = self.folder / name
        folder.mkdir()
        self.control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        url = self.postgres.create_database(name, template=self.template)
        async with AsyncExitStack() as opened:
            opened.callback(self.postgres.drop_database, name)
            simulator = await opened.enter_async_context(Simulator(folder / "graphsim", settings=PATIENT))
            endpoint = await opened.enter_async_context(open_endpoint(simulator, folder))
            stage = await opened.enter_async_context(set_stage(self.control_plane, name, url, simulator, endpoint))
            yield World(self, stage, scenario.mailbox(stage), folder, SETTINGS | scenario.settings)


@dataclass
class World:
    """Everything of one run."""

    ground: Ground
    stage: Stage
    row: Row
    folder: Path
    settings: Mapping[str, str]

    @asynccontextmanager
    async def process(self, order: Order | None = None) -> AsyncIterator[ForkServerProcess]:
        """The operator as a process of its own; it is told to stop at the end, if it still runs."""
        environment = {**os.environ, **self.stage.environment, **self.settings}
        environment |= {
            "KUBECONFIG": str(self.ground.control_plane.kubeconfig),
            "SSL_CERT_FILE": str(self.stage.simulator.ca_path),
        }
        process = self.ground.processes.Process(target=victim.work, args=(environment, self.folder, order))
        process.start()
        try:
            yield process
        finally:
            if process.is_alive():
                os.kill(process.pid or 0, signal.SIGTERM)
            await asyncio.to_thread(process.join, 60)
            if process.is_alive():
                process.kill()

    async def subscribe(self) -> None:
        """Let an operator make the subscription, and end."""
        async with self.process():
            await self.reach(lambda end: end.well and end.known_alike and bool(end.live), "subscribed at first")

    async def reach(self, condition: Callable[[End], bool], what: str) -> End:
        """How it stands, once the condition holds."""

        def reached() -> End | None:
            self.stage.product.run(_GRACE_OVER)
            end = read_end(self.stage, self.row)
            return end if condition(end) else None

        return await eventually(reached, what, limit=LIMIT_SECONDS)

    def age(self) -> None:
        """What a dead process's claim, or its intent, would make the next one wait for is over."""
        self.stage.product.run(_CLAIMS_OVER)
        status = (self.stage.resource(self.row) or {}).get("status", {})
        if "pendingCreateTime" in status:
            begun = datetime.fromisoformat(status["pendingCreateTime"]) - timedelta(minutes=3)
            patch = json.dumps({"status": {"pendingCreateTime": write_time(begun)}})
            self.stage.kubectl("patch", "gms", self.row.name, "--subresource=status", "--type=merge", "-p", patch)

    @property
    def points(self) -> list[Point]:
        """What the last process has passed."""
        return read_trace(self.folder / "trace")


async def undisturbed(ground: Ground, scenario: Scenario) -> Undisturbed:
    """The deed, done in peace.

    Raises:
        LocalStackError: it never came to its end, so that there is nothing to compare with.
    """
    async with ground.world(scenario) as world:
        before = await _prepare(world, scenario)
        async with world.process():
            try:
                end = await world.reach(lambda end: scenario.complete(end, before), f"{scenario.name}, undisturbed")
            except AssertionError as error:
                raise LocalStackError(f"{error}; the operator's log: {world.folder / 'log'}") from error
        return Undisturbed(tuple(world.points), facts(end, before, lost=False))


async def strike(ground: Ground, scenario: Scenario, order: Order, peace: Undisturbed) -> Outcome:
    """The deed with a blow, and what came of it."""
    async with ground.world(scenario) as world:
        before = await _prepare(world, scenario)
        blow = _loses_an_answer if order.blow is Blow.LOSE else _is_killed
        struck, trouble = await blow(world, scenario, order, before, peace)
        shown = secrets_shown(world.stage, world.row, world.folder / "log")
        return Outcome(scenario.name, order, struck, "; ".join(filter(None, [trouble, *map(str, shown)])))


async def _loses_an_answer(
    world: World, scenario: Scenario, order: Order, before: str | None, peace: Undisturbed
) -> tuple[bool, str]:
    async with world.process(order):
        trouble = await _ends_as(world, scenario, before, peace, lost=True)
    return order.point in world.points, trouble


async def _is_killed(
    world: World, scenario: Scenario, order: Order, before: str | None, peace: Undisturbed
) -> tuple[bool, str]:
    async with world.process(order) as process:
        struck = await _dies(process, world, scenario, before)
    world.age()
    async with world.process():
        return struck, await _ends_as(world, scenario, before, peace, lost=False)


async def _prepare(world: World, scenario: Scenario) -> str | None:
    """The state that asks for the deed; the id of the subscription before it."""
    if scenario.subscribed:
        await world.subscribe()
    await scenario.begin(world.stage, world.row)
    world.stage.simulator.world.watch(world.row.mailbox)
    config = world.stage.product.run(_NAMED, world.row.id)
    if config:
        return str(config[0]["webhook_subscription_id"]) if config[0]["webhook_subscription_id"] else None
    status = (world.stage.resource(world.row) or {}).get("status", {})
    return status.get("subscriptionID")


async def _dies(process: ForkServerProcess, world: World, scenario: Scenario, before: str | None) -> bool:
    """Whether the process was killed; False when it did all of its work without passing that point."""

    def over() -> bool:
        return not process.is_alive() or scenario.complete(read_end(world.stage, world.row), before)

    await eventually(over, f"{scenario.name}: struck, or done", limit=LIMIT_SECONDS)
    # What comes last (events, the sweep) may still be struck a moment after the work is done.
    await asyncio.to_thread(process.join, 2)
    return process.exitcode == -signal.SIGKILL


async def _ends_as(world: World, scenario: Scenario, before: str | None, peace: Undisturbed, *, lost: bool) -> str:
    """How the end differs from the undisturbed one."""

    def told(end: End) -> dict[str, Any]:
        return facts(end, before, lost=lost)

    try:
        await world.reach(lambda end: scenario.complete(end, before) and told(end) == peace.facts, "the same end")
    except AssertionError:
        found = told(read_end(world.stage, world.row))
        different = {name: (peace.facts[name], found[name]) for name in found if found[name] != peace.facts[name]}
        return f"undisturbed, and now: {different or 'the work was never done'}; log: {world.folder / 'log'}"
    return ""


def orders(peace: Undisturbed, *, most: int) -> list[Order]:
    """Every blow that an undisturbed run has a place for: each point by SIGKILL, and each call whose answer may be lost."""
    points = [point for point in dict.fromkeys(peace.points) if point.occurrence <= most]
    kills = [Order(point, Blow.KILL) for point in points]
    return kills + [Order(point, Blow.LOSE) for point in points if point.phase is Phase.AFTER]


@asynccontextmanager
async def open_ground(state_dir: Path) -> AsyncIterator[Ground]:
    """The real parts, started afresh; all of it ends afterwards, the logs of the runs stay."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["chaos.victim"])
    with guarded(state_dir), ControlPlane(state_dir) as control_plane, PostgresServer(state_dir) as postgres:
        await asyncio.to_thread(serve_crd, control_plane)
        with psycopg.connect(postgres.create_database("product")) as connection:
            connection.execute(PRODUCT_SCHEMA.read_bytes())
        await migrate(postgres.url("product"))
        yield Ground(control_plane, postgres, "product", state_dir, processes)
