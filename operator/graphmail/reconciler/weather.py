"""Whether most of the fleet fails: then it is Graph's weather, and no provider's fault (design, rule 5)."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

LEAST_TRIED = 20
WINDOW = timedelta(minutes=10)


class Weather:
    """The latest attempt of each mailbox within the last ten minutes.

    Args:
        clock: the time now.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._latest: OrderedDict[str, tuple[datetime, bool]] = OrderedDict()
        self._failing = 0

    def note(self, mailbox: str, *, failed: bool) -> None:
        """An attempt for that mailbox succeeded or failed."""
        self._drop(mailbox)
        self._latest[mailbox] = (self._clock(), failed)
        self._failing += failed

    def storm(self) -> bool:
        """At least 20 mailboxes were tried lately, and over half of them fail."""
        oldest = self._clock() - WINDOW
        while self._latest and next(iter(self._latest.values()))[0] < oldest:
            self._drop(next(iter(self._latest)))
        return len(self._latest) >= LEAST_TRIED and self._failing * 2 > len(self._latest)

    def _drop(self, mailbox: str) -> None:
        gone = self._latest.pop(mailbox, None)
        if gone is not None:
            self._failing -= gone[1]
