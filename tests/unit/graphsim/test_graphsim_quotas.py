import pytest

from graphsim.quotas import DEFAULT_LIMITS, QuotaLimit, QuotaWindows

WRITE = QuotaLimit(routes=frozenset({"create", "patch"}), scope="app+tenant", count=3, seconds=20)


@pytest.fixture
def windows(real):
    return QuotaWindows(real)


def ask(windows, route="patch", client="c", tenant="t", limits=(WRITE,)):
    return windows.refusal(limits, route, client, tenant, "m")


def test_calls_up_to_the_limit_pass_and_the_next_is_told_when_to_come_back(windows, real):
    assert ask(windows) is None
    real.tick(4)
    assert [ask(windows), ask(windows), ask(windows)] == [None, None, 16]


def test_the_window_slides(windows, real):
    for _ in range(3):
        assert ask(windows) is None
        real.tick(5)
    real.tick(5.5)
    assert ask(windows) is None
    assert ask(windows) == 5


def test_refused_calls_count_too(windows, real):
    for _ in range(3):
        ask(windows)
    real.tick(19)
    assert ask(windows) == 1
    real.tick(2)
    assert [ask(windows), ask(windows), ask(windows)] == [None, None, 18]


def test_routes_of_one_limit_share_a_window(windows):
    assert [ask(windows, route=route) for route in ("create", "patch", "create")] == [None, None, None]
    assert ask(windows, route="patch") == 20
    assert ask(windows, route="get") is None


def test_tenants_and_apps_have_windows_of_their_own(windows):
    for _ in range(3):
        ask(windows)
    assert ask(windows, tenant="other") is None
    assert ask(windows, client="other") is None


def test_the_longest_wait_is_told(windows):
    short = QuotaLimit(routes=frozenset({"patch"}), scope="app", count=1, seconds=2)
    assert ask(windows, limits=(short, WRITE)) is None
    assert ask(windows, limits=(short, WRITE)) == 2
    assert ask(windows, limits=(short, WRITE)) == 2
    assert ask(windows, limits=(short, WRITE)) == 20


@pytest.mark.parametrize(
    ("route", "scope", "count"),
    [
        ("create", "app", 2_000),
        ("patch", "app+tenant", 500),
        ("delete", "app+tenant", 500),
        ("reauthorize", "app", 4_000),
        ("reauthorize", "app+tenant", 1_000),
        ("get", "app", 2_000),
        ("get", "app+tenant", 500),
        ("list", "app", 40),
        ("list", "app+tenant", 25),
    ],
)
def test_the_limits_are_those_that_microsoft_documents(route, scope, count):
    found = [(one.count, one.seconds) for one in DEFAULT_LIMITS if route in one.routes and one.scope == scope]
    assert found == [(count, 20.0)]
