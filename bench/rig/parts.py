"""The parts of a bench: control plane, Postgres, the simulated Graph, and the programs that are measured, each a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg

from demo.stack import OWN_PREFIXES, answers
from graphmail.resource.names import GROUP, PLURAL
from graphsim.client import SimulatorControl
from localstack.cache import Cache, locked
from localstack.controlplane import ControlPlane
from localstack.messages import LocalStackError
from localstack.postgres import PostgresServer
from localstack.processes import BackgroundProcess, free_port, guarded, stop_all
from localstack.toolchain import CLUSTER_TOOLS, Toolchain
from rig.meter import family_cpu

CHECKOUT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
INSTALLATION = "bench"
"""The operator's mark in notification URLs."""
START_SECONDS = 300.0
STOP_SECONDS = 30.0
DATABASE = "graphmail"


class Parts:
    """All of it in one folder. What an earlier run left behind there is ended first."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir.absolute()
        self.cluster = ControlPlane(self.state_dir)
        self.postgres = PostgresServer(self.state_dir)
        self.metrics_url = f"http://127.0.0.1:{free_port()}/metrics"
        self._simulator = BackgroundProcess("graphsim", self.state_dir)
        self._simulated: Mapping[str, str] = {}

    # --- what all have in common -------------------------------------------------------------------------------------

    @contextmanager
    def running(self) -> Iterator["Parts"]:
        """Control plane, Postgres with the product's tables, and the simulator; all of it ends afterwards, the logs stay."""
        Toolchain(Cache.default(), os.environ).prepare(CLUSTER_TOOLS)
        self.state_dir.mkdir(parents=True, exist_ok=True)
        with locked(self.state_dir / "bench.lock", waiting_for="another bench"), guarded(self.state_dir):
            try:
                self._start()
                yield self
            finally:
                self._stop()

    def _start(self) -> None:
        stop_all(list(self.state_dir.glob("*.pid")))
        shutil.rmtree(self._simulator_dir, ignore_errors=True)
        with ThreadPoolExecutor() as side_by_side:
            cluster = side_by_side.submit(self.cluster.start, fresh=True)
            postgres = side_by_side.submit(self.postgres.start, fresh=True)
            ready = self._simulator_dir / "graphsim.json"
            self._simulator.start(
                [PROGRAMS / "graphsim", "serve", "--state-dir", self._simulator_dir, "--set", "handshake=false"],
                ready=ready.exists,
                timeout=START_SECONDS,
            )
            postgres.result()
            cluster.result()
        self._simulated = json.loads(ready.read_text())
        self.cluster.run_kubectl("apply", "-f", str(CHECKOUT / "crds"))
        self.cluster.await_definitions(f"{PLURAL}.{GROUP}")

    def _stop(self) -> None:
        stop_all([self._simulator.pidfile])
        self.cluster.delete()
        self.postgres.delete()

    def cpu(self) -> dict[str, float]:
        """Seconds of processor time that each part beside the operator has used so far."""
        names = {"API server": "kube-apiserver", "etcd": "etcd", "Postgres": "postgres", "simulator": "graphsim"}
        pids = {part: BackgroundProcess(name, self.state_dir).pid for part, name in names.items()}
        return {part: family_cpu(pid) for part, pid in pids.items() if pid is not None}

    @property
    def _simulator_dir(self) -> Path:
        return self.state_dir / "graphsim"

    @property
    def graph_url(self) -> str:
        """The simulated Graph, up to and with `/v1.0`."""
        return self._simulated["graph_url"]

    @property
    def login_url(self) -> str:
        """The simulated sign-in."""
        return self._simulated["login_url"]

    @property
    def ca_path(self) -> str:
        """The certificate of both."""
        return self._simulated["ca_path"]

    @property
    def database_url(self) -> str:
        """The product's database."""
        return self.postgres.url(DATABASE)

    def control(self) -> SimulatorControl:
        """The control of the simulated Graph. A whole world is seeded in one call, so it may take its time."""
        return SimulatorControl(self._simulated["control_url"], timeout=300.0)

    def fresh_database(self) -> None:
        """The product's tables, empty, in a new database, with the operator's migrations, and the index that docs/database.md advises."""
        self.postgres.drop_database(DATABASE)
        self.postgres.create_database(DATABASE)
        with psycopg.connect(self.database_url) as connection:
            connection.execute((CHECKOUT / "tests" / "fixtures" / "product_schema.sql").read_bytes())
        command = [str(PROGRAMS / "graphmail"), "migrate"]
        answer = subprocess.run(command, env=self.environ("none"), capture_output=True, text=True, check=False)
        if answer.returncode:
            raise LocalStackError(f"graphmail migrate failed:\n{answer.stderr.strip()}")
        with psycopg.connect(self.database_url) as connection:
            connection.execute(
                "CREATE INDEX email_provider_health_lookup ON email_provider_health (tenant, provider_id)"
            )

    def fresh_namespace(self, name: str) -> None:
        """An empty namespace."""
        self.cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})

    def resources_path(self, namespace: str) -> str:
        """Where the API server has our resources of that namespace."""
        return f"/apis/graphmail.dev/v1alpha1/namespaces/{namespace}/{PLURAL}"

    # --- the programs ------------------------------------------------------------------------------------------------

    def environ(self, namespace: str) -> dict[str, str]:
        """The caller's environment with the bench's names in place of his own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OWN_PREFIXES)}
        return kept | {
            "KUBECONFIG": str(self.cluster.kubeconfig),
            "GRAPHMAIL_DATABASE_URL": self.database_url,
            "GRAPHMAIL_NAMESPACE": namespace,
            "GRAPHMAIL_INSTALLATION": INSTALLATION,
            "GRAPHMAIL_METRICS_URL": self.metrics_url,
            "GRAPHMAIL_LEADER_ELECTION": "false",
            "GRAPHMAIL_LOG_FORMAT": "json",
            "MICROSOFT_GRAPH_BASE_URL": self.graph_url,
            "MICROSOFT_LOGIN_BASE_URL": self.login_url,
            "APPLICATION_URL": "https://desk.example.com",
            "SSL_CERT_FILE": self.ca_path,
            "PYTHONPATH": f"{CHECKOUT / 'bench'}:{CHECKOUT / 'hack'}",
            "no_proxy": "localhost,127.0.0.1",
            "NO_PROXY": "localhost,127.0.0.1",
        }

    @contextmanager
    def operator(self, namespace: str, settings: Mapping[str, str]) -> Iterator[int]:
        """`graphmail run`, from the moment it is ready; its process id."""
        ready = self.metrics_url.replace("/metrics", "/readyz")
        with self.program(
            "operator",
            [PROGRAMS / "graphmail", "run"],
            self.environ(namespace) | dict(settings),
            ready=lambda: answers(ready),
        ) as pid:
            yield pid

    @contextmanager
    def program(
        self,
        name: str,
        command: Sequence[str | Path],
        environ: Mapping[str, str],
        *,
        ready: Callable[[], bool] = lambda: True,
    ) -> Iterator[int]:
        """A program that is measured; its process id. Its log is `<name>.log` in the folder."""
        process = BackgroundProcess(name, self.state_dir)
        process.start(command, ready=ready, timeout=START_SECONDS, environ=environ)
        try:
            if process.pid is None:
                raise LocalStackError(f"{name} has ended; its log is {process.log}")
            yield process.pid
        finally:
            process.stop(STOP_SECONDS)
