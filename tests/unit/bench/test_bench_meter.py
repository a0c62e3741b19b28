"""Processor time, read from samples."""

import pytest

from rig.meter import Sample, Usage


@pytest.fixture
def usage() -> Usage:
    """Idle until 100, then half a core until 104, then idle."""
    return Usage([Sample(90, 2.0, 1), Sample(100, 2.0, 1), Sample(104, 4.0, 1), Sample(110, 4.0, 1)])


@pytest.mark.parametrize(("moment", "seconds"), [(95, 2.0), (100, 2.0), (101, 2.5), (103, 3.5), (104, 4.0), (107, 4.0)])
def test_between_two_samples_the_time_is_shared_out_evenly(usage: Usage, moment: float, seconds: float) -> None:
    assert usage.cpu_at(moment) == pytest.approx(seconds)


def test_beyond_the_samples_the_nearest_one_counts(usage: Usage) -> None:
    assert (usage.cpu_at(0), usage.cpu_at(1000)) == (2.0, 4.0)


def test_what_was_used_between_two_moments_leaves_out_the_rest(usage: Usage) -> None:
    assert usage.cpu_between(101, 107) == pytest.approx(1.5)


def test_a_process_rests_when_its_last_seconds_used_nothing(usage: Usage) -> None:
    assert usage.share_of_last(5) == 0
    assert usage.share_of_last(10) == pytest.approx(0.2)
