"""The end of a process that has lost the lease and whose event loop does not stop."""

import os
import threading
from typing import NoReturn

import structlog

LOST = 3
"""Exit code of a process that has lost the lease. It may be started again at once: it then stands by."""

_TELL_SECONDS = 0.5


def end_now() -> NoReturn:
    """End the process without any cleaning up: whatever the event loop hangs at, nothing acts after this.

    The log is told on a thread of its own, and not for long: a stuck event loop may hold the very lock that a line in the log needs.
    """
    telling = threading.Thread(target=_tell, name="last words", daemon=True)
    telling.start()
    telling.join(_TELL_SECONDS)
    os._exit(LOST)


def _tell() -> None:
    structlog.get_logger("graphmail.election").error(
        "the lease is lost, and the event loop did not stop in time: the process ends at once", code=LOST
    )
