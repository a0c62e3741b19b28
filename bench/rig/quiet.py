"""A machine at rest: what a bench finds is a claim only where nobody else is at work."""

import os
import time

LOAD = 0.5
"""A load average of the last minute above this says that somebody is."""
_DECAYS_SECONDS = 300.0
"""What the bench before has left of it is gone by then."""


def rest() -> None:
    """Wait until the machine is quiet, at most until the work of the last bench counts no more."""
    until = time.monotonic() + _DECAYS_SECONDS
    while os.getloadavg()[0] > LOAD and time.monotonic() < until:
        time.sleep(1)
