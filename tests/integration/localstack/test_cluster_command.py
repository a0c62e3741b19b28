"""`make cluster`, as a person uses it: by the lines that it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from localstack.processes import guarded

HACK = Path(__file__).parents[3] / "hack"


def localstack(*arguments: str, state: Path) -> str:
    command = [sys.executable, "-m", "localstack", *arguments, "--state-dir", str(state)]
    environ = {**os.environ, "PYTHONPATH": str(HACK)}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout


def test_a_shell_with_the_lines_that_are_printed_reaches_both_and_leaves_the_home_alone(tmp_path: Path) -> None:
    state, home = tmp_path / "state", tmp_path / "home"
    state.mkdir()
    home.mkdir()
    with guarded(state):
        printed = localstack("up", state=state)
        lines = [line for line in printed.splitlines() if line.startswith("  export ")]
        script = "\n".join([*lines, "kubectl get namespaces -o name", "echo $GRAPHMAIL_DATABASE_URL"])
        bare = {"PATH": os.environ["PATH"], "HOME": str(home)}
        answered = subprocess.run(["sh", "-ec", script], env=bare, capture_output=True, text=True, check=True).stdout
        localstack("down", "--delete", state=state)
    assert "namespace/default" in answered
    assert "postgresql://" in answered
    assert not (home / ".kube").exists()
