"""Whatever people and programs do to the resources, it is refused with a clear message or handled; nothing crashes, leaks or loops."""

import asyncio
import contextlib
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from graphmail.graph import read_marker
from graphmail.resource.names import ANNOTATION_RENEW
from graphsim.directory import Mailbox
from graphsim.subscriptions import Subscription
from localstack.processes import free_port
from support.command import start
from support.hand import Hand
from support.leftovers import OURS, Leftovers
from support.stage import Row, Running, Stage, condition_status
from support.transitions import ABSENT_SECRET, SECRETS, WRONG_SECRET, Mutator, Transition, Written
from support.waiting import eventually

SEED = int(os.environ.get("GRAPHMAIL_TEST_SEED", "20261124"))
"""Another one plays another campaign."""
TRANSITIONS = int(os.environ.get("GRAPHMAIL_TEST_TRANSITIONS", "1000"))
VERIFICATION_SECONDS = 6.0
EAGER = {
    "GRAPHMAIL_TICK_SECONDS": "2",
    "GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES": str(VERIFICATION_SECONDS / 60),
    "GRAPHMAIL_MIRROR_COMPARE_SECONDS": "5",
    "GRAPHMAIL_MIRROR_POLL_SECONDS": "4",
    "GRAPHMAIL_ABANDON_AFTER_MINUTES": "0",
    "GRAPHMAIL_LOG_FORMAT": "json",
}
AT_ONCE = 20
"""So many transitions come one upon the other; then the operator is let see them."""
CALLS_EACH = 1
"""More calls to Graph than this for each transition would be a loop."""


@dataclass(frozen=True)
class Process(Running):
    """An operator in a process of its own, with its log in a file."""

    process: asyncio.subprocess.Process
    log: Path

    async def answers_its_probes(self) -> bool:
        """Alive, and ready."""
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            base = self.metrics_url.removesuffix("/metrics")
            answers = [await client.get(f"{base}/{probe}") for probe in ("healthz", "readyz")]
        return [answer.status_code for answer in answers] == [200, 200]

    def lines(self) -> list[dict[str, Any]]:
        """Its log; every line of it is JSON, as none from a crash of the interpreter is."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def told_of(self, names: Container[str]) -> str:
        """The newest lines of its log about these resources."""
        return "\n".join([json.dumps(line) for line in self.lines() if line.get("resource") in names][-100:])


@asynccontextmanager
async def process(stage: Stage, log: Path) -> AsyncIterator[Process]:
    url = f"http://127.0.0.1:{free_port()}/metrics"
    with log.open("wb") as stderr:
        begun = await start(stage, "run", stderr=stderr.fileno(), GRAPHMAIL_METRICS_URL=url, **OURS, **EAGER)
    try:
        yield Process(url, begun, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            begun.send_signal(signal.SIGTERM)
        await begun.communicate()


@dataclass(frozen=True)
class World:
    """What there is to be covered."""

    stage: Stage
    mutator: Mutator
    mailboxes: dict[str, Mailbox]
    """By address."""
    rows: list[Row]

    async def expects(self) -> list[dict[str, Any]]:
        """The resources that are valid and not suspended: each has its mailbox to itself."""
        return [one for one in await self.mutator.resources() if wanted(one)]

    def live(self, resource: dict[str, Any]) -> list[Subscription]:
        """What Graph holds for the mailbox of a resource."""
        world = self.stage.simulator.world
        world.settle()
        return world.subscriptions.of_mailbox(self.mailboxes[resource["spec"]["mailbox"]].user_id)

    def complaint(self, resource: dict[str, Any], *, alone: bool) -> str | None:
        """What is wrong with one resource that should be covered; None: nothing is.

        Args:
            alone: there is also no other subscription for its mailbox, those aside that were left and are on record.
        """
        spec, status, live = resource["spec"], resource.get("status", {}), self.live(resource)
        held = next((one for one in live if one.id == status.get("subscriptionID")), None)
        if held is None:
            return "no live subscription of its mailbox is in its status"
        spare = [f"{one.id} for {one.notification_url}" for one in live if one.id not in {held.id, *self._on_record()}]
        if alone and spare:
            return f"live beside {held.id}: {spare}"
        mailbox = self.mailboxes[spec["mailbox"]]
        if held.folder != self.stage.simulator.world.directory.folder(mailbox, spec["folders"][0]).id:
            return "the subscription watches another folder"
        if held.change_types != set(spec["changeTypes"]):
            return "the subscription reports other changes"
        if not held.notification_url.startswith(spec["notificationURL"]):
            return "the subscription delivers elsewhere"
        return None if condition_status(status, "Ready") == "True" else "it is not Ready"

    async def complaints(self, *, alone: bool = False) -> dict[str, Any]:
        """All that is not as it should be, by resource."""
        found = {one["metadata"]["name"]: self.complaint(one, alone=alone) for one in await self.expects()}
        told: dict[str, Any] = {name: complaint for name, complaint in found.items() if complaint}
        missing = {row.name for row in self.rows} - {one["metadata"]["name"] for one in await self.mutator.resources()}
        for row in self.rows:
            if row.name in found and row.name not in told and not self._row_agrees(row):
                told[row.name] = "the row names another subscription"
        return told | dict.fromkeys(missing, "the mirror has not made it")

    def _on_record(self) -> set[str]:
        """What was left at Graph on purpose, or for want of a credential."""
        return {row["subscription_id"] for row in self.stage.product.run("TABLE graphmail.abandoned")}

    def _row_agrees(self, row: Row) -> bool:
        return self.stage.product.config(row.id)["webhook_subscription_id"] in {one.id for one in self.stage.live(row)}

    async def leaked(self) -> list[Subscription]:
        """Subscriptions that nobody owns, and that are on no record. A suspended resource's are not looked for."""
        resources = await self.mutator.resources()
        owned = {one.get("status", {}).get("subscriptionID") for one in resources}
        owned |= self._on_record()
        resting = {one["spec"]["providerID"] for one in resources if not wanted(one)}
        self.stage.simulator.world.settle()
        alive = self.stage.simulator.world.subscriptions.all()
        return [one for one in alive if one.id not in owned and provider_of(one) not in resting]


def wanted(resource: dict[str, Any]) -> bool:
    return not resource["spec"].get("suspend") and "deletionTimestamp" not in resource["metadata"]


def provider_of(subscription: Subscription) -> str:
    marker = read_marker(subscription.notification_url)
    return marker.provider if marker is not None else ""


@pytest.fixture
async def world(stage: Stage) -> AsyncIterator[World]:
    """Rows, and a person who writes resources under a few names, each of them for either of two mailboxes."""
    hand = Hand(stage)
    for secret in SECRETS:
        hand.app_only_secret(secret)
    hand.secret(WRONG_SECRET, directory_id=stage.entra.id, client_id=stage.app.client_id, client_secret="mistyped")
    rows = [stage.add_app_only() if number % 2 else stage.add_delegated() for number in range(6)]
    names = [f"own-{number}" for number in range(8)]
    written = [Written(name, (hand.mailbox(f"{name}-a"), hand.mailbox(f"{name}-b"))) for name in names]
    mailboxes = {row.address: row.mailbox for row in rows} | {one.upn: one for one in hand.mailboxes.values()}
    stage.fault("patch", "create", "delete", delay_seconds=0.05)
    async with Mutator(stage, written, [row.name for row in rows], random.Random(SEED)) as mutator:
        yield World(stage, mutator, mailboxes, rows)


async def seen(world: World) -> bool:
    """The operator has looked at what was changed last, as far as it may look at it."""
    return all(
        one.get("status", {}).get("observedGeneration") == one["metadata"]["generation"]
        for one in await world.mutator.resources()
        if wanted(one) and one["spec"]["credentials"].get("secretName") != ABSENT_SECRET
    )


async def mend(world: World) -> None:
    """What only a person can mend: Secrets that do not exist, suspensions, and what was told to be stalled."""
    for resource in await world.mutator.resources():
        name, spec = resource["metadata"]["name"], resource["spec"]
        changes: dict[str, Any] = {}
        if spec["credentials"].get("secretName") in {ABSENT_SECRET, WRONG_SECRET}:
            changes["spec"] = {"credentials": {"secretName": SECRETS[0]}}
        elif spec.get("suspend") and world.mutator.random.random() < 0.5:
            changes["spec"] = {"suspend": False}
        if name in world.mutator.stopped:
            changes["metadata"] = {"annotations": {ANNOTATION_RENEW: "mended"}}
        if changes:
            await world.mutator.send(Transition("mend", "PATCH", name, changes))


async def settled(world: World, operator: Process, *, alone: bool) -> None:
    """Return once nothing is left to complain of."""
    told: dict[str, Any] = {}

    async def nothing() -> bool:
        nonlocal told
        found = await world.complaints(alone=alone)
        leaving = [one for one in await world.mutator.resources() if "deletionTimestamp" in one["metadata"]]
        told = found | {one["metadata"]["name"]: "it is still on its way out" for one in leaving}
        return not told

    try:
        await eventually(nothing, "every valid resource is covered")
    except AssertionError as error:
        shown = [one for one in await world.mutator.resources() if one["metadata"]["name"] in told]
        raise AssertionError(f"{told}\n{json.dumps(shown)}\n{operator.told_of(told)}") from error


async def swept(world: World, leftovers: Leftovers) -> None:
    """Return once the sweep has left nothing that belongs to nobody."""

    async def clean() -> bool:
        await leftovers.fates()
        return not await world.leaked()

    await eventually(clean, "nothing is leaked")


@pytest.mark.timeout(1800)
async def test_whatever_is_done_to_resources_is_refused_or_handled(world: World, tmp_path: Path) -> None:
    stage, mutator, began = world.stage, world.mutator, time.monotonic()
    async with process(stage, tmp_path / "log") as operator:
        await eventually(lambda: _ready(operator), "the operator is ready")
        while mutator.sent.total() < TRANSITIONS:
            before = mutator.sent.total()
            while mutator.sent.total() < before + AT_ONCE:
                await mutator.play()
            with contextlib.suppress(AssertionError):
                await eventually(lambda: seen(world), "the operator has seen it", limit=2)
        await mend(world)
        await settled(world, operator, alone=False)
        await swept(world, Leftovers(stage))
        await settled(world, operator, alone=True)

        assert await operator.answers_its_probes()
        assert await operator.metric("graphmail_reconcile_errors_total", reason="Defect") == 0
        assert operator.process.returncode is None
        elapsed = time.monotonic() - began
    assert operator.process.returncode == 0
    assert [line for line in operator.lines() if "exception" in line or "Traceback" in str(line)] == []
    assert min(mutator.refusals, mutator.taken) > TRANSITIONS / 20, mutator.sent
    counted = Counter(call.route for call in stage.simulator.log.newest_first())
    verifications = counted.pop("get", 0)
    assert counted.total() <= CALLS_EACH * mutator.sent.total(), counted
    assert verifications <= len(world.mailboxes) * elapsed / VERIFICATION_SECONDS + 2 * mutator.sent.total()


async def _ready(operator: Process) -> bool:
    assert operator.process.returncode is None, operator.log.read_text()
    with contextlib.suppress(httpx.TransportError):
        return await operator.answers_its_probes()
    return False
