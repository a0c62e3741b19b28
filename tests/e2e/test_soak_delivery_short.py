"""The month of silence in its short form: subscriptions die silently in three simulated days, and each is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.timeout(2400)
def test_silent_deaths_are_found_and_no_healthy_subscription_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "soak"
    path = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "bench"), str(CHECKOUT / "hack")])
    done = subprocess.run(
        [sys.executable, "-m", "soak", "--delivery", "--quick", "--state-dir", str(folder)],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    numbers = json.loads(done.stdout.splitlines()[-1])
    assert list(numbers) == [
        "silent_deaths", "found", "median_minutes_to_mend", "false_alarms", "probe_calls_per_mailbox_per_day",
    ]  # fmt: skip
    assert numbers["found"] == numbers["silent_deaths"] >= 1
    assert numbers["false_alarms"] == 0
    assert 0 < numbers["probe_calls_per_mailbox_per_day"] <= 4
    assert (folder / "coverage.svg").exists()
