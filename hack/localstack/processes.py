"""Programs that run in the background, found again by a file with their process id.

The file also holds when the process started, since the kernel hands out the same number again: a process is only ever
signalled when both agree. So what a crashed predecessor left behind is found and ended, and nobody else's process is.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from localstack.messages import LocalStackError, tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

POLL_SECONDS = 0.03


class ProcessDiedError(LocalStackError):
    """The program ended before it was ready."""


@dataclass(frozen=True)
class Account:
    """Under whom a program runs when it is not the caller: numbers of the user and of the group."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Record:
    """What a pidfile says: the process, when it started (opaque, compared as it is), and the signal that ends it well."""

    pid: int
    started: str
    stop_signal: int

    @classmethod
    def read(cls, path: Path) -> Record | None:
        """The record in that file; nothing when there is none, or none that was written whole."""
        try:
            fields = json.loads(path.read_text())
            return cls(pid=int(fields["pid"]), started=str(fields["started"]), stop_signal=int(fields["stop_signal"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Write the file so that a reader sees all of it or nothing."""
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(self)))
        temporary.replace(path)

    def alive(self) -> bool:
        """Whether that very process runs, and not another one with its number."""
        return started(self.pid) == self.started

    def signal(self, number: int) -> None:
        """Send a signal to that very process, if it still runs."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def started(pid: int) -> str | None:
    """When a process started, as text that no later process of that number shares; nothing when none runs, or a zombie."""
    if sys.platform == "linux":
        try:
            # The name stands in parentheses and may hold anything; state is the 3rd field, start time the 22nd (proc(5)).
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except (OSError, UnicodeDecodeError):
            return None
        return None if fields[0] in {"Z", "X"} else f"{boot}:{fields[19]}"
    # psutil stands in the developer's lock; the modules that run before there is one do not come here.
    import psutil  # noqa: PLC0415

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.Error:
        return None


def wait_until(condition: Callable[[], bool], timeout: float) -> bool:
    """Ask until the condition holds; false when it did not within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def free_port() -> int:
    """A TCP port of the loopback interface that was free just now.

    It lies below those that the system gives to whoever asks for any: another program hardly takes it before it is used.
    """
    while True:
        port = secrets.choice(range(10_000, 32_000))
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class BackgroundProcess:
    """One program of a state folder, with its pidfile ``<name>.pid`` and its log ``<name>.log``.

    Objects of the same name and folder, in this process or in a later one, stand for the same program.
    """

    def __init__(self, name: str, state_dir: Path, *, stop_signal: int = signal.SIGTERM) -> None:
        self.name = name
        self.log = state_dir / f"{name}.log"
        self.pidfile = state_dir / f"{name}.pid"
        self._stop_signal = stop_signal
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while the program runs."""
        record = self._record()
        return record.pid if record else None

    def start(
        self,
        command: Sequence[str | Path],
        *,
        ready: Callable[[], bool],
        timeout: float,
        account: Account | None = None,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start the program and wait until ``ready()``, for at most ``timeout`` seconds.

        A predecessor that still runs is ended first. Raises ProcessDiedError when the program ends instead, and LocalStackError
        when it is not ready in time; either text has the end of the log, and nothing is left running.
        """
        self.stop()
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=cwd,
                env=environ,
                start_new_session=True,  # Ctrl-C in a terminal is for whoever started us
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        Record(self._child.pid, started(self._child.pid) or "", self._stop_signal).write(self.pidfile)
        self._await(ready, timeout)

    def _await(self, ready: Callable[[], bool], timeout: float) -> None:
        try:
            answered = wait_until(lambda: self.pid is None or ready(), timeout)
            died = self.pid is None
        except BaseException:
            self.stop()
            raise
        if died:
            self.stop()
            raise ProcessDiedError(
                f"{self.name} ended right after its start; its log, {self.log}, closes with\n{tail(self.log)}"
            )
        if not answered:
            self.stop()
            raise LocalStackError(
                f"{self.name} was not ready within {timeout:.0f} s; its log, {self.log}, closes with\n{tail(self.log)}"
            )

    def stop(self, grace: float = 10.0) -> None:
        """End the program, by force after ``grace`` seconds; nothing happens when it does not run."""
        stop_all([self.pidfile], grace)
        self.wait()

    def wait(self) -> None:
        """Wait until the program that this very object started has ended; nothing happens when it started none."""
        if self._child:
            self._child.wait()
            self._child = None

    def pause(self) -> None:
        """Freeze the program: its port stays open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen program go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if record := self._record():
            record.signal(number)

    def _record(self) -> Record | None:
        record = Record.read(self.pidfile)
        return record if record and record.alive() else None


def stop_all(pidfiles: Sequence[Path], grace: float = 10.0) -> None:
    """End the programs of these pidfiles side by side, by force after ``grace`` seconds, and remove the files."""
    records = [record for record in map(Record.read, pidfiles) if record and record.alive()]
    for record in records:
        record.signal(record.stop_signal)
        record.signal(signal.SIGCONT)  # a frozen program hears nothing else
    if not wait_until(lambda: not any(record.alive() for record in records), grace):
        for record in records:
            record.signal(signal.SIGKILL)
        wait_until(lambda: not any(record.alive() for record in records), grace)
    for pidfile in pidfiles:
        pidfile.unlink(missing_ok=True)


@contextmanager
def guarded(state_dir: Path) -> Iterator[None]:
    """See to it that what runs in that folder is ended and removed when this process dies, even by SIGKILL.

    A small process holds the reading end of a pipe; the end of the file is the news that its writer is gone.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "localstack.guard", str(state_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        start_new_session=True,
    ):
        yield
