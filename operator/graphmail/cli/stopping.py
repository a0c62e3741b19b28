"""How a command that goes on for ever is told to stop."""

import asyncio
import signal
from collections.abc import Iterable

STOPPING = (signal.SIGTERM, signal.SIGINT)


def stop_at(signals: Iterable[signal.Signals], stop: asyncio.Event) -> None:
    """Set `stop` at the first of these signals; the second does what it does to any program."""
    loop = asyncio.get_running_loop()

    def told() -> None:
        stop.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, told)
