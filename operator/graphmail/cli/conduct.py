"""How a command is carried out: its work runs to the end, and what goes wrong becomes a line on standard error."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import typer

from graphmail.cli.failures import FAILED, explain
from graphmail.observability.logs import configure_logging

Work = Coroutine[Any, Any, int | None]
"""The work of a command: its exit code, None for 0."""
UNREAD = 128 + signal.SIGPIPE
"""Exit code where nobody reads on, as a shell tells it of a program that SIGPIPE has ended."""


def conduct(work: Work, *, run: Callable[[Work], int | None] = asyncio.run) -> None:
    """Carry out a command's work; of the logs of the parts that it uses, only errors are shown.

    Raises:
        typer.Exit: always; a code of 0 included.
    """
    configure_logging("console", "error")
    raise typer.Exit(_code(work, run))


def _code(work: Work, run: Callable[[Work], int | None]) -> int:
    try:
        code = run(work) or 0
        sys.stdout.flush()
    except BrokenPipeError:
        return _unread()
    except (typer.Exit, typer.BadParameter, typer.Abort):
        raise
    except Exception as error:
        complain(error)
        return FAILED
    return code


def _unread() -> int:
    """End quietly: whoever read has enough, such as `head`. What is still to be written at the end goes nowhere, and is no error."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return UNREAD


def complain(error: BaseException) -> None:
    """Tell about an error on standard error, a line for each thing that is wrong."""
    for line in explain(error):
        sys.stderr.write(f"graphmail: {line}\n")
