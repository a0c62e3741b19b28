"""A month of mail in virtual time: no false alarm, few checks, and a subscription that dies is found."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from support.month import START, Mailbox, Rate, mails, office, steady

DAYS = 24
DAY = timedelta(days=1)
MOST_CHECKS = 4
"""A mailbox and day."""


@dataclass(frozen=True)
class Habit:
    """How a mailbox gets its mail."""

    rate: Rate
    hours: float
    """Within so many hours of the first message that was lost, the subscription is replaced."""
    burst: int = 1


HABITS = {
    "a busy office": Habit(office(6), 3),
    "a small office": Habit(office(2), 26),
    "an office with long threads": Habit(office(2), 26, burst=10),
    "an office with a little mail at night": Habit(office(1, rest=0.05), 26),
    "day and night": Habit(steady(3), 6),
    "now and then": Habit(steady(0.2), 26),
    "once in two days": Habit(steady(0.02), 26),
    "never": Habit(steady(0.0), 0),
}


@pytest.mark.parametrize("habit", HABITS.values(), ids=HABITS.keys())
def test_a_healthy_mailbox_is_checked_seldom_and_never_replaced(habit: Habit) -> None:
    mailbox = Mailbox(mails(habit.rate, DAYS, seed=1, burst=habit.burst)).run(DAYS)
    assert mailbox.replaced == []
    assert mailbox.most_checks_in_a_day() <= MOST_CHECKS
    assert len(mailbox.checks) <= 2 * DAYS


@pytest.mark.parametrize("habit", [habit for habit in HABITS.values() if habit.hours], ids=list(HABITS)[:-1])
def test_a_silent_death_is_found_and_mended_once(habit: Habit) -> None:
    mail = mails(habit.rate, DAYS, seed=2, burst=habit.burst)
    dies = START + 15 * DAY + timedelta(hours=11)
    mailbox = Mailbox(mail, dies=dies).run(DAYS)
    lost = next(message for message in mail if message >= dies)
    assert len(mailbox.replaced) == 1
    assert timedelta() < mailbox.replaced[0] - lost <= timedelta(hours=habit.hours)
    assert mailbox.most_checks_in_a_day() <= MOST_CHECKS


def test_a_death_on_friday_evening_is_found_by_monday_noon() -> None:
    mail = mails(office(3), DAYS, seed=3)
    dies = START + 18 * DAY + timedelta(hours=18)
    mailbox = Mailbox(mail, dies=dies).run(DAYS)
    assert [moment < START + 21 * DAY + timedelta(hours=12) for moment in mailbox.replaced] == [True]


def test_holidays_cost_a_few_checks_and_nothing_else() -> None:
    holidays = (START + 14 * DAY, START + 19 * DAY)
    mail = [message for message in mails(office(4), DAYS, seed=4) if not holidays[0] <= message < holidays[1]]
    mailbox = Mailbox(mail).run(DAYS)
    assert mailbox.replaced == []
    assert mailbox.most_checks_in_a_day() <= MOST_CHECKS


def test_a_clock_that_is_put_forward_costs_no_false_alarm() -> None:
    summer = START + 14 * DAY
    mail = mails(office(4), DAYS, seed=5)
    mail = sorted(message if message < summer else message - timedelta(hours=1) for message in mail)
    mailbox = Mailbox(mail).run(DAYS)
    assert mailbox.replaced == []
    assert mailbox.most_checks_in_a_day() <= MOST_CHECKS
