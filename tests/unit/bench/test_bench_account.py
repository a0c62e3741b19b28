"""What a bench reads from the simulator's log."""

from datetime import UTC, datetime, timedelta

from graphsim.control_run_models import CallView
from rig.account import account_of, urgency

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def call(
    route: str, after: float, *, status: int = 200, milliseconds: float = 150.0, subscription: str = "s"
) -> CallView:
    method = {"patch": "PATCH", "create": "POST", "delete": "DELETE"}.get(route, "GET")
    return CallView(
        number=1,
        at=START + timedelta(seconds=after),
        route=route,
        method=method,
        tenant="t",
        mailbox="m",
        client="c",
        status=status,
        code="",
        subscription=subscription,
        fault="",
        milliseconds=milliseconds,
        request_id="r",
        client_request_id="r",
    )


def test_the_time_runs_from_the_arrival_of_the_first_write_to_the_answer_to_the_last() -> None:
    calls = [
        call("get", 0.0),
        call("patch", 3.0),
        call("patch", 1.0),
        call("patch", 2.0, milliseconds=1600),
        call("get", 9.0),
    ]
    account = account_of(calls)
    assert account.began == START.timestamp() + 1.0
    assert round(account.seconds, 3) == 2.6
    assert round(account.per_second, 3) == round(3 / 2.6, 3)


def test_only_a_patch_that_was_granted_is_a_renewal() -> None:
    calls = [
        call("patch", 0),
        call("patch", 1, status=429),
        call("patch", 2, status=404),
        call("create", 3, status=201),
    ]
    account = account_of(calls)
    assert (account.renewals, account.other_writes, account.http_429) == (1, 3, 1)


def test_a_refused_read_counts_as_refused_too() -> None:
    assert account_of([call("patch", 0), call("list", 1, status=429)]).http_429 == 1


def test_the_curve_tells_what_was_granted_after_each_second_and_ends_with_all() -> None:
    account = account_of([call("patch", after) for after in (0.0, 0.5, 0.9, 1.4, 2.2)])
    assert account.curve == (0, 2, 4, 5)


def test_a_run_without_writes_has_no_speed() -> None:
    account = account_of([call("get", 0)])
    assert (account.renewals, account.seconds, account.per_second) == (0, 0.0, 0.0)


def test_urgency_is_the_place_of_those_that_expire_first_in_the_order_of_writes() -> None:
    names = [f"s{number}" for number in range(20)]
    early = [call("patch", place, subscription=name) for place, name in enumerate(names)]
    late = [call("patch", 20 - place, subscription=name) for place, name in enumerate(names)]
    assert urgency(early, names) == 0.5 / 20
    assert urgency(late, names) == 18.5 / 20
    assert urgency([call("get", 0)], names) == 1.0
