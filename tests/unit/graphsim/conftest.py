import pytest

from graphsim.clock import SimulatedClock
from graphsim.randomness import Randomness
from graphsim.world import World

NOON = 1_795_521_600.0  # 2026-11-24T12:00:00Z


class HandClock:
    """Real seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds

    def tick(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def real() -> HandClock:
    return HandClock()


@pytest.fixture
def clock(real: HandClock) -> SimulatedClock:
    return SimulatedClock(real, start=NOON)


@pytest.fixture
def world(clock: SimulatedClock) -> World:
    return World(clock, Randomness(5), token_key=b"k" * 32)
