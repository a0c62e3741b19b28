"""`graphmail receiver`: takes what Graph posts."""

import asyncio
import os

import structlog
import uvloop

from graphmail.cli.conduct import Work, conduct
from graphmail.cli.configuration import read_settings
from graphmail.cli.page import Page
from graphmail.cli.stopping import STOPPING, stop_at
from graphmail.observability.logs import configure_logging
from graphmail.receiver import receive
from graphmail.settings import unknown_variables

PAGE = Page(
    "Take what Graph posts, until SIGTERM or Ctrl-C.",
    """
    Lifecycle notifications are checked and handed to the operator. With GRAPHMAIL_RECEIVER_FORWARD_URL it takes change
    notifications too, and passes them on to the product, whose answer is what Graph gets.

    It is a process of its own, of which several may run, and holds no credential of Graph. docs/receiver.md says how it is
    published. At the end it finishes what was begun, and writes what waits.
    """,
    {
        "graphmail receiver": "run with the settings of the environment",
        "GRAPHMAIL_RECEIVER_ADDRESS=127.0.0.1:8080 graphmail receiver": "behind a proxy of the same machine",
    },
    settings=(
        "GRAPHMAIL_NAMESPACE",
        "GRAPHMAIL_DATABASE_URL",
        "GRAPHMAIL_RECEIVER_URL",
        "GRAPHMAIL_RECEIVER_FORWARD_URL",
        "GRAPHMAIL_RECEIVER_ADDRESS",
        "GRAPHMAIL_RECEIVER_FORWARDS",
        "GRAPHMAIL_RECEIVER_BATCH_SECONDS",
        "GRAPHMAIL_SIMULATED_CLOCK_FILE",
        "GRAPHMAIL_METRICS_URL",
        "GRAPHMAIL_LOG_FORMAT",
        "GRAPHMAIL_LOG_LEVEL",
    ),
)


def receiver() -> None:
    """Run the receiver."""
    conduct(_receive(), run=_on_uvloop)


def _on_uvloop(work: Work) -> int | None:
    return uvloop.run(work)


async def _receive() -> int:
    settings = read_settings(PAGE)
    configure_logging(settings.log_format, settings.log_level)
    log = structlog.get_logger("graphmail")
    for warning in unknown_variables(os.environ):
        log.warning(warning)
    stop = asyncio.Event()
    stop_at(STOPPING, stop)
    await receive(settings, stop)
    return 0
