"""What a person reads while things are fetched, built and started: one line a step, and one line for what is wrong."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class LocalStackError(Exception):
    """Something that a person can mend; the text says what and how, in one or two lines, and needs no stack trace."""


def say(text: str) -> None:
    """Print one line at once, also when standard output is a pipe."""
    print(text, flush=True)


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(0.41), duration(8.0), duration(215.4)
    ('0.4 s', '8 s', '3 min 35 s')
    """
    if seconds < 5:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


@contextmanager
def step(text: str, *, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Announce a step, and say how long it took when it has succeeded. A failure is left to the exception."""
    say(f"{text} ...")
    begun = clock()
    yield
    say(f"  done in {duration(clock() - begun)}")


def tail(path: Path, lines: int = 12) -> str:
    """The last lines of a log, indented, to stand in an error message; empty when there is no log."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def home_relative(path: Path) -> str:
    """A path as a person writes it, with ``~`` for the home directory."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)


def run_main(main: Callable[[], None]) -> int:
    """Run a command line; a mendable error or Ctrl-C becomes one message on standard error and an exit code.

    Mendable is what the system refuses, too: a folder that cannot be written, a full disk. A KeyboardInterrupt may bring its own text.
    """
    try:
        main()
    except LocalStackError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt as interrupt:
        kept = "interrupted; what was finished is kept, run the same command again to go on"
        print(f"\n{str(interrupt) or kept}", file=sys.stderr, flush=True)
        return 130
    return 0
