"""A simulation sets the operator's clock through a file; everything else keeps real time."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from graphmail.clock import RealClock, SimulatedClock, clock_of

ORIGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Machine:
    """A monotonic clock that a test moves."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def written(path: Path, *, monotonic: float, simulated: datetime, rate: float = 1440.0, paused: bool = False) -> Path:
    fresh = path.with_suffix(".new")
    fresh.write_text(
        json.dumps(
            {"monotonic": monotonic, "simulated": simulated.timestamp(), "rate": rate, "paused": paused},
        )
    )
    return fresh.replace(path)


def test_a_minute_of_the_machine_is_a_day_of_the_simulation(tmp_path: Path) -> None:
    machine = Machine()
    clock = SimulatedClock(written(tmp_path / "clock", monotonic=1000.0, simulated=ORIGIN), monotonic=machine)
    machine.seconds += 60.0
    assert clock.now() == ORIGIN + timedelta(days=1)
    assert clock.rate == 1440.0


def test_a_paused_clock_stands_still_and_goes_on_from_there(tmp_path: Path) -> None:
    machine, file = Machine(), tmp_path / "clock"
    clock = SimulatedClock(written(file, monotonic=1000.0, simulated=ORIGIN, paused=True), monotonic=machine)
    machine.seconds += 30.0
    assert clock.now() == ORIGIN
    written(file, monotonic=1030.0, simulated=ORIGIN)
    machine.seconds += 1.0
    assert clock.now() == ORIGIN + timedelta(minutes=24)


def test_a_file_that_is_gone_or_broken_later_leaves_the_clock_running(tmp_path: Path) -> None:
    machine, file = Machine(), tmp_path / "clock"
    clock = SimulatedClock(written(file, monotonic=1000.0, simulated=ORIGIN), monotonic=machine)
    file.write_text("{")
    machine.seconds += 60.0
    assert clock.now() == ORIGIN + timedelta(days=1)
    file.unlink()
    assert clock.now() == ORIGIN + timedelta(days=1)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"monotonic": 1, "simulated": 2, "rate": 0, "paused": false}'],
    ids=["empty", "a list", "nothing in it", "a rate of zero"],
)
def test_a_file_without_a_clock_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    file = tmp_path / "clock"
    file.write_text(text)
    with pytest.raises(ValueError):  # noqa: PT011  # JSON's own error is one, and says what is wrong
        SimulatedClock(file)


def test_without_a_file_it_is_the_machines_clock() -> None:
    clock = clock_of(None)
    assert isinstance(clock, RealClock)
    assert clock.rate == 1.0
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
