"""The simulated month in its short form: every kind of trouble once or twice, in little more than a simulated day."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.timeout(2400)
def test_a_day_full_of_trouble_leaves_no_avoidable_gap_no_leak_and_no_duplicate(tmp_path: Path) -> None:
    folder = tmp_path / "soak"
    path = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "bench"), str(CHECKOUT / "hack")])
    done = subprocess.run(
        [sys.executable, "-m", "soak", "--quick", "--state-dir", str(folder)],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    numbers = json.loads(done.stdout.splitlines()[-1])
    assert numbers["days"] == 1.25
    assert numbers["restarts"] >= 2
    assert numbers["renewals"] > 0
    assert (folder / "coverage.svg").exists()
