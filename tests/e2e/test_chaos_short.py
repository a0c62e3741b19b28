"""The short form of `make chaos`: some of the blows, at each of the operator's deeds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(3000)
def test_the_operator_survives_a_kill_and_a_lost_answer_in_each_of_its_deeds(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "chaos", "--quick", "--state-dir", str(tmp_path / "chaos")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    counted = json.loads(run.stdout.splitlines()[-1])
    assert counted["survived"] == counted["runs"] > 20
