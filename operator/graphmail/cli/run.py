"""`graphmail run`: the operator itself."""

import asyncio
import gc

import structlog

from graphmail.cli.conduct import conduct
from graphmail.cli.lasting import STOPPING, begin, on_uvloop, stop_at
from graphmail.cli.page import Page
from graphmail.election import LOST, LeadershipLost
from graphmail.runtime import serve

PAGE = Page(
    "Run the operator until SIGTERM or Ctrl-C.",
    """
    Work that has begun is finished first; then it ends with exit code 0. A second Ctrl-C does not wait. Of several in one
    namespace one works, and the others stand by; one that loses its lease ends at once, with exit code 3.

    It keeps the subscription of each GraphMailSubscription of its namespace alive. With GRAPHMAIL_DATABASE_URL each mail
    provider of the product gets one; without it, those that people write are served. Try `graphmail check` before the first
    run.
    """,
    {
        "graphmail run": "run with the settings of the environment",
        "GRAPHMAIL_LOG_FORMAT=json graphmail run": "with a log for machines",
        "set -a; . .demo/env; graphmail run": "against what `make demo DEMO_PAUSE=1` left running",
    },
    settings=None,
)


def run() -> None:
    """Run the operator."""
    # Tens of thousands of long-lived objects: with the usual thresholds the collector walks them all the time.
    gc.set_threshold(100_000, 20, 100)
    conduct(_run(), run=on_uvloop)


async def _run() -> int:
    settings = begin(PAGE)
    stop = asyncio.Event()
    try:
        await serve(settings, stop, lambda: stop_at(STOPPING, stop))
    except LeadershipLost as lost:
        structlog.get_logger("graphmail").warning(f"{lost}. This process ends; started again, it stands by")
        return LOST
    return 0
