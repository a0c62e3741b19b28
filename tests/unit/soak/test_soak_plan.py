"""The plan of the simulated month."""

import pytest

from soak.plan import DAY, HOUR, LASTING, Plan, What


@pytest.mark.parametrize("name", ["month", "short", "rollouts", "stores"])
def test_everything_that_a_plan_begins_is_over_before_its_end(name: str) -> None:
    plan = Plan.read(name)
    assert all(one.at > 0 and one.at + one.seconds < plan.seconds for one in plan.happenings)


def test_the_month_is_as_hard_as_it_was_asked_to_be() -> None:
    plan = Plan.read("month")
    longest = {what: max((one.seconds for one in plan.happenings if one.what is what), default=0.0) for what in What}
    assert (plan.days, plan.mailboxes, plan.customers) == (30, 300, 10)
    assert longest[What.GRAPH_OUTAGE] == 12 * HOUR
    assert longest[What.POSTGRES_OUTAGE] == 6 * HOUR
    assert longest[What.API_SERVER_OUTAGE] == 3 * HOUR
    assert {one.what for one in plan.happenings} == set(What)
    assert [one.minutes for one in plan.happenings if one.what is What.CEILING_LOWERED] == [4_230]


def test_a_consent_is_missing_for_longer_than_a_subscription_lives_now_and_then() -> None:
    gone = [one.seconds for one in Plan.read("month").happenings if one.what is What.CONSENT_REVOKED]
    assert max(gone) > 7 * DAY


def test_the_same_seed_deals_out_the_same_trouble_and_another_one_does_not() -> None:
    assert Plan.read("month") == Plan.read("month")
    assert Plan.read("month", seed=1).happenings != Plan.read("month", seed=2).happenings


def test_only_what_lasts_has_a_length_that_chance_decides() -> None:
    dealt = [one for one in Plan.read("month").happenings if one.what in LASTING]
    assert len({one.seconds for one in dealt}) == len(dealt)
