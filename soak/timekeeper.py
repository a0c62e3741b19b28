"""One clock for the simulator and for the operator: both run at one rate, and stand still together."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphsim.client import SimulatorControl
from graphsim.control_run_models import ClockView


class Timekeeper:
    """Sets the simulator's clock, and tells of it in the file that the operator's clock reads (`graphmail.clock`)."""

    def __init__(self, control: SimulatorControl, file: Path, rate: float) -> None:
        """The clock stands still until it is let go."""
        self.file = file
        self.rate = rate
        self._control = control
        self._holds = 1
        self._monotonic = 0.0
        self._simulated = 0.0
        self.paused_seconds = 0.0
        """Real seconds that it has stood still after it was first let go."""
        self._tell(control.change_clock(speed=rate, paused=True))
        self.origin = self._simulated
        """When the run begins, in simulated seconds since 1970."""

    def now(self) -> float:
        """Simulated seconds since 1970."""
        passed = 0.0 if self._holds else (time.monotonic() - self._monotonic) * self.rate
        return self._simulated + passed

    def let_go(self) -> None:
        """Time flows, unless somebody else still holds it."""
        self._holds -= 1
        if not self._holds:
            self.paused_seconds += time.monotonic() - self._monotonic
            self._tell(self._control.change_clock(paused=False))

    def hold(self) -> None:
        """Time stands still until it is let go as often."""
        self._holds += 1
        if self._holds == 1:
            self._tell(self._control.change_clock(paused=True))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Time stands still meanwhile: a start of three seconds must not count as an hour and a half."""
        self.hold()
        try:
            yield
        finally:
            self.let_go()

    def _tell(self, view: ClockView) -> None:
        self._monotonic, self._simulated = time.monotonic(), view.now.timestamp()
        fresh = self.file.with_suffix(".new")
        fields = {
            "monotonic": self._monotonic,
            "simulated": self._simulated,
            "rate": self.rate,
            "paused": bool(self._holds),
        }
        fresh.write_text(json.dumps(fields))
        fresh.replace(self.file)
