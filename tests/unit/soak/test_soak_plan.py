"""The plan of the simulated month."""

import pytest

from soak.plan import DAY, HOUR, LASTING, Plan, What


@pytest.mark.parametrize("name", ["month", "short", "rollouts", "stores", "delivery", "delivery-short"])
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
    assert {one.what for one in plan.happenings} == set(What) - {What.SUBSCRIPTION_SILENCED, What.PRODUCT_OUTAGE}
    assert plan.mail is None
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


def test_silent_deaths_come_once_rhythms_are_learned_and_early_enough_to_be_found() -> None:
    plan = Plan.read("delivery")
    deaths = [one.at for one in plan.happenings if one.what is What.SUBSCRIPTION_SILENCED]
    assert (plan.days, plan.mailboxes, len(deaths)) == (30, 200, 80)
    assert min(deaths) >= 8 * DAY
    assert max(deaths) <= plan.seconds - 3 * DAY
    assert plan.mail is not None
    assert plan.mail.delay_seconds[1] < plan.mail.allowance_minutes * 60
    assert {one.what for one in plan.happenings} == {
        What.SUBSCRIPTION_SILENCED,
        What.REPLICA_RESTARTED,
        What.POSTGRES_OUTAGE,
        What.PRODUCT_OUTAGE,
    }
