"""A renewal of many: what a second start finds of the first, in the resources alone."""

from datetime import datetime, timedelta

from graphmail.cli.bulk import Run, renewed_since, unfinished
from graphmail.cli.selection import Selection
from graphmail.resource.names import ANNOTATION_RENEW, BULK_PREFIX
from unit.cli.conftest import Mailbox, at

ALL, TENANT = Selection(), Selection(tenant="acme")


def run(now: datetime, selection: Selection = ALL, **ago: float) -> Run:
    return Run.of(selection, now - timedelta(**ago))


def asked(value: str) -> dict[str, object]:
    return {"annotations": {ANNOTATION_RENEW: value}}


def test_only_what_is_asked_for_among_many_has_the_prefix_that_goes_last(now: datetime) -> None:
    assert run(now).value.startswith(BULK_PREFIX)
    assert not run(now, Selection(("ann-1",))).value.startswith(BULK_PREFIX)


def test_two_starts_within_a_second_have_different_values(now: datetime) -> None:
    assert run(now).value != run(now).value


def test_where_nothing_was_asked_for_there_is_nothing_to_go_on_with(mailbox: Mailbox, now: datetime) -> None:
    assert unfinished([mailbox()], run(now), now) is None


def test_a_stopped_run_is_gone_on_with_under_a_new_value_of_the_same_moment(mailbox: Mailbox, now: datetime) -> None:
    first = run(now, hours=1)
    done = mailbox(metadata=asked(first.value), status={"lastRenewalTime": at(minutes=-59)})
    found = unfinished([done, mailbox(metadata={"name": "bob-1"})], run(now), now)
    assert found is not None
    assert found.begun == first.begun
    assert found.value != first.value
    assert found.asked_by(first.value)
    assert first.asked_by(found.value)
    assert not found.asked_by(run(now).value)


def test_a_run_that_renewed_all_is_over(mailbox: Mailbox, now: datetime) -> None:
    first = run(now, hours=1)
    done = mailbox(metadata=asked(first.value), status={"lastRenewalTime": at(minutes=-59)})
    paused = mailbox(metadata={"name": "bob-1"}, spec={"suspend": True})
    assert unfinished([done, paused], run(now), now) is None


def test_an_old_run_and_one_of_another_scope_are_not_gone_on_with(mailbox: Mailbox, now: datetime) -> None:
    left = mailbox(metadata={"name": "bob-1"})
    assert unfinished([mailbox(metadata=asked(run(now, hours=25).value)), left], run(now), now) is None
    assert unfinished([mailbox(metadata=asked(run(now, TENANT, hours=1).value)), left], run(now), now) is None
    assert unfinished([mailbox(metadata=asked("bulk/nonsense/2026-99-01T00:00:00Z/ab")), left], run(now), now) is None


def test_a_renewal_since_the_start_counts_whoever_asked_for_it(mailbox: Mailbox, now: datetime) -> None:
    first = run(now, hours=1)
    assert renewed_since(mailbox(status={"lastRenewalTime": at(minutes=-10)}), first)
    assert not renewed_since(mailbox(status={"lastRenewalTime": at(minutes=-70)}), first)
    assert not renewed_since(mailbox(), first)


def test_an_answer_counts_even_where_the_clocks_differ_and_a_failure_does_not(mailbox: Mailbox, now: datetime) -> None:
    first = run(now, hours=1)
    answered = {"lastHandledRenewal": first.value, "lastRenewalTime": at(minutes=-70)}
    assert renewed_since(mailbox(metadata=asked(first.value), status=answered), first)
    failed = mailbox(metadata=asked(first.value), status=answered, ready=("False", "GraphUnavailable", "no"))
    assert not renewed_since(failed, first)
