"""Which silent deaths must have been found, and which were."""

from datetime import UTC, datetime
from typing import Any

import pytest

from graphsim.control_mail_models import SilenceView, SilentDeathView
from soak.deaths import FINDABLE, Evidence, deaths_of, most_in_a_day
from soak.plan import DAY, HOUR

END = 30 * DAY
ANN = "ann@a.example"


def at(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def death(
    began: float, *, lost: float | None, last: float | None = None, ended: float | None = None, how: str | None = None
) -> SilentDeathView:
    fields: dict[str, Any] = {
        "subscription_id": "sub",
        "mailbox": ANN,
        "user_id": "ann",
        "client_id": "app",
        "folder": "inbox",
        "began_at": at(began),
        "ended_at": at(ended),
        "how": how,
        "replaced_by": None,
        "gone_at": None,
        "undelivered": int(lost is not None),
        "first_undelivered_at": at(lost),
        "last_undelivered_at": at(lost if last is None else last),
    }
    return SilentDeathView.model_validate(fields)


def heard_of(told: int, last: float = 0.0) -> Evidence:
    return Evidence(told={ANN: told}, heard={ANN: last}, allowance=HOUR)


def account(*deaths: SilentDeathView) -> SilenceView:
    return SilenceView(deaths=list(deaths), replacements=[])


def test_a_death_is_found_when_it_was_replaced_and_the_operator_said_why() -> None:
    found = deaths_of(
        account(death(9 * DAY, lost=9 * DAY + HOUR, ended=9 * DAY + 5 * HOUR, how="replaced")), heard_of(1), END
    )
    assert (len(found.due), len(found.found), found.missed, found.unseen, found.blind) == (1, 1, (), 0, ())
    assert found.median_minutes() == 300
    assert found.deaf() == (240, 240)


@pytest.mark.parametrize("how", ["replaced", "expired", "deleted", "removed"])
def test_a_death_that_ended_otherwise_was_not_found(how: str) -> None:
    found = deaths_of(account(death(9 * DAY, lost=10 * DAY, ended=11 * DAY, how=how)), heard_of(0), END)
    assert (len(found.due), len(found.found), len(found.missed)) == (1, 0, 1)


def test_one_word_of_the_operator_stands_for_one_find() -> None:
    twice = [death(day * DAY, lost=day * DAY, ended=(day + 1) * DAY, how="replaced") for day in (9, 15)]
    found = deaths_of(account(*twice), heard_of(1), END)
    assert (len(found.due), len(found.found)) == (2, 1)


@pytest.mark.parametrize(
    ("lost", "due"),
    [(END - FINDABLE - 1, 1), (END - FINDABLE + 1, 0), (None, 0)],
    ids=["a message was lost in time", "a message was lost late", "no message was lost"],
)
def test_a_death_that_lasts_is_missed_only_where_a_message_showed_it_in_time(lost: float | None, due: int) -> None:
    found = deaths_of(account(death(20 * DAY, lost=lost)), heard_of(0), END)
    assert (len(found.due), len(found.missed), found.unseen) == (due, due, 1 - due)


@pytest.mark.parametrize(("last", "due"), [(0.5, 0), (1.5, 1)], ids=["within the allowance", "after it"])
def test_a_message_that_may_still_be_told_of_proves_nothing(last: float, due: int) -> None:
    first = death(20 * DAY, lost=20 * DAY + 60, last=20 * DAY + last * HOUR)
    assert len(deaths_of(account(first), heard_of(0, last=20 * DAY), END).missed) == due


def test_what_was_replaced_before_a_message_was_lost_had_no_proof() -> None:
    found = deaths_of(account(death(9 * DAY, lost=None, ended=10 * DAY, how="replaced")), heard_of(1), END)
    assert len(found.blind) == 1


def test_checks_are_counted_within_any_twenty_four_hours() -> None:
    assert most_in_a_day([hour * HOUR for hour in (20, 26, 32, 38, 44)]) == 4
    assert most_in_a_day([]) == 0
