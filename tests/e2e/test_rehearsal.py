"""The rehearsal of docs/quickstart.md, by its own commands, from the checkout to an alert that comes and goes.

Left out: the five minutes for which the alert must hold before it fires.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from demo.scenario import PROVIDERS
from e2e.demos import Demo
from localstack.cache import Cache
from localstack.processes import free_port, guarded
from support.shell import Shell, linked_checkout, story
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

STOP_SECONDS = 120.0
PAGES_ADDRESS = "127.0.0.1:9090"


@dataclass(frozen=True)
class Rehearsal:
    """Whoever rehearses, with as many terminals as the page asks for."""

    shell: Shell
    prometheus: str
    """Its `host:port`; the page's may be taken."""

    async def follow(self, *names: str) -> None:
        """Type these blocks, and see that each succeeds."""
        for block in story("quickstart.md", *names):
            ran = await self.shell.type(block.typed)
            assert ran.code == 0, f"{block.where}\n{ran.out}\n{ran.err}"

    @asynccontextmanager
    async def terminal(self, name: str) -> AsyncIterator[None]:
        """Another terminal, in which that block runs until the end."""
        [block] = story("quickstart.md", name)
        typed = block.typed.replace(PAGES_ADDRESS, self.prometheus)
        with (self.shell.folder / f"{name}.log").open("ab") as log:
            running = await self.shell.begin(f"exec {typed}", log.fileno())
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                running.terminate()  # as Ctrl-C, to which what a test begins in the background may be deaf
            await asyncio.wait_for(running.wait(), STOP_SECONDS)

    async def ask(self, path: str, **query: str) -> dict[str, Any]:
        """What Prometheus answers; nothing while it starts."""
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                answer = await client.get(f"http://{self.prometheus}/api/v1/{path}", params=query)
            except httpx.TransportError:
                return {}
        return dict(answer.json()["data"]) if answer.is_success else {}

    async def well(self) -> bool:
        """Whether Prometheus knows of an operator that covers every mailbox that it should, and of no alert that there is none."""
        asked = await self.ask("query", query='count(graphmail_subscription_ready{namespace="graphmail"} == 1)')
        covered = [int(one["value"][1]) for one in asked.get("result", [])]
        return covered == [sum(provider.expected.ready for provider in PROVIDERS)] and not await self.alerts()

    async def alerts(self) -> list[dict[str, Any]]:
        """What it says of the first alert."""
        found: list[dict[str, Any]] = (await self.ask("alerts")).get("alerts", [])
        return [alert for alert in found if alert["labels"]["alertname"] == "GraphMailOperatorAbsent"]


async def test_whoever_rehearses_sees_the_first_alert_come_and_go(tmp_path: Path) -> None:
    checkout = linked_checkout(tmp_path / "checkout")
    demo = Demo(checkout / ".demo")
    demo.state_dir.mkdir()
    (tmp_path / "home").mkdir()
    shell = Shell(tmp_path / "home", {"GRAPHMAIL_CACHE": str(Cache.default().root)}, checkout)
    rehearsal = Rehearsal(shell, f"127.0.0.1:{free_port()}")
    with guarded(demo.state_dir):
        try:
            paused = await asyncio.to_thread(demo.make, "demo", "DEMO_PAUSE=1")
            assert paused.returncode == 0, paused.stdout
            await rehearsal.follow("rehearsal")
            await drill(rehearsal)
        finally:
            await asyncio.to_thread(demo.make, "demo-down")


async def drill(rehearsal: Rehearsal) -> None:
    async with rehearsal.terminal("rehearsal prometheus"):
        async with rehearsal.terminal("rehearsal operator"):
            await eventually(rehearsal.well, "Prometheus sees the demo's mailboxes covered")
            await rehearsal.follow("rehearsal look")
        [alert] = await eventually(rehearsal.alerts, "the alert has come")
        assert (alert["state"], alert["labels"]["namespace"]) == ("pending", "graphmail")
        async with rehearsal.terminal("rehearsal operator"):
            await eventually(rehearsal.well, "the alert has gone")
