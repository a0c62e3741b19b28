"""What a session started does not outlive it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from localstack.processes import started, wait_until

SESSION = """
import sys, time
from pathlib import Path
from localstack.postgres import PostgresServer
from localstack.processes import BackgroundProcess, guarded
folder = Path(sys.argv[1])
with guarded(folder):
    server = PostgresServer(folder).start()
    sleeper = BackgroundProcess("sleeper", folder)
    sleeper.start(["sleep", "600"], ready=lambda: True, timeout=10)
    print(sleeper.pid, server._process.pid, server._stored()[0].base, flush=True)
    time.sleep(600)
"""


def test_what_runs_is_ended_and_removed_when_the_session_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SESSION, str(tmp_path)]
    environ = {**os.environ, "PYTHONPATH": "hack"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as session:
        assert session.stdout is not None
        sleeper, server, data = session.stdout.readline().split()
        session.kill()
    for pid in (int(sleeper), int(server)):
        assert wait_until(lambda pid=pid: started(pid) is None, timeout=120)
    assert wait_until(lambda: not Path(data).exists(), timeout=120)
