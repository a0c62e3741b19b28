"""Memory and tasks of a process that lives for days."""

from pathlib import Path

import pytest

from localstack.processes import BackgroundProcess
from soak.longlife import LongLife, long_life, slope
from soak.plan import DAY
from soak.replicas import Replica

HALF = DAY / 2


def lived(days: int, tasks_a_day: int, mib_a_day: int) -> Replica:
    replica = Replica(BackgroundProcess("operator-01", Path()), "http://127.0.0.1:1/metrics")
    for half in range(2 * days + 1):
        replica.memory.append((half * HALF, (100 + half * mib_a_day // 2) * 2**20))
        replica.tasks.append((half * HALF, 300 + half * tasks_a_day // 2))
    return replica


def test_memory_that_grows_by_two_a_day_has_the_slope_two() -> None:
    assert slope([(0.0, 100.0), (1.0, 102.0), (2.0, 104.0)]) == pytest.approx(2.0)
    assert slope([(1.0, 100.0)]) == 0.0


def test_the_process_that_ran_the_longest_is_judged_once_it_has_warmed_up() -> None:
    life = long_life([lived(3, 0, 0), lived(9, 4, 2), lived(1, 0, 0)])
    assert life == LongLife(days=4.5, slope=pytest.approx(2.0), more_tasks=14)


def test_tasks_that_come_and_go_are_no_leak() -> None:
    replica = lived(9, 0, 0)
    replica.tasks = [(at, 300 + 200 * (number % 2)) for number, (at, _) in enumerate(replica.tasks)]
    assert long_life([replica]).more_tasks == 0


def test_a_process_that_was_never_measured_says_nothing() -> None:
    assert long_life([Replica(BackgroundProcess("operator-01", Path()), "")]) == LongLife(0.0, 0.0, 0)
