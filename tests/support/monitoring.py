"""A real Prometheus, a real Alertmanager, and whoever they notify."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import yaml
from aiohttp import web

from localstack.cache import Cache
from localstack.processes import BackgroundProcess, free_port, guarded
from localstack.toolchain import ALERTMANAGER, PROMETHEUS, Tool, Toolchain
from support.waiting import eventually

START_SECONDS = 300.0
Labels = dict[str, str]


def program(tool: Tool, name: str) -> Path:
    """One of the programs that are built for the tests."""
    return Toolchain(Cache.default(), os.environ).program(tool, name)


class _Server:
    """A program that answers at `/-/ready` of a port of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process = BackgroundProcess(name, folder)
        self._client = httpx.AsyncClient(
            base_url=self.url, trust_env=False, verify=False, timeout=30.0
        )  # over plain http

    async def run(self, tool: Tool, *arguments: str) -> None:
        """Start it and wait until it is ready."""
        command = [program(tool, self.process.name), *arguments, f"--web.listen-address={self.url.split('//')[1]}"]
        await asyncio.to_thread(self.process.start, command, ready=self._ready, timeout=START_SECONDS)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", trust_env=False, verify=False).status_code == 200
        except httpx.TransportError:
            return False

    async def stop(self) -> None:
        """End it; nothing happens when it does not run."""
        await self._client.aclose()
        await asyncio.to_thread(self.process.stop)

    async def get(self, path: str, **query: Any) -> httpx.Response:
        """What it answers.

        Raises:
            AssertionError: it refuses; the text has its reason.
        """
        return await self._ask("GET", path, params=query)

    async def _ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        response = await self._client.request(method, path, **content)
        assert response.is_success, f"{method} {path} {content}: {response.status_code} {response.text}"
        return response


class Prometheus(_Server):
    """Evaluates every second, and scrapes every five: that is also what it waits for an answer, and one that is late ends all series."""

    def __init__(self, folder: Path) -> None:
        super().__init__("prometheus", folder)
        self._rules = folder / "rules.yaml"
        self._targets = folder / "targets.json"

    async def start(self, targets: Iterable[tuple[str, Labels]], rules: dict[str, Any], alertmanager: str = "") -> None:
        """Scrape these `host:port`, each with labels of its own, and tell the Alertmanager at that URL what fires."""
        self._rules.write_text(yaml.safe_dump(rules))
        await self.scrape(targets)
        config = {
            "global": {"scrape_interval": "5s", "evaluation_interval": "1s"},
            "rule_files": [str(self._rules)],
            "scrape_configs": [
                {
                    "job_name": "graphmail",
                    "honor_labels": True,  # as the chart's ServiceMonitor
                    "file_sd_configs": [{"files": [str(self._targets)]}],
                }
            ],
        }
        if alertmanager:
            static = [{"targets": [alertmanager.split("//")[1]]}]
            config["alerting"] = {"alertmanagers": [{"static_configs": static}]}
        file = self.folder / "prometheus.yaml"
        file.write_text(yaml.safe_dump(config))
        storage = f"--storage.tsdb.path={self.folder / 'data'}"
        await self.run(PROMETHEUS, f"--config.file={file}", storage, "--web.enable-lifecycle")

    async def scrape(self, targets: Iterable[tuple[str, Labels]]) -> None:
        """Scrape these from now on, which it notices by itself."""
        listed = [{"targets": [target], "labels": labels} for target, labels in targets]
        new = self._targets.with_suffix(".new")
        await asyncio.to_thread(new.write_text, json.dumps(listed))
        await asyncio.to_thread(new.replace, self._targets)

    async def take_rules(self, rules: dict[str, Any]) -> None:
        """Go by these rules from now on."""
        self._rules.write_text(yaml.safe_dump(rules))
        await self._ask("POST", "/-/reload")

    async def query(self, expression: str, **query: Any) -> list[dict[str, Any]]:
        """The series that an expression answers with now."""
        answer = (await self.get("/api/v1/query", query=expression, **query)).json()
        assert answer["status"] == "success", answer
        return list(answer["data"]["result"])

    async def firing(self) -> list[Labels]:
        """The labels of all alerts that fire."""
        alerts = (await self.get("/api/v1/alerts")).json()["data"]["alerts"]
        return [alert["labels"] for alert in alerts if alert["state"] == "firing"]


class Alertmanager(_Server):
    """Takes alerts, and notifies as its file says."""

    def __init__(self, folder: Path) -> None:
        super().__init__("alertmanager", folder)

    async def start(self, config: dict[str, Any]) -> None:
        file = self.folder / "alertmanager.yaml"
        file.write_text(yaml.safe_dump(config))
        storage = f"--storage.path={self.folder / 'alerts'}"
        await self.run(ALERTMANAGER, f"--config.file={file}", storage, "--cluster.listen-address=")

    async def take(self, alerts: list[dict[str, Any]]) -> None:
        """Take alerts as from a Prometheus."""
        await self._ask("POST", "/api/v2/alerts", json=alerts)

    async def inhibited(self) -> list[dict[str, Any]]:
        """The alerts that it keeps to itself because of another one."""
        alerts = (await self.get("/api/v2/alerts", active="true", inhibited="true")).json()
        return [alert for alert in alerts if alert["status"]["inhibitedBy"]]

    async def kept_back(self) -> float:
        """How often a notification that was due was not sent since another alert inhibits it."""
        lines = (await self.get("/metrics")).text.splitlines()
        series = 'alertmanager_notifications_suppressed_total{reason="inhibition"}'
        return sum(float(line.split()[-1]) for line in lines if line.startswith(series))


@dataclass
class Receiver:
    """Whoever is notified, over http."""

    url: str = ""
    notifications: list[dict[str, Any]] = field(default_factory=list)
    """In the order of their arrival; `receiver` is the name of the receiver in Alertmanager's file."""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.notifications.append(await request.json())
        return web.Response()

    def alerts(self, name: str, status: str = "firing") -> list[dict[str, Any]]:
        """What it was told of an alert, the earliest first."""
        told = [alert for notification in self.notifications for alert in notification["alerts"]]
        return [alert for alert in told if alert["labels"]["alertname"] == name and alert["status"] == status]

    def receivers(self, name: str) -> set[str]:
        """To whom of Alertmanager's file it was told of an alert."""
        return {note["receiver"] for note in self.notifications if note["groupLabels"]["alertname"] == name}

    async def alert(self, name: str, status: str = "firing") -> dict[str, Any]:
        """The first that it is told of an alert."""
        return (await eventually(lambda: self.alerts(name, status), f"notified of {name}, {status}"))[0]


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Prometheus, Alertmanager]]:
    """Both, to be started by whoever uses them, and stopped in any case."""
    folders = [folder / name for name in ("prometheus", "alertmanager")]
    for one in folders:
        one.mkdir(parents=True)
    prometheus, alertmanager = Prometheus(folders[0]), Alertmanager(folders[1])
    with guarded(folders[0]), guarded(folders[1]):
        try:
            yield prometheus, alertmanager
        finally:
            for server in (prometheus, alertmanager):
                await server.stop()
