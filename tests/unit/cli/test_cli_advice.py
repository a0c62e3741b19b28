"""The next step: whose turn it is."""

from datetime import datetime

import pytest

from graphmail.cli.advice import NOBODY, next_step
from graphmail.cli.situation import situation
from graphmail.graph import Meaning
from graphmail.reconciler.verdicts import REASONS
from graphmail.resource.names import ANNOTATION_PAUSED
from unit.cli.conftest import Mailbox, at


def step(mailbox: Mailbox, now: datetime, **given: object) -> str:
    return next_step(situation(mailbox(**given), now), now)


def test_a_mailbox_where_all_is_well_asks_for_nothing(mailbox: Mailbox, now: datetime) -> None:
    assert step(mailbox, now) == ""


@pytest.mark.parametrize("meaning", [meaning for meaning in Meaning if meaning.terminal or meaning.slow])
def test_whatever_a_person_must_mend_has_a_step_for_that_person(
    meaning: Meaning, mailbox: Mailbox, now: datetime
) -> None:
    told = step(mailbox, now, ready=("False", REASONS[meaning], "why"))
    assert told
    assert not told.startswith(NOBODY)


@pytest.mark.parametrize("meaning", [Meaning.THROTTLED, Meaning.TRANSIENT, Meaning.UNKNOWN])
def test_what_heals_by_itself_says_that_nobody_must_act_and_when_it_is_tried(
    meaning: Meaning, mailbox: Mailbox, now: datetime
) -> None:
    told = step(mailbox, now, ready=("True", REASONS[meaning], "why"), status={"nextAttemptTime": at(minutes=4)})
    assert told == "nothing: tried again in 4m"


def test_a_mailbox_that_was_suspended_by_hand_names_the_command(mailbox: Mailbox, now: datetime) -> None:
    assert step(mailbox, now, spec={"suspend": True}) == "`graphmail resume ann-1`"


def test_a_mailbox_whose_row_is_paused_sends_people_to_the_product(mailbox: Mailbox, now: datetime) -> None:
    paused = {"spec": {"suspend": True}, "metadata": {"annotations": {ANNOTATION_PAUSED: "manual"}}}
    assert "in the product" in step(mailbox, now, **paused)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"status": {"expirationTime": at(hours=-1)}}, id="expired under a status that says Ready"),
        pytest.param({"status": {"nextRenewalTime": at(hours=-2)}}, id="overdue"),
        pytest.param({"ready": None}, id="never looked at"),
    ],
)
def test_a_mailbox_that_nobody_looks_at_points_to_the_operator(
    given: dict[str, object], mailbox: Mailbox, now: datetime
) -> None:
    assert "graphmail check" in step(mailbox, now, **given)


def test_a_mailbox_that_was_just_made_is_no_alarm(mailbox: Mailbox, now: datetime) -> None:
    given = {"ready": None, "metadata": {"creationTimestamp": at(seconds=-30)}}
    assert step(mailbox, now, **given).startswith(NOBODY)


def test_a_mailbox_that_is_only_observed_asks_for_nothing(mailbox: Mailbox, now: datetime) -> None:
    assert step(mailbox, now, ready=("Unknown", "Observing", "would renew")) == "nothing: the operator only observes"
