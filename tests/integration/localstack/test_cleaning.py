"""`make clean` in a checkout, and what `make` says when it cannot begin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from localstack.processes import BackgroundProcess, guarded

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parents[3]
LINKED = ("Makefile", "hack", "operator", "tests", "pyproject.toml", "requirements.lock", "requirements-dev.lock")
KIND = """#!/bin/sh
echo "$@" >> "{told}"
exit {code}
"""


class Checkout:
    """A folder that is to `make` what a checkout is, with this session's environment as its `.venv`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in LINKED:
            (folder / name).symlink_to(CHECKOUT / name)
        (folder / ".venv").symlink_to(sys.prefix)
        self.kind_told = folder / "kind-told"

    def runs(self, state: str, part: str) -> BackgroundProcess:
        """A part that runs, as far as its pidfile tells."""
        (self.folder / state).mkdir(exist_ok=True)
        process = BackgroundProcess(part, self.folder / state)
        process.start(["sleep", "600"], ready=lambda: True, timeout=10)
        return process

    def kind(self, *, code: int) -> Path:
        """A kind cluster that was made, and a `kind` that ends with this code; the cluster's kubeconfig."""
        program = self.folder / "bin" / "kind"
        program.parent.mkdir()
        program.write_text(KIND.format(told=self.kind_told, code=code))
        program.chmod(0o755)
        kubeconfig = self.folder / ".cluster" / "kind" / "kubeconfig"
        kubeconfig.parent.mkdir(parents=True)
        kubeconfig.touch()
        return kubeconfig

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`make`, with the environment taken as fresh."""
        unset = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHONPATH", "DEMO_STATE"}
        environ = {name: value for name, value in os.environ.items() if name not in unset}
        environ["PATH"] = f"{self.folder / 'bin'}:{environ['PATH']}"
        command = ["make", "--old-file=environment", *arguments]
        return subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A checkout; what still runs in it at the end is ended."""
    with guarded(tmp_path / ".demo"), guarded(tmp_path / ".cluster"):
        yield Checkout(tmp_path)


def test_cleaning_ends_a_demo_and_a_cluster_before_their_folders_go(checkout: Checkout) -> None:
    running = [
        checkout.runs(".demo", "graphsim"),
        checkout.runs(".demo", "kube-apiserver"),
        checkout.runs(".cluster", "etcd"),
    ]
    ran = checkout.make("clean")
    assert ran.returncode == 0, ran.stderr
    for process in running:
        assert process.pid is None
        process.wait()
    assert not any((checkout.folder / name).exists() for name in (".demo", ".cluster", ".venv"))
    assert Path(sys.executable).exists()


def test_cleaning_removes_a_kind_cluster_whose_kubeconfig_would_be_lost(checkout: Checkout) -> None:
    checkout.kind(code=0)
    assert checkout.make("clean").returncode == 0
    assert checkout.kind_told.read_text().startswith("delete cluster --name graphmail")


def test_cleaning_keeps_everything_when_something_could_not_be_stopped(checkout: Checkout) -> None:
    kubeconfig = checkout.kind(code=1)
    ran = checkout.make("clean")
    assert ran.returncode != 0
    assert "error: kind delete cluster failed" in ran.stderr
    assert kubeconfig.exists()


def test_a_cleaned_checkout_is_cleaned_again_without_being_set_up_first(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    (tmp_path / ".venv").unlink()
    ran = subprocess.run(["make", "clean"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert not (checkout.folder / ".venv").exists()


def test_an_interpreter_that_was_chosen_and_does_not_run_is_named(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    (tmp_path / ".venv").unlink()
    ran = checkout.make("-W", "pyproject.toml", ".venv/.synced", "PYTHON=python3.99")
    assert "error: python3.99 does not run or is older than Python 3.11" in ran.stderr
