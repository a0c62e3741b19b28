"""What the product's rows tell by themselves, where the trigger was asked for: the mirror then looks at once instead of at its next poll.

The poll and the comparison go on as before: a notification may be lost, and deletions are never told.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import structlog

from graphmail.database import DatabaseError, Told, listen

_log = structlog.get_logger("graphmail.mirror")

SPACING_SECONDS = 2.0
"""Between two questions to Postgres, however much is told: thirty a minute (design, rule 13)."""
RECONNECT_SECONDS = 5.0


class Changes:
    """That something has changed since the mirror last asked."""

    def __init__(self) -> None:
        self._told = asyncio.Event()
        self._everything = False

    def tell(self, *, everything: bool) -> None:
        """Something has changed; `everything`: a question by `updated_at` would not find it."""
        self._everything = self._everything or everything
        self._told.set()

    def take(self) -> bool:
        """The mirror asks now: what is told from here on counts as new. Returns whether all rows are to be read."""
        everything, self._everything = self._everything, False
        self._told.clear()
        return everything

    async def rest(self, seconds: float, *, asked_at: float) -> None:
        """Wait that long, or until something has changed and the last question is long enough ago.

        Args:
            asked_at: when the mirror last asked, by the monotonic clock.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.sleep(max(0.0, asked_at + SPACING_SECONDS - time.monotonic()))
                await self._told.wait()


class Listener:
    """Listens until cancelled, over a connection of its own that is made anew when it is lost.

    Args:
        url: of Postgres itself, not of a pooler in transaction mode.
        source: what is heard there; an exception of it ends the connection.
    """

    def __init__(self, url: str, changes: Changes, *, source: Callable[[str], AsyncGenerator[Told]] = listen) -> None:
        self._url = url
        self._changes = changes
        self._source = source
        self._warned = ""

    async def run(self, *, reconnect_seconds: float = RECONNECT_SECONDS) -> None:
        """Listen. While Postgres is away, the mirror's poll says so; here it is told once."""
        while True:
            try:
                await self._listen()
            except DatabaseError as error:
                self._warn(f"changes of rows are not heard, only polled for: {error}")
            await asyncio.sleep(reconnect_seconds)

    async def _listen(self) -> None:
        async with aclosing(self._source(self._url)) as heard:
            async for told in heard:
                self._changes.tell(everything=told.everything)
                if told.warning:
                    self._warn(f"changes of rows may not be heard: {told.warning}")
                elif self._warned:
                    _log.info("changes of rows are heard again")
                    self._warned = ""

    def _warn(self, message: str) -> None:
        if message != self._warned:
            _log.warning(message)
            self._warned = message
