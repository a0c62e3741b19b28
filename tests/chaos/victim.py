"""The process that is killed: `graphmail run`, with a watch at its doors."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import typer

import graphmail.runtime  # noqa: F401  # what takes the time of a start is loaded once, before the processes part
from chaos.points import Order, Watch, arm
from graphmail.cli.run import run


def work(environment: Mapping[str, str], folder: Path, order: Order | None) -> None:
    """Run the operator until it is told to stop, or killed.

    Args:
        environment: all of it.
        folder: where its log and the points that it passed are written to.
        order: where it is to be struck.
    """
    os.environ.clear()
    os.environ.update(environment)
    with (folder / "log").open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    threading.Thread(target=_end_with_the_campaign, daemon=True).start()
    trace = folder / "trace"
    trace.unlink(missing_ok=True)
    arm(Watch(trace, order))
    try:
        run()
    except typer.Exit as end:
        sys.exit(end.exit_code)


def _end_with_the_campaign() -> None:
    """A campaign that is killed itself leaves no operator behind."""
    campaign = multiprocessing.parent_process()
    if campaign is not None:
        campaign.join()
        os._exit(1)
