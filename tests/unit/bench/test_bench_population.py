"""The mailboxes of a bench."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from graphmail.decision import Policy
from rig.population import ALL_DUE, LIFETIME, NONE_DUE, population

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def test_the_same_mailboxes_come_at_every_run() -> None:
    assert population(50, 8, ALL_DUE, NOW) == population(50, 8, ALL_DUE, NOW)


def test_no_two_mailboxes_share_a_name_or_an_id() -> None:
    mailboxes = population(500, 8, ALL_DUE, NOW)
    for name in ("address", "provider_id", "subscription_id", "resource"):
        assert len({getattr(mailbox, name) for mailbox in mailboxes}) == 500


def test_the_customers_have_equally_many() -> None:
    counts = Counter(mailbox.customer for mailbox in population(80, 8, ALL_DUE, NOW))
    assert set(counts.values()) == {10}


def test_where_all_are_due_each_is_within_the_lookahead_and_still_alive() -> None:
    look_ahead = Policy().look_ahead
    assert all(NOW < mailbox.expires_at < NOW + look_ahead for mailbox in population(200, 8, ALL_DUE, NOW))


def test_where_none_is_due_none_becomes_so_within_a_day() -> None:
    latest = NOW + Policy().look_ahead + timedelta(days=1)
    assert all(mailbox.expires_at > latest for mailbox in population(200, 8, NONE_DUE, NOW))


def test_expiry_is_whole_seconds_as_statuses_are_and_a_lifetime_after_the_grant() -> None:
    for mailbox in population(20, 8, NONE_DUE, NOW):
        assert mailbox.expires_at.microsecond == 0
        assert mailbox.expires_at - mailbox.granted_at == LIFETIME


def test_who_expires_first_is_not_who_was_filled_in_first() -> None:
    expiries = [mailbox.expires_at for mailbox in population(100, 8, ALL_DUE, NOW)]
    assert expiries != sorted(expiries)
