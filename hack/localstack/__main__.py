"""``python -m localstack tools|up|down|status``: the local control plane and Postgres from a command line."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from localstack.cache import Cache
from localstack.controlplane import ControlPlane
from localstack.messages import run_main, say
from localstack.toolchain import ETCD, KUBERNETES, TOOLS, Toolchain


def main() -> None:
    toolchain = Toolchain(Cache.default(), os.environ)
    for tool in TOOLS.values():
        for p in tool.packages:
            toolchain.program(tool, p)
    if sys.argv[1] == "up":
        c = ControlPlane(Path(".cluster")).start()
        say(f"export KUBECONFIG={c.kubeconfig}")
    if sys.argv[1] == "down":
        ControlPlane(Path(".cluster")).stop()


if __name__ == "__main__":
    sys.exit(run_main(main))
