"""A demo in a folder of its own, with the commands that a user has."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from localstack.processes import Record, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKOUT = Path(__file__).parents[2]
PARTS = ("etcd", "kube-apiserver", "postgres", "graphsim", "webhook")

_AT_A_TERMINAL = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("demo", run_name="__main__")
"""
"""Ctrl-C reaches it, also when the tests run in the background of a shell, where children are started to ignore it."""


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo's folder, and the commands that a user has."""

    state_dir: Path

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`make` with these arguments, and all that it printed in `stdout`."""
        command = ["make", *arguments]
        return subprocess.run(
            command, cwd=CHECKOUT, env=self._environ(), text=True, stdout=-1, stderr=subprocess.STDOUT, check=False
        )

    def begin(self, **variables: str) -> subprocess.Popen[bytes]:
        """A demo that is still running when this returns; its output goes to `output.txt` in the folder's parent."""
        environ = {**self._environ(), "PYTHONPATH": str(CHECKOUT / "hack"), **variables}
        with self.output.open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-c", _AT_A_TERMINAL],
                cwd=CHECKOUT,
                env=environ,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> Path:
        """What a demo that was begun has printed."""
        return self.state_dir.parent / "output.txt"

    def running(self) -> set[str]:
        """The names of all parts that run."""
        records = {path.stem: Record.read(path) for path in self.state_dir.glob("*.pid")}
        return {name for name, record in records.items() if record and record.alive()}

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something; fail with its name, and with what the demo has printed, when it does not come."""
        printed = self.output.read_text if self.output.exists() else str
        assert wait_until(condition, 300.0), f"{what}\n{printed()}"

    def environment(self) -> dict[str, str]:
        """What a shell has in its environment that has sourced the demo's `env`, beside what it had before."""
        bare = {"PATH": os.environ["PATH"]}
        script = f". {self.state_dir}/env && env -0"
        printed = subprocess.run(["sh", "-c", script], env=bare, capture_output=True, text=True, check=True).stdout
        pairs = dict(line.split("=", 1) for line in printed.split("\0") if line)
        return {name: value for name, value in pairs.items() if name not in {"PATH", "PWD", "SHLVL", "_", "OLDPWD"}}

    def _environ(self) -> dict[str, str]:
        unset = {"DEMO_EXIT", "DEMO_PAUSE", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHONPATH"}
        kept = {name: value for name, value in os.environ.items() if name not in unset}
        return {**kept, "DEMO_STATE": str(self.state_dir)}
