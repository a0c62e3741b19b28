"""What others have put into the status is taken away again, for apply leaves it there."""

from typing import Any

from graphmail.reconciler.by_hand import correction

READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Subscribed",
    "message": "",
    "lastTransitionTime": "2026-02-27T22:04:05Z",
}
INBOX = {"folder": "inbox", "state": "Active", "subscriptionID": "s1", "changeTypes": ["created", "updated"]}
APPLIED = {"observedGeneration": 3, "subscriptions": [INBOX], "conditions": [READY]}
ONLY = {"name": "ann", "uid": "u1", "resourceVersion": "17"}


def answered(**status: Any) -> dict[str, Any]:
    return {"metadata": {**ONLY, "labels": {}}, "status": {**APPLIED, **status}}


def test_what_is_as_it_was_applied_needs_no_second_write() -> None:
    assert correction(APPLIED, answered()) is None
    assert correction(APPLIED, answered(subscriptions=[{**INBOX, "changeTypes": ["updated", "created"]}])) is None


def test_a_field_that_we_do_not_name_goes_and_only_from_this_version_of_the_resource() -> None:
    patch = correction(APPLIED, answered(subscriptionID="by-hand", nextAttemptTime="2099-12-31T23:59:59Z"))
    assert patch == {"metadata": ONLY, "status": {"subscriptionID": None, "nextAttemptTime": None}}


def test_a_condition_of_ours_goes_and_one_of_another_kind_stays() -> None:
    stalled, audited = {**READY, "type": "Stalled"}, {**READY, "type": "Audited"}
    patch = correction(APPLIED, answered(conditions=[stalled, audited, READY]))
    assert patch == {"metadata": ONLY, "status": {"conditions": [READY, audited]}}
    assert correction(APPLIED, answered(conditions=[audited, READY])) is None


def test_a_folders_row_that_nobody_wants_and_a_field_in_one_of_ours_go() -> None:
    rows = [{**INBOX, "pendingCreateTime": "2026-02-27T22:04:05Z"}, {"folder": "archive", "state": "Active"}]
    assert correction(APPLIED, answered(subscriptions=rows)) == {"metadata": ONLY, "status": {"subscriptions": [INBOX]}}
