"""What the simulated month takes for avoidable."""

import pytest

from soak.oracle import Allowance, Expected, Span, done_by, judge, total, without

HOUR = 3_600.0
ALLOWANCE = Allowance(verification=6 * HOUR, noticing=HOUR, handling=HOUR / 2, backoff=HOUR)


def test_a_gap_that_nothing_excuses_could_be_helped() -> None:
    judged = judge(Expected(since=0.0), [Span(100.0, 160.0)], end=1_000.0)
    assert judged.minutes() == (1.0, 0.0)


def test_only_the_excused_part_of_a_gap_could_not_be_helped() -> None:
    expected = Expected(since=0.0)
    expected.excuse(60.0, 180.0)
    judged = judge(expected, [Span(120.0, 300.0)], end=1_000.0)
    assert judged.unavoidable == [Span(120.0, 180.0)]
    assert judged.avoidable == [Span(180.0, 300.0)]


def test_nobody_expects_anything_before_a_provider_is_there_or_after_it_is_gone() -> None:
    expected = Expected(since=200.0, until=400.0)
    judged = judge(expected, [Span(0.0, 250.0), Span(390.0, 900.0)], end=1_000.0)
    assert judged.avoidable == [Span(200.0, 250.0), Span(390.0, 400.0)]


def test_a_gap_that_lasts_counts_until_the_end() -> None:
    assert total(judge(Expected(since=0.0), [Span(900.0, 5_000.0)], end=1_000.0).avoidable) == 100.0


def test_a_silent_loss_must_be_found_by_the_next_verification() -> None:
    assert done_by(0.0, ALLOWANCE.verification, [], ALLOWANCE) == 6.5 * HOUR


@pytest.mark.parametrize(
    ("outage", "hours"),
    [
        (Span(-4 * HOUR, -HOUR), 6.5),
        (Span(7 * HOUR, 12 * HOUR), 6.5),
        (Span(HOUR, 2 * HOUR), 6.5),
        (Span(5 * HOUR, 12 * HOUR), 13.5),
    ],
    ids=["one that was over", "one that came later", "one that ended long before", "one that went on then"],
)
def test_only_an_outage_at_that_time_puts_it_off(outage: Span, hours: float) -> None:
    assert done_by(0.0, ALLOWANCE.verification, [outage], ALLOWANCE) == hours * HOUR


def test_an_outage_that_begins_while_another_one_is_got_over_puts_it_off_once_more() -> None:
    outages = [Span(13 * HOUR, 14 * HOUR), Span(5 * HOUR, 12 * HOUR)]
    assert done_by(0.0, ALLOWANCE.verification, outages, ALLOWANCE) == 15.5 * HOUR


def test_what_is_left_of_a_span_is_what_no_other_covers() -> None:
    others = [Span(70.0, 200.0), Span(0.0, 20.0), Span(40.0, 50.0), Span(45.0, 60.0)]
    assert without(Span(10.0, 100.0), others) == [Span(20.0, 40.0), Span(60.0, 70.0)]
