"""`graphmail receiver`: takes what Graph posts."""

import asyncio

from graphmail.cli.conduct import conduct
from graphmail.cli.lasting import STOPPING, begin, on_uvloop, stop_at
from graphmail.cli.page import Page
from graphmail.receiver import receive

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
    conduct(_receive(), run=on_uvloop)


async def _receive() -> int:
    settings = begin(PAGE)
    stop = asyncio.Event()
    stop_at(STOPPING, stop)
    await receive(settings, stop)
    return 0
