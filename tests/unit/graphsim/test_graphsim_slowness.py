import pytest

from graphsim.settings import SimulatorSettings
from graphsim.slowness import SlowEndpoints

SETTINGS = SimulatorSettings()


@pytest.fixture
def endpoint():
    return SlowEndpoints().of("https://hook.example.com:8443/graph?x=1")


def note(endpoint, *answers, at=0.0):
    return [endpoint.note(at, slow=slow, settings=SETTINGS) for slow in answers]


def test_an_endpoint_is_its_scheme_host_and_port():
    slow = SlowEndpoints()
    assert slow.of("https://hook.example.com:8443/graph") is slow.of("https://hook.example.com:8443/other?x=1")
    assert [one.endpoint for one in slow.all()] == ["https://hook.example.com:8443"]
    assert slow.of("https://hook.example.com/graph") is not slow.all()[0]


@pytest.mark.parametrize(("slow", "drops"), [(3, False), (4, True)])
def test_more_than_fifteen_of_a_hundred_slow_answers_start_the_dropping(endpoint, slow, drops):
    """Three of twenty are fifteen per cent, and that is not more than fifteen."""
    note(endpoint, *[False] * (20 - slow))
    assert any(note(endpoint, *[True] * slow)) is drops


def test_a_single_slow_answer_is_not_held_against_it(endpoint):
    assert note(endpoint, *[True] * 9) == [False] * 9
    assert note(endpoint, True) == [True]


def test_answers_older_than_ten_minutes_no_longer_count(endpoint):
    note(endpoint, *[True] * 9)
    assert note(endpoint, True, at=600.0) == [False]
    assert (len(endpoint.answers), endpoint.slow) == (1, 1)


def test_the_dropping_lasts_ten_minutes_and_then_the_count_begins_anew(endpoint):
    note(endpoint, *[True] * 10, at=50.0)
    assert endpoint.dropping_until == 650.0
    assert note(endpoint, *[True] * 10, at=100.0) == [False] * 10
    assert note(endpoint, *[False] * 10, at=701.0) == [False] * 10
