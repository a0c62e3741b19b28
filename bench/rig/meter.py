"""What a process costs: processor time and memory, sampled from outside while it works."""

import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psutil

SAMPLE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Sample:
    """A process at one moment."""

    at: float
    """Seconds since 1970."""
    cpu: float
    """Seconds of processor time since its start, of all threads, in its own code and in the kernel's for it."""
    rss: int
    """Bytes of memory that it has resident."""


@dataclass(slots=True)
class Usage:
    """The samples of one process, the earliest first."""

    samples: list[Sample] = field(default_factory=list)

    @property
    def last(self) -> Sample:
        """The newest one."""
        return self.samples[-1]

    def cpu_at(self, moment: float) -> float:
        """Processor time until that moment, in seconds, between two samples in proportion."""
        index = bisect_left(self.samples, moment, key=lambda sample: sample.at)
        if index == 0:
            return self.samples[0].cpu
        if index == len(self.samples):
            return self.samples[-1].cpu
        before, after = self.samples[index - 1], self.samples[index]
        return before.cpu + (after.cpu - before.cpu) * (moment - before.at) / (after.at - before.at)

    def cpu_between(self, begin: float, end: float) -> float:
        """Processor time from one moment to another, in seconds."""
        return self.cpu_at(end) - self.cpu_at(begin)

    def share_of_last(self, seconds: float) -> float:
        """What part of a core it has used lately."""
        return self.cpu_between(self.last.at - seconds, self.last.at) / seconds


class Meter:
    """Samples a process in a thread of its own until it is left."""

    def __init__(self, pid: int) -> None:
        self.usage = Usage()
        self._process = psutil.Process(pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"meter of {pid}", daemon=True)

    def __enter__(self) -> Self:
        self.usage.samples.append(self._sample())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            try:
                self.usage.samples.append(self._sample())
            except psutil.NoSuchProcess:
                return

    def _sample(self) -> Sample:
        with self._process.oneshot():
            cpu = self._process.cpu_times()
            return Sample(time.time(), cpu.user + cpu.system, self._process.memory_info().rss)

    def await_quiet(self, *, share: float = 0.1, seconds: float = 3.0, timeout: float = 60.0) -> None:
        """Wait until the process uses less than this share of a core over so many seconds, at most `timeout` seconds."""
        wait(lambda: self.usage.share_of_last(seconds) < share, timeout=timeout, first=seconds)


def family_cpu(pid: int) -> float:
    """Seconds of processor time of a process and of all that it has started, those that have ended included."""
    process = psutil.Process(pid)
    total = 0.0
    for member in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            cpu = member.cpu_times()
            total += cpu.user + cpu.system + (cpu.children_user + cpu.children_system if member is process else 0.0)
    return total


def wait(condition: Callable[[], bool], *, timeout: float, every: float = 0.25, first: float = 0.0) -> bool:
    """Ask until the condition holds; False when it did not within `timeout` seconds. `first`: seconds before the first question."""
    time.sleep(first)
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


def await_standstill(count: Callable[[], int], wanted: int, *, patience: float = 20.0) -> int:
    """Wait until the count is what is wanted, or has not grown for `patience` seconds; the last count."""
    best, since = -1, time.monotonic()
    while (current := count()) < wanted:
        if current > best:
            best, since = current, time.monotonic()
        elif time.monotonic() - since > patience:
            break
        time.sleep(0.5)
    return current
