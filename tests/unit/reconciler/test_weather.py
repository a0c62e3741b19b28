"""When a failure is the weather at Graph, and not the fault of a provider."""

from datetime import timedelta

from graphmail.reconciler.weather import LEAST_TRIED, WINDOW, Weather
from support.reconciling import NOW


class Sky:
    def __init__(self) -> None:
        self.now = NOW
        self.weather = Weather(lambda: self.now)

    def tried(self, count: int, *, failed: bool, kind: str = "mailbox") -> None:
        for number in range(count):
            self.weather.note(f"{kind}-{number}", failed=failed)


def test_it_is_a_storm_where_over_half_of_at_least_twenty_mailboxes_fail() -> None:
    sky = Sky()
    sky.tried(LEAST_TRIED - 1, failed=True)
    assert not sky.weather.storm(), "too few to tell"
    sky.tried(LEAST_TRIED, failed=True)
    assert sky.weather.storm()
    sky.tried(LEAST_TRIED, failed=False, kind="other")
    assert not sky.weather.storm(), "half of them is not over half"


def test_only_the_latest_attempt_of_a_mailbox_counts() -> None:
    sky = Sky()
    sky.tried(LEAST_TRIED, failed=True)
    sky.tried(LEAST_TRIED, failed=False)
    assert not sky.weather.storm()


def test_what_was_tried_long_ago_is_forgotten() -> None:
    sky = Sky()
    sky.tried(LEAST_TRIED, failed=True)
    sky.now += WINDOW + timedelta(seconds=1)
    assert not sky.weather.storm()
    sky.tried(1, failed=True)
    assert not sky.weather.storm()
