"""The receiver knows whose a subscription is, and which clientState proves it, from the resources alone."""

from typing import Any

from graphmail.provider import ProviderKey, client_state_fingerprint
from graphmail.receiver.roster import Roster
from support.receiving import TENANT, resource

FIRST = resource("a@example.com", {"SUB-1": "one", "sub-2": "two"})
NAME = FIRST["metadata"]["name"]


def known(roster: Roster, subscription: str) -> str | None:
    found = roster.find(subscription)
    return found.states[subscription] if found else None


def test_each_folder_s_subscription_is_known_by_its_own_client_state() -> None:
    roster = Roster()
    roster.note(NAME, FIRST)
    assert known(roster, "sub-1") == client_state_fingerprint("one")
    assert known(roster, "sub-2") == client_state_fingerprint("two")
    found = roster.find("sub-1")
    assert found is not None
    assert (found.key, found.mirrored, len(roster)) == (ProviderKey(TENANT, "provider-1"), True, 2)


def test_one_that_we_did_not_make_is_known_by_what_the_mirror_tells() -> None:
    roster = Roster()
    roster.note(NAME, resource("a@example.com", {"sub-1": None}, told="the row's"))
    assert known(roster, "sub-1") == client_state_fingerprint("the row's")


def test_without_any_client_state_nothing_can_be_proven() -> None:
    roster = Roster()
    roster.note(NAME, resource("a@example.com", {"sub-1": None}))
    assert known(roster, "sub-1") == ""


def test_a_replaced_subscription_is_not_known_any_more() -> None:
    roster = Roster()
    roster.note(NAME, FIRST)
    roster.note(NAME, resource("a@example.com", {"sub-3": "three"}))
    assert known(roster, "sub-1") is known(roster, "sub-2") is None
    assert known(roster, "sub-3") == client_state_fingerprint("three")


def test_a_resource_that_is_gone_takes_its_subscriptions_along() -> None:
    roster = Roster()
    roster.note(NAME, FIRST)
    roster.forget(NAME)
    assert (roster.get(NAME), known(roster, "sub-1"), len(roster)) == (None, None, 0)


def test_a_subscription_that_moved_to_another_resource_stays_known_there() -> None:
    roster = Roster()
    roster.note(NAME, resource("a@example.com", {"sub-1": "one"}))
    second = resource("b@example.com", {"sub-1": "other"}, provider="provider-2")
    roster.note(second["metadata"]["name"], second)
    roster.forget(NAME)
    assert known(roster, "sub-1") == client_state_fingerprint("other")


def at(version: int | str, subscription: str) -> dict[str, Any]:
    """The resource in that version, with that subscription."""
    body = resource("a@example.com", {subscription: "state"})
    return {**body, "metadata": body["metadata"] | {"resourceVersion": str(version)}}


def test_what_the_watch_has_shown_is_not_undone_by_the_late_answer_to_a_write_that_came_before_it() -> None:
    roster = Roster()
    roster.note(NAME, at(9, "old"))
    later = roster.note(NAME, at(11, "new"))
    assert roster.note(NAME, at(10, "old")) is later is roster.get(NAME)
    assert known(roster, "old") is None
    assert known(roster, "new") is not None


def test_an_answer_that_is_later_than_the_watch_is_taken() -> None:
    roster = Roster()
    roster.note(NAME, at(9, "old"))
    roster.note(NAME, at(10, "new"))
    assert (known(roster, "old"), known(roster, "new") is not None) == (None, True)


def test_a_namesake_that_was_made_anew_is_taken_whatever_was_known() -> None:
    roster = Roster()
    roster.note(NAME, at(99, "old"))
    roster.forget(NAME)
    roster.note(NAME, at(100, "new"))
    assert (known(roster, "old"), known(roster, "new") is not None) == (None, True)


def test_a_list_has_the_word_over_all_that_was_known_before_it_was_asked_for() -> None:
    roster = Roster()
    before = roster.note(NAME, at(99, "from before the backup"))
    roster.note(NAME, at(7, "restored"), over=before)
    assert known(roster, "restored") is not None


def test_but_not_over_what_has_come_since() -> None:
    roster = Roster()
    before = roster.note(NAME, at(9, "old"))
    roster.note(NAME, at(11, "new"))
    roster.note(NAME, at(10, "old"), over=before)
    assert (known(roster, "old"), known(roster, "new") is not None) == (None, True)


def test_of_versions_that_are_no_numbers_the_last_one_shown_counts() -> None:
    roster = Roster()
    roster.note(NAME, at("opaque", "old"))
    roster.note(NAME, at(1, "new"))
    roster.note(NAME, at("opaque", "newer"))
    assert known(roster, "newer") is not None


def test_only_what_was_listed_is_left() -> None:
    roster = Roster()
    roster.note(NAME, FIRST)
    roster.note("other", resource("b@example.com", {"sub-9": "nine"}, provider="provider-2"))
    roster.keep_only({"other"})
    assert known(roster, "sub-1") is None
    assert known(roster, "sub-9") is not None


def test_a_resource_that_does_not_parse_is_as_none() -> None:
    roster = Roster()
    roster.note(NAME, FIRST)
    assert roster.note(NAME, {"metadata": {"name": NAME}}) is None
    assert known(roster, "sub-1") is None
