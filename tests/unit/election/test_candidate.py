"""What a candidate does about the lease, from what it has seen and the time alone."""

from typing import Literal

import pytest

from graphmail.election import Candidate, Move, Record, Terms

TERMS = Terms(15)
Standing = Literal["fresh", "leading"]


def lease(holder: str, version: str = "1", seconds: float = 15) -> Record:
    return Record(holder, seconds, transitions=3, version=version)


def candidate(standing: Standing = "fresh") -> Candidate:
    one = Candidate("us", TERMS)
    if standing == "leading":
        one.renewed(lease("us"), asked_at=100.0)
    return one


@pytest.mark.parametrize(
    ("standing", "seen", "waited", "move"),
    [
        ("fresh", None, 0, Move.CREATE),
        ("fresh", lease(""), 0, Move.TAKE),
        ("fresh", lease("them"), 0, Move.WAIT),
        ("fresh", lease("them"), 14.9, Move.WAIT),
        ("fresh", lease("them"), 15, Move.TAKE),
        ("fresh", lease("them", seconds=40), 39.9, Move.WAIT),
        ("fresh", lease("them", seconds=0), 14.9, Move.WAIT),
        ("fresh", lease("them", seconds=0), 15, Move.TAKE),
        ("fresh", lease("us"), 0, Move.RENEW),
        ("leading", lease("us", "2"), 0, Move.RENEW),
        ("leading", lease("us"), 3_600, Move.RENEW),
        ("leading", lease("them", "2"), 0, Move.YIELD),
        ("leading", lease("", "2"), 0, Move.YIELD),
        ("leading", None, 0, Move.YIELD),
    ],
)
def test_the_next_move_follows_from_what_was_seen_and_for_how_long(
    standing: Standing, seen: Record | None, waited: float, move: Move
) -> None:
    one = candidate(standing)
    one.see(seen, 100.0)
    assert one.move(100.0 + waited) is move


def test_each_renewal_that_is_seen_makes_a_standby_wait_anew() -> None:
    one = candidate()
    for moment, version in ((0.0, "1"), (14.0, "2"), (28.0, "3")):
        one.see(lease("them", version), moment)
        assert one.move(moment + 14.9) is Move.WAIT


def test_what_has_not_changed_does_not() -> None:
    one = candidate()
    for moment in (0.0, 7.0, 14.9):
        one.see(lease("them"), moment)
    assert one.move(15.0) is Move.TAKE


def test_the_right_to_act_counts_from_before_the_request_and_ends_before_the_lease() -> None:
    one = candidate("leading")
    assert one.holds(100.0 + 9.9)
    assert not one.holds(100.0 + 10.0)
    one.renewed(lease("us", "2"), asked_at=102.0)
    assert one.holds(111.9)
    assert not one.holds(112.0)


def test_an_answer_that_comes_late_gives_no_more_time() -> None:
    one = candidate()
    one.renewed(lease("us"), asked_at=100.0)
    assert not one.holds(130.0)


def test_nobody_acts_before_it_has_won() -> None:
    one = candidate()
    one.see(lease("them"), 100.0)
    assert not one.holds(100.0)


@pytest.mark.parametrize("seconds", [5, 15, 60])
def test_a_loser_has_time_to_try_again_and_to_stop_before_the_lease_runs_out(seconds: float) -> None:
    terms = Terms(seconds)
    assert terms.answer_within + terms.period < terms.renew_within
    assert terms.renew_within + terms.stop_within < terms.seconds


def test_at_the_usual_length_a_standby_follows_a_kill_or_a_hang_within_30_seconds() -> None:
    assert Terms() == TERMS
    last_renewal_after_a_hang = TERMS.silence
    assert last_renewal_after_a_hang + TERMS.seconds + 2 * TERMS.period < 30


def test_an_event_loop_that_is_busy_for_two_seconds_is_still_spoken_for() -> None:
    assert Terms().silence > 2 + 1  # the heart beats once a second
