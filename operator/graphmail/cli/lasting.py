"""What the commands that go on until they are told to stop have in common: their loop, their start, and how they are told."""

import asyncio
import os
import signal
from collections.abc import Iterable

import structlog
import uvloop

from graphmail.cli.clusters import Place
from graphmail.cli.conduct import Work
from graphmail.cli.page import Page
from graphmail.observability.logs import configure_logging
from graphmail.settings import Settings, unknown_variables

STOPPING = (signal.SIGTERM, signal.SIGINT)


def on_uvloop(work: Work) -> int | None:
    """Run the work of such a command."""
    return uvloop.run(work)


def begin(page: Page) -> Settings:
    """The settings of the environment, with the log set up by them; variables that are not known are warned of."""
    settings = Place().read(page)
    configure_logging(settings.log_format, settings.log_level)
    log = structlog.get_logger("graphmail")
    for warning in unknown_variables(os.environ):
        log.warning(warning)
    return settings


def stop_at(signals: Iterable[signal.Signals], stop: asyncio.Event) -> None:
    """Set `stop` at the first of these signals; the second does what it does to any program."""
    loop = asyncio.get_running_loop()

    def told() -> None:
        stop.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, told)
