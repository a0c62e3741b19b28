"""The parts of the demo: started, stopped, and found again by a later process through the pidfiles in the state folder."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg

from demo import webhook
from demo.show import WIDE, shortened
from graphmail.resource.names import GROUP, PLURAL
from graphsim.client import SimulatorControl
from localstack.controlplane import ControlPlane
from localstack.messages import LocalStackError, home_relative, say, tail
from localstack.postgres import PostgresServer
from localstack.processes import BackgroundProcess, Record, free_port, started, stop_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHECKOUT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
"""Where the environment has its commands."""
COMMANDS = ("graphmail", "kubectl-graphmail", "graphsim")
NAMESPACE = "graphmail"
START_SECONDS = 300.0
STOP_SECONDS = 30.0
"""What the operator gets to stop in order."""
OWN_PREFIXES = ("GRAPHMAIL_", "GRAPHSIM_", "MICROSOFT_", "APPLICATION_URL", "KUBECONFIG")
"""What the caller's environment may hold of these is not meant for the demo."""
OPERATOR_SETTINGS = {"GRAPHMAIL_LOG_FORMAT": "json", "GRAPHMAIL_MIRROR_COMPARE_SECONDS": "10"}
"""Beside the fixed names: a log for machines, and deletions and first notifications noticed soon enough to be watched."""


class Stack:
    """The control plane, Postgres, the simulated Graph, the webhook and the operator, with all state in one folder."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir.absolute()
        self.cluster = ControlPlane(self.state_dir)
        self.postgres = PostgresServer(self.state_dir)
        self.operator = BackgroundProcess("operator", self.state_dir)
        self._simulator = BackgroundProcess("graphsim", self.state_dir)
        self._webhook = BackgroundProcess("webhook", self.state_dir)
        self._parts = {
            "etcd": BackgroundProcess("etcd", self.state_dir),
            "kube-apiserver": BackgroundProcess("kube-apiserver", self.state_dir),
            "postgres": BackgroundProcess("postgres", self.state_dir),
            "graphsim": self._simulator,
            "webhook": self._webhook,
            "operator": self.operator,
        }
        self._environment: dict[str, str] = {}

    # What is there

    @property
    def environment(self) -> Mapping[str, str]:
        """What `graphmail run` needs to know, by the names that are fixed for it. Empty before the start."""
        return self._environment

    @property
    def environment_file(self) -> Path:
        """The same, to be sourced by a shell."""
        return self.state_dir / "env"

    @property
    def database_url(self) -> str:
        """The product's database."""
        return self._environment["GRAPHMAIL_DATABASE_URL"]

    @property
    def metrics_url(self) -> str:
        """Where the operator serves its metrics."""
        return self._environment["GRAPHMAIL_METRICS_URL"]

    @property
    def bin(self) -> Path:
        """A folder for PATH, with kubectl, graphmail and graphsim."""
        return self.state_dir / "bin"

    def control(self) -> SimulatorControl:
        """The control of the simulated Graph."""
        return SimulatorControl.from_environment(self._environment)

    def kubectl(self, *arguments: str) -> str:
        """What kubectl prints. Raises LocalStackError with what it complains about."""
        return self.cluster.run_kubectl(*arguments)

    def fallen(self) -> list[BackgroundProcess]:
        """The parts that should run and do not."""
        return [part for part in self._parts.values() if part.pid is None]

    # Life

    def start(self) -> None:
        """Start all but the operator, with nothing in them. What an earlier demo left behind is ended and removed first.

        Raises LocalStackError when a part does not come up, with the end of its log.
        """
        if any(part.pid for part in self._parts.values()):
            say("Ending what an earlier demo has left running.")
        self.stop()
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self.operator.log.unlink(missing_ok=True)  # DEMO_PAUSE starts none, and an old log would look like this one's
        with ThreadPoolExecutor() as side_by_side:
            cluster = side_by_side.submit(self.cluster.start, fresh=True)
            postgres = side_by_side.submit(self.postgres.start, fresh=True)
            self._start_simulator()
            postgres.result()
            cluster.result()
        database_url = self.postgres.create_database("graphmail")
        simulated = json.loads((self._simulated / "graphsim.json").read_text())
        self._start_webhook(database_url, simulated)
        application = json.loads((self.state_dir / webhook.READY_FILE).read_text())
        self._environment = {
            "KUBECONFIG": str(self.cluster.kubeconfig),
            "GRAPHMAIL_DATABASE_URL": database_url,
            "GRAPHMAIL_NAMESPACE": NAMESPACE,
            "MICROSOFT_GRAPH_BASE_URL": simulated["graph_url"],
            "MICROSOFT_LOGIN_BASE_URL": simulated["login_url"],
            "APPLICATION_URL": application["application_url"],
            "SSL_CERT_FILE": simulated["ca_path"],
            "GRAPHSIM_CONTROL_URL": simulated["control_url"],
            "GRAPHMAIL_METRICS_URL": f"http://127.0.0.1:{free_port()}/metrics",
        }
        self._write_environment()
        self._write_programs()

    def prepare(self) -> None:
        """Make the product's tables and migrate them; make the namespace, and apply the CRD. Raises LocalStackError."""
        schema = (CHECKOUT / "tests" / "fixtures" / "product_schema.sql").read_bytes()
        with psycopg.connect(self.database_url) as connection:
            connection.execute(schema)
        self._graphmail("migrate")
        self.cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        # So that the commands that are shown need no -n.
        self.kubectl("config", "set-context", "--current", f"--namespace={NAMESPACE}")
        self.kubectl("apply", "-f", str(CHECKOUT / "crds"))
        self.cluster.await_definitions(f"{PLURAL}.{GROUP}")

    def start_operator(self) -> None:
        """Start `graphmail run` and wait until it says that it is ready. Raises LocalStackError with the end of its log."""
        self.operator.start(
            [PROGRAMS / "graphmail", "run"],
            ready=lambda: answers(self.metrics_url.replace("/metrics", "/readyz")),
            timeout=START_SECONDS,
            environ={**self.operator_environ(), **OPERATOR_SETTINGS},
        )

    def operator_environ(self) -> dict[str, str]:
        """The caller's environment with the demo's names instead of his own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OWN_PREFIXES)}
        caches = {name: value for name, value in os.environ.items() if name == "GRAPHMAIL_CACHE"}
        return {**kept, **caches, **self._environment, **_without_proxy(kept)}

    def stop(self) -> None:
        """End all parts and remove their data; the logs stay. Harmless when nothing runs."""
        self.operator.stop(STOP_SECONDS)
        stop_all([self._webhook.pidfile, self._simulator.pidfile])
        self.cluster.delete()
        self.postgres.delete()
        for folder in (self._simulated, self._tls, self.bin, self.state_dir / "kubectl-cache"):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.environment_file, self.state_dir / webhook.READY_FILE):
            file.unlink(missing_ok=True)
        self._environment = {}

    # How it is done

    @property
    def _simulated(self) -> Path:
        return self.state_dir / "graphsim"

    @property
    def _tls(self) -> Path:
        return self.state_dir / "webhook-tls"

    def _start_simulator(self) -> None:
        ready = self._simulated / "graphsim.json"
        self._simulator.start(
            [PROGRAMS / "graphsim", "serve", "--state-dir", self._simulated], ready=ready.exists, timeout=START_SECONDS
        )

    def _start_webhook(self, database_url: str, simulated: Mapping[str, Any]) -> None:
        with SimulatorControl(simulated["control_url"]) as control:
            issued = control.issue_certificate("localhost", "127.0.0.1")
        self._tls.mkdir(mode=0o700)
        certificate, key = self._tls / "tls.crt", self._tls / "tls.key"
        certificate.write_text(issued.certificate)
        key.write_text(issued.private_key)
        self._webhook.start(
            [
                *(sys.executable, "-m", "demo.webhook", "--state-dir", self.state_dir),
                *("--certificate", certificate, "--key", key),
            ],
            ready=(self.state_dir / webhook.READY_FILE).exists,
            timeout=START_SECONDS,
            environ={
                **os.environ,
                "PYTHONPATH": str(CHECKOUT / "hack"),
                webhook.DATABASE_VARIABLE: database_url,
            },
        )

    def _graphmail(self, *arguments: str) -> None:
        command = [str(PROGRAMS / "graphmail"), *arguments]
        answer = subprocess.run(command, env=self.operator_environ(), capture_output=True, text=True, check=False)
        if answer.returncode:
            raise LocalStackError(f"graphmail {' '.join(arguments)} failed:\n{answer.stderr.strip()}")

    def _write_environment(self) -> None:
        lines = [f"export {name}={quoted(value)}\n" for name, value in self._environment.items()]
        self.environment_file.write_text("".join(lines))

    def _write_programs(self) -> None:
        self.bin.mkdir()
        for name in COMMANDS:
            (self.bin / name).symlink_to(PROGRAMS / name)
        # A wrapper and no link: kubectl would otherwise keep its cache in ~/.kube.
        kubectl = self.bin / "kubectl"
        cache = shlex.quote(str(self.state_dir / "kubectl-cache"))
        kubectl.write_text(f'#!/bin/sh\nKUBECACHEDIR={cache} exec {shlex.quote(str(self.cluster.kubectl))} "$@"\n')
        kubectl.chmod(0o755)


def quoted(value: str) -> str:
    """A value in single quotes, as a shell reads it."""
    escaped = value.replace("'", "'\\''")
    return f"'{escaped}'"


def answers(url: str) -> bool:
    """Whether that URL answers with 200. The environment's proxies are left out of it."""
    try:
        return httpx.get(url, trust_env=False, timeout=5.0).status_code == 200
    except httpx.HTTPError:
        return False


def _without_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """Nothing in the demo is behind the caller's proxy. Programs differ in which spelling they read."""
    spared = ",".join(filter(None, [environ.get("no_proxy") or environ.get("NO_PROXY"), "localhost,127.0.0.1"]))
    return {"no_proxy": spared, "NO_PROXY": spared}


def complaint(part: BackgroundProcess) -> str:
    """What is said about a part that has ended by itself."""
    lines = (shortened(line, WIDE) for line in tail(part.log).splitlines())
    return "\n".join([f"{part.name} has ended; its log, {home_relative(part.log)}, closes with", *lines])


@contextmanager
def only_one(state_dir: Path) -> Iterator[None]:
    """See to it that one demo runs in this folder, and that `demo down` finds it.

    Raises LocalStackError when another one runs. The kernel lets go of the lock when its holder dies.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    pidfile = state_dir / "demo.pid"
    with (state_dir / "demo.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalStackError(
                f"a demo is running in {home_relative(state_dir.absolute())}: end it there with Ctrl-C, or with make demo-down"
            ) from None
        Record(os.getpid(), started(os.getpid()) or "", signal.SIGTERM).write(pidfile)
        try:
            yield
        finally:
            pidfile.unlink(missing_ok=True)


def end_running(state_dir: Path) -> None:
    """Tell a demo that runs in this folder to end, and wait until it has ended all its parts."""
    stop_all([state_dir / "demo.pid"], grace=2 * STOP_SECONDS)
