"""Two replicas of `graphmail run`, as a Deployment would keep them: what ends is started again."""

import contextlib
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from demo.stack import answers
from localstack.messages import LocalStackError, tail
from localstack.processes import BackgroundProcess, Record, free_port, wait_until
from rig.parts import PROGRAMS, Parts

START_SECONDS = 300.0
TAKE_OVER_SECONDS = 300.0
STOP_SECONDS = 120.0
STORES_SECONDS = 6.0
"""The operator asks a store that is away every 5 seconds whether it is back."""


@dataclass(slots=True)
class Replica:
    """One process, with a log of its own."""

    process: BackgroundProcess
    metrics_url: str
    memory: list[tuple[float, int]] = field(default_factory=list)
    """Simulated seconds since 1970, and resident bytes then, while it acted."""
    tasks: list[tuple[float, int]] = field(default_factory=list)
    """Simulated seconds since 1970, and the tasks of its event loop then, while it acted."""
    ended: int | None = None
    """The signal that we sent it."""

    @property
    def alive(self) -> bool:
        """It runs."""
        return self.process.pid is not None

    def acts(self) -> bool:
        """It holds the lease and is ready, as its metrics and probes say."""
        leads = _values("graphmail_leader", self.metrics()) == ["1.0"]
        return leads and answers(self.metrics_url.replace("/metrics", "/readyz"))

    def has_stores(self) -> bool:
        """It counts both stores as up."""
        return _values("graphmail_store_up", self.metrics()) == ["1.0", "1.0"]

    def measure(self, now: float) -> None:
        """Note its memory and the tasks of its event loop, if it acts: one that stands by has next to none."""
        pid, text = self.process.pid, self.metrics()
        if pid is None or _values("graphmail_leader", text) != ["1.0"]:
            return
        with contextlib.suppress(psutil.Error):
            self.memory.append((now, psutil.Process(pid).memory_info().rss))
        for value in _values("graphmail_asyncio_tasks", text):
            if value != "NaN":
                self.tasks.append((now, int(float(value))))

    def metrics(self) -> str:
        """What it tells Prometheus; nothing while it does not answer."""
        try:
            return httpx.get(self.metrics_url, trust_env=False, timeout=5.0).text
        except httpx.HTTPError:
            return ""


def _values(name: str, text: str) -> list[str]:
    """The values of a metric's series."""
    return re.findall(rf"^{name}(?:{{.*}})? (.+)$", text, re.MULTILINE)


class Replicas:
    """Keeps two of them running."""

    def __init__(self, parts: Parts, namespace: str, settings: Mapping[str, str]) -> None:
        self._parts = parts
        self._environ = {**parts.environ(namespace), **settings}
        self.all: list[Replica] = []
        """Every process there was, those that have ended too."""
        self.restarts = 0
        self.unplanned = 0
        """Of them those that nobody but the operator itself has brought about."""

    @property
    def logs(self) -> list[Path]:
        """The log of each process."""
        return [replica.process.log for replica in self.all]

    def start(self) -> None:
        """Start one more."""
        number, url = len(self.all) + 1, f"http://127.0.0.1:{free_port()}/metrics"
        replica = Replica(BackgroundProcess(f"operator-{number:02d}", self._parts.state_dir), url)
        health = url.replace("/metrics", "/healthz")
        replica.process.start(
            [PROGRAMS / "graphmail", "run"],
            ready=lambda: answers(health),
            timeout=START_SECONDS,
            environ={**self._environ, "GRAPHMAIL_METRICS_URL": url},
        )
        self.all.append(replica)

    def running(self) -> list[Replica]:
        """Those that run."""
        return [replica for replica in self.all if replica.alive]

    def acting(self) -> Replica:
        """The one that acts; it is waited for.

        Raises LocalStackError when there is none in time.
        """
        deadline = time.monotonic() + TAKE_OVER_SECONDS
        while time.monotonic() < deadline:
            for replica in self.running():
                if replica.acts():
                    return replica
            self.revive()
            time.sleep(0.1)
        newest = self.all[-1].process
        raise LocalStackError(f"no replica acts; the log of the newest, {newest.log}, closes with\n{tail(newest.log)}")

    def await_stores(self) -> None:
        """Wait until the one that acts has the stores again, and goes on having them: what is broken of old connections shows soon.

        Raises LocalStackError when that takes too long.
        """
        deadline, since = time.monotonic() + TAKE_OVER_SECONDS, time.monotonic()
        while time.monotonic() - since < STORES_SECONDS:
            if time.monotonic() > deadline:
                raise LocalStackError("the replica that acts does not find the stores again")
            if not self.acting().has_stores():
                since = time.monotonic()
            time.sleep(0.2)

    def end_acting(self, number: signal.Signals) -> int:
        """End the one that acts, wait until another one acts, and start what is missing; the process id of the one that is gone."""
        replica = self.acting()
        replica.ended = number
        record = Record.read(replica.process.pidfile)
        if record is None:
            raise LocalStackError(f"{replica.process.name} has ended by itself")
        record.signal(number)
        if not wait_until(lambda: not replica.alive, STOP_SECONDS):
            raise LocalStackError(f"{replica.process.name} did not end within {STOP_SECONDS:.0f} s of {number.name}")
        replica.process.wait()
        self.acting()
        self.revive()
        return record.pid

    def revive(self) -> bool:
        """Start what is missing, as a kubelet does; whether anything was."""
        missing = 2 - len(self.running())
        for _ in range(missing):
            self.start()
            self.restarts += 1
        self.unplanned = sum(not replica.alive and replica.ended is None for replica in self.all)
        return missing > 0

    def stop(self) -> None:
        """End all, in order."""
        for replica in self.running():
            replica.ended = signal.SIGTERM
            replica.process.stop(STOP_SECONDS)
