"""``python -m localstack tools|up|down|status``: the local control plane and Postgres from a command line."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from localstack.cache import Cache
from localstack.controlplane import ControlPlane
from localstack.messages import home_relative, run_main, say, step
from localstack.postgres import PostgresServer
from localstack.postgres_placement import find_programs
from localstack.toolchain import CLUSTER_TOOLS, TEST_TOOLS, Toolchain

DATABASE = "graphmail"


def main() -> None:
    """Parse the command line and do what it asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m localstack", description="A local control plane and a local Postgres."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    tools = commands.add_parser("tools", help="build what is needed into the cache")
    tools.add_argument(
        "--tests", action="store_true", help="also what only the tests need: Helm, Prometheus, Alertmanager"
    )
    up = commands.add_parser("up", help="start both; nothing happens when they run")
    up.add_argument("--fresh", action="store_true", help="throw away the data of an earlier run")
    down = commands.add_parser("down", help="stop both")
    down.add_argument("--delete", action="store_true", help="remove their data as well")
    status = commands.add_parser("status", help="say what runs, and where")
    for command in (up, down, status):
        command.add_argument("--state-dir", type=Path, default=Path(".cluster"), help="default: .cluster")
    options = parser.parse_args()

    if options.command == "tools":
        find_programs()  # a missing Postgres is told before minutes are spent on the rest
        Toolchain(Cache.default(), os.environ).prepare(TEST_TOOLS if options.tests else CLUSTER_TOOLS)
    elif options.command == "up":
        _up(options.state_dir, fresh=options.fresh)
    elif options.command == "down":
        _down(options.state_dir, delete=options.delete)
    else:
        _status(options.state_dir)


def _up(state_dir: Path, *, fresh: bool) -> None:
    Toolchain(Cache.default(), os.environ).prepare(CLUSTER_TOOLS)
    cluster, postgres = ControlPlane(state_dir), PostgresServer(state_dir)
    if fresh or not cluster.running():
        with step(f"Starting etcd and kube-apiserver in {home_relative(state_dir.absolute())} (about 3 s)"):
            cluster.start(fresh=fresh)
    if fresh or not postgres.running():
        with step(f"Starting Postgres in {home_relative(state_dir.absolute())} (about 1 s)"):
            postgres.start(fresh=fresh)
    postgres.ensure_database(DATABASE)
    say("")
    say("Both are running. To use them from this shell:")
    _exports(cluster, postgres)


def _exports(cluster: ControlPlane, postgres: PostgresServer) -> None:
    say(f"  export KUBECONFIG={cluster.kubeconfig}")
    say(f"  export GRAPHMAIL_DATABASE_URL={postgres.url(DATABASE)}")
    say(f"  export PATH={cluster.kubectl.parent}:$PATH   # kubectl")
    say(f"  export KUBECACHEDIR={cluster.state_dir / 'kubectl-cache'}   # else kubectl keeps its cache in ~/.kube")


def _down(state_dir: Path, *, delete: bool) -> None:
    for part in (ControlPlane(state_dir), PostgresServer(state_dir)):
        if delete:
            part.delete()
        else:
            part.stop()
    say("Stopped." if not delete else "Stopped, and the data are removed.")


def _status(state_dir: Path) -> None:
    cluster, postgres = ControlPlane(state_dir), PostgresServer(state_dir)
    say(f"control plane: {cluster.url if cluster.running() else 'not running'}")
    say(f"Postgres:      {postgres.url(DATABASE) if postgres.running() else 'not running'}")
    if cluster.running() and postgres.running():
        _exports(cluster, postgres)


if __name__ == "__main__":
    sys.exit(run_main(main))
