"""Conditions, by the Kubernetes API conventions: the transition time tells when the status changed, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from graphmail.resource import Condition
from graphmail.resource.conditions import ConditionType, Wanted, set_conditions

THEN = datetime(2026, 2, 27, 22, 4, 5, tzinfo=UTC)
NOW = THEN + timedelta(hours=7, minutes=13)


def condition(kind: str, status: str, reason: str = "Before", message: str = "as it was") -> Condition:
    return Condition(
        type=kind, status=status, reason=reason, message=message, last_transition_time=THEN, observed_generation=2
    )


READY = condition("Ready", "True")


def test_a_new_condition_begins_now() -> None:
    (ready,) = set_conditions([], [Wanted(ConditionType.READY, True, "Subscribed", "covered")], now=NOW, generation=5)
    assert ready == Condition(
        type="Ready",
        status="True",
        reason="Subscribed",
        message="covered",
        last_transition_time=NOW,
        observed_generation=5,
    )


def test_an_unchanged_status_keeps_its_transition_time_while_all_else_follows() -> None:
    (ready,) = set_conditions([READY], [Wanted(ConditionType.READY, True, "Renewed", "news")], now=NOW, generation=5)
    assert ready.last_transition_time == THEN
    assert (ready.reason, ready.message, ready.observed_generation) == ("Renewed", "news", 5)


@pytest.mark.parametrize("status", [False, "Unknown"])
def test_a_changed_status_moves_the_transition_time(status: bool | str) -> None:
    (ready,) = set_conditions([READY], [Wanted(ConditionType.READY, status, "Lost", "")], now=NOW, generation=2)
    assert ready.last_transition_time == NOW
    assert ready.status == str(status)


def test_stalled_is_absent_when_nobody_has_to_act() -> None:
    stalled = condition("Stalled", "True")
    assert set_conditions([READY, stalled], [Wanted(ConditionType.STALLED, None)], now=NOW, generation=2) == [READY]


def test_taking_away_what_is_not_there_changes_nothing() -> None:
    assert set_conditions([READY], [Wanted(ConditionType.STALLED, None)], now=NOW, generation=9) == [READY]


def test_a_stall_that_returns_begins_anew() -> None:
    gone = set_conditions([condition("Stalled", "True")], [Wanted(ConditionType.STALLED, None)], now=NOW, generation=2)
    later = NOW + timedelta(minutes=1)
    (stalled,) = set_conditions(gone, [Wanted(ConditionType.STALLED, True, "Again", "")], now=later, generation=2)
    assert stalled.last_transition_time == later


def test_what_nobody_speaks_of_stays_as_it_is() -> None:
    foreign = condition("example.com/Audited", "False")
    wanted = [Wanted(ConditionType.SYNCED, True, "Recorded", "")]
    assert foreign in set_conditions([foreign, READY], wanted, now=NOW, generation=4)
    assert READY in set_conditions([foreign, READY], wanted, now=NOW, generation=4)


def test_conditions_stand_in_a_fixed_order_so_that_a_status_differs_only_where_something_changed() -> None:
    kinds = ["example.com/Audited", "Stalled", "Delivering", "Synced", "Authorized", "Ready"]
    shown = set_conditions([condition(kind, "True") for kind in kinds], [], now=NOW, generation=1)
    assert [item.type for item in shown] == kinds[::-1]
    assert set_conditions(shown, [], now=NOW, generation=1) == shown
