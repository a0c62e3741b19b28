"""The month of silence in its short form: subscriptions die silently in three simulated days, and each is found."""

from pathlib import Path

import pytest

from support.soaking import played


@pytest.mark.timeout(2400)
def test_silent_deaths_are_found_and_no_healthy_subscription_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "soak"
    numbers = played(folder, "--delivery", "--quick")
    assert list(numbers) == [
        "silent_deaths", "found", "median_minutes_to_mend", "false_alarms", "probe_calls_per_mailbox_per_day",
    ]  # fmt: skip
    assert numbers["found"] == numbers["silent_deaths"] >= 1
    assert numbers["false_alarms"] == 0
    assert 0 < numbers["probe_calls_per_mailbox_per_day"] <= 4
    assert (folder / "coverage.svg").exists()
