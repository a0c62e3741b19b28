"""Background programs and their pidfiles."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from localstack.messages import LocalStackError
from localstack.processes import BackgroundProcess, ProcessDiedError, Record, started, stop_all, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is nobody's business."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[BackgroundProcess]:
    process = BackgroundProcess("program", tmp_path)
    yield process
    process.stop(grace=0.1)


def sleep(program: BackgroundProcess) -> int:
    program.start(["sleep", "600"], ready=lambda: True, timeout=60)
    assert program.pid is not None
    return program.pid


def gone(pid: int) -> bool:
    return wait_until(lambda: started(pid) is None, timeout=60)


def test_a_started_program_is_found_by_its_name_and_folder(program: BackgroundProcess, tmp_path: Path) -> None:
    assert BackgroundProcess("program", tmp_path).pid is None
    pid = sleep(program)
    assert BackgroundProcess("program", tmp_path).pid == pid


def test_what_a_predecessor_left_running_is_ended_before_a_new_start(
    program: BackgroundProcess, tmp_path: Path
) -> None:
    predecessor = BackgroundProcess("program", tmp_path)
    old = sleep(predecessor)
    new = sleep(program)
    assert new != old
    assert gone(old)
    assert program.pid == new
    predecessor.wait()


@pytest.mark.parametrize("action", ["stop", "start", "pause"])
def test_a_stranger_with_a_stale_number_is_left_alone(
    action: str, stranger: subprocess.Popen[bytes], program: BackgroundProcess
) -> None:
    Record(stranger.pid, "another time", signal.SIGKILL).write(program.pidfile)
    assert program.pid is None
    sleep(program) if action == "start" else getattr(program, action)()
    assert stranger.poll() is None
    assert started(stranger.pid) is not None


@pytest.mark.parametrize("content", ["", "17", "{", '{"pid": "x"}', '{"pid": 1}', "[]"])
def test_a_pidfile_that_was_not_written_whole_names_nobody(content: str, program: BackgroundProcess) -> None:
    program.pidfile.write_text(content)
    assert program.pid is None
    program.stop()
    assert not program.pidfile.exists()


def test_a_pidfile_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = Record(4711, "boot:12", signal.SIGINT)
    record.write(tmp_path / "x.pid")
    assert Record.read(tmp_path / "x.pid") == record
    assert [path.name for path in tmp_path.iterdir()] == ["x.pid"]
    assert json.loads((tmp_path / "x.pid").read_text())["stop_signal"] == 2


def test_a_program_that_ignores_the_request_is_ended_by_force(program: BackgroundProcess) -> None:
    program.start([sys.executable, "-c", STUBBORN], ready=lambda: "deaf" in program.log.read_text(), timeout=60)
    pid = program.pid
    assert pid is not None
    program.stop(grace=0.1)
    assert gone(pid)


def test_a_frozen_program_is_ended_without_force(program: BackgroundProcess, tmp_path: Path) -> None:
    confession = "import signal, sys, time\n"
    confession += "signal.signal(signal.SIGTERM, lambda *_: (print('asked', flush=True), sys.exit()))\n"
    confession += "print('ready', flush=True); time.sleep(600)"
    program.start([sys.executable, "-c", confession], ready=lambda: "ready" in program.log.read_text(), timeout=60)
    program.pause()
    BackgroundProcess("program", tmp_path).stop()
    assert "asked" in program.log.read_text()


def test_the_program_runs_in_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it(program: BackgroundProcess) -> None:
    assert os.getsid(sleep(program)) != os.getsid(0)


def test_a_program_that_ends_at_once_is_told_with_the_end_of_its_log(program: BackgroundProcess) -> None:
    command = [sys.executable, "-c", "print('no such option'); raise SystemExit(3)"]
    with pytest.raises(ProcessDiedError, match=r"program ended right after its start(?s:.)*no such option") as error:
        program.start(command, ready=lambda: False, timeout=60)
    assert str(program.log) in str(error.value)
    assert not program.pidfile.exists()


def test_a_program_that_does_not_get_ready_is_ended(program: BackgroundProcess) -> None:
    pids = []

    def note() -> bool:
        pids.append(program.pid)
        return False

    with pytest.raises(LocalStackError, match=r"program was not ready within 0 s"):
        program.start(["sleep", "600"], ready=note, timeout=0.05)
    assert gone(pids[0])


def test_an_interrupted_start_leaves_nothing_running(program: BackgroundProcess) -> None:
    pids = []

    def interrupt() -> bool:
        pids.append(program.pid)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        program.start(["sleep", "600"], ready=interrupt, timeout=60)
    assert gone(pids[0])


def test_a_process_that_has_ended_but_was_not_waited_for_counts_as_gone() -> None:
    with subprocess.Popen(["true"]) as process:
        assert gone(process.pid)


def test_several_programs_are_ended_side_by_side(tmp_path: Path) -> None:
    programs = [BackgroundProcess(name, tmp_path) for name in ("one", "two")]
    pids = [sleep(program) for program in programs]
    stop_all([program.pidfile for program in programs])
    assert all(gone(pid) for pid in pids)
    assert list(tmp_path.glob("*.pid")) == []
    for program in programs:
        program.wait()
