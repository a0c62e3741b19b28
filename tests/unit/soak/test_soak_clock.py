"""The simulator's clock and the operator's are one."""

import time
from pathlib import Path
from typing import Any, cast

import pytest

from graphmail.clock import SimulatedClock
from graphsim.client import SimulatorControl
from graphsim.clock import SimulatedClock as SimulatorsClock
from graphsim.control_run_models import ClockView
from soak.timekeeper import Timekeeper

RATE = 3_600.0


class Simulator:
    """The part of the control API that sets the clock."""

    def __init__(self) -> None:
        self.clock = SimulatorsClock(time.monotonic, start=1_800_000_000.0)

    def change_clock(self, *, speed: float | None = None, paused: bool | None = None) -> ClockView:
        if speed is not None:
            self.clock.set_speed(speed)
        if paused is not None:
            (self.clock.pause if paused else self.clock.resume)()
        return ClockView.model_validate(
            {"now": self.clock.now(), "speed": self.clock.speed, "paused": self.clock.paused}
        )


def keeper(tmp_path: Path) -> tuple[Timekeeper, Simulator, SimulatedClock]:
    simulator: Any = Simulator()
    kept = Timekeeper(cast("SimulatorControl", simulator), tmp_path / "clock.json", RATE)
    return kept, simulator, SimulatedClock(kept.file)


def test_all_three_stand_still_until_the_first_moment(tmp_path: Path) -> None:
    kept, simulator, operators = keeper(tmp_path)
    moments = [kept.now(), operators.now().timestamp(), kept.origin]
    assert moments == pytest.approx([simulator.clock.now()] * 3, abs=0.001, rel=0)


def test_the_operators_clock_is_never_ahead_of_the_simulators(tmp_path: Path) -> None:
    kept, simulator, operators = keeper(tmp_path)
    kept.let_go()
    for _ in range(100):
        assert operators.now().timestamp() <= simulator.clock.now()
    assert operators.rate == RATE


def test_time_flows_again_only_when_everybody_has_let_go(tmp_path: Path) -> None:
    kept, simulator, _ = keeper(tmp_path)
    kept.let_go()
    with kept.held():
        with kept.held():
            assert simulator.clock.paused
        assert simulator.clock.paused
    assert not simulator.clock.paused
