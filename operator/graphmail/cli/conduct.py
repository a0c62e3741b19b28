"""How a command is carried out: its work runs to the end, and what goes wrong becomes a line on standard error."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import typer

from graphmail.cli.failures import FAILED, explain
from graphmail.observability.logs import configure_logging

Work = Coroutine[Any, Any, int | None]
"""The work of a command: its exit code, None for 0."""


def conduct(work: Work, *, run: Callable[[Work], int | None] = asyncio.run) -> None:
    """Carry out a command's work; of the logs of the parts that it uses, only errors are shown.

    Raises:
        typer.Exit: always; a code of 0 included.
    """
    configure_logging("console", "error")
    raise typer.Exit(_code(work, run))


def _code(work: Work, run: Callable[[Work], int | None]) -> int:
    try:
        return run(work) or 0
    except (typer.Exit, typer.BadParameter, typer.Abort, BrokenPipeError):
        raise
    except Exception as error:
        complain(error)
        return FAILED


def complain(error: BaseException) -> None:
    """Tell about an error on standard error, a line for each thing that is wrong."""
    for line in explain(error):
        sys.stderr.write(f"graphmail: {line}\n")
