"""The simulated month in its short form: every kind of trouble once or twice, in little more than a simulated day."""

from pathlib import Path

import pytest

from support.soaking import played


@pytest.mark.timeout(2400)
def test_a_day_full_of_trouble_leaves_no_avoidable_gap_no_leak_and_no_duplicate(tmp_path: Path) -> None:
    folder = tmp_path / "soak"
    numbers = played(folder, "--quick")
    assert numbers["days"] == 1.25
    assert numbers["restarts"] >= 2
    assert numbers["renewals"] > 0
    assert (folder / "coverage.svg").exists()
