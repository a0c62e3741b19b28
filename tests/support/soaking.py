"""The simulated month, as `make soak` and `make soak-delivery` start it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def played(folder: Path, *options: str) -> dict[str, Any]:
    """Play it; the figures of its last line. All of them were reached."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "bench"), str(ROOT / "hack")])
    done = subprocess.run(
        [sys.executable, "-m", "soak", *options, "--state-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    numbers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return numbers
