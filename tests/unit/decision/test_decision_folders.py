"""Several folders of one mailbox: each is decided as if it were the only one, and one change concerns one folder."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from graphmail.decision import Action, Known, Policy, Reason, Step, next_step
from graphmail.resource import GraphMailSubscription

Mailbox = Callable[..., GraphMailSubscription]

TWO = {"folders": ["inbox", "archive"]}
ARCHIVE = {
    "folder": "archive",
    "state": "Active",
    "subscriptionID": "sub-2",
    "expirationTime": timedelta(hours=120),
    "grantedTime": timedelta(hours=-46),
}
NOT_THE_FIRST = {"subscriptionID": None, "expirationTime": None}


@pytest.fixture
def step(mailbox: Mailbox, now: datetime) -> Callable[..., Step]:
    def chosen(*, several: bool = True, **resource: Any) -> Step:
        def known(_: str) -> Known:
            return Known(verified_at=now - timedelta(minutes=20), seen_at=now)

        return next_step(mailbox(**resource), now=now, policy=Policy(several_folders=several), known=known)

    return chosen


def told(step: Step) -> tuple[str, Action, Reason]:
    return step.folder, step.decision.action, step.decision.reason


def test_an_added_folder_gets_a_subscription_and_the_others_are_left_alone(step: Callable[..., Step]) -> None:
    assert told(step(spec=TWO)) == ("archive", Action.CREATE, Reason.NOT_SUBSCRIBED)


def test_covered_folders_need_nothing(step: Callable[..., Step]) -> None:
    assert step(spec=TWO, rows=[ARCHIVE]).decision.action is Action.NOTHING


def test_without_a_consumer_for_several_only_the_first_is_subscribed(step: Callable[..., Step]) -> None:
    assert step(spec=TWO, several=False).decision.action is Action.NOTHING


def test_each_folder_is_renewed_by_its_own_expiry(step: Callable[..., Step]) -> None:
    ending = ARCHIVE | {"expirationTime": timedelta(hours=9)}
    chosen = step(spec=TWO, rows=[ending])
    assert told(chosen) == ("archive", Action.RENEW, Reason.WITHIN_LOOK_AHEAD)
    assert chosen.resource.status.subscription_id == "sub-2"


def test_a_removed_folder_loses_its_subscription(step: Callable[..., Step]) -> None:
    chosen = step(rows=[ARCHIVE])
    assert told(chosen) == ("archive", Action.DELETE, Reason.FOLDER_REMOVED)
    assert chosen.resource.status.subscription_id == "sub-2"


def test_so_does_one_that_the_consumer_does_not_take_any_more(step: Callable[..., Step]) -> None:
    assert told(step(spec=TWO, rows=[ARCHIVE], several=False)) == ("archive", Action.DELETE, Reason.FOLDER_REMOVED)


def test_a_folder_in_place_of_another_is_covered_before_that_one_goes(
    step: Callable[..., Step], mailbox: Mailbox
) -> None:
    moved = {"spec": {"folders": ["archive"]}}
    assert told(step(**moved)) == ("archive", Action.CREATE, Reason.NOT_SUBSCRIBED)
    assert told(step(**moved, rows=[ARCHIVE])) == ("inbox", Action.DELETE, Reason.FOLDER_REMOVED)


def test_a_folder_that_fails_waits_by_itself(step: Callable[..., Step]) -> None:
    failing = {
        "folder": "archive",
        "state": "Pending",
        "consecutiveFailures": 4,
        "nextAttemptTime": timedelta(minutes=9),
    }
    assert step(spec=TWO, rows=[failing]).decision.action is Action.NOTHING
    ending = {"expirationTime": timedelta(hours=3)}
    assert told(step(spec=TWO, rows=[failing], status=ending)) == ("inbox", Action.RENEW, Reason.WITHIN_LOOK_AHEAD)


def test_the_next_look_is_when_the_first_of_them_needs_one(step: Callable[..., Step], now: datetime) -> None:
    failing = {
        "folder": "archive",
        "state": "Pending",
        "consecutiveFailures": 4,
        "nextAttemptTime": timedelta(minutes=9),
    }
    assert step(spec=TWO, rows=[failing]).decision.again_at == now + timedelta(minutes=9)


def test_a_requested_renewal_is_made_for_each_folder_once(step: Callable[..., Step]) -> None:
    asked = {"annotations": {"graphmail.dev/renew-requested-at": "now"}}
    handled = {"lastHandledRenewal": "now"}
    assert told(step(spec=TWO, rows=[ARCHIVE], **asked)) == ("inbox", Action.RENEW, Reason.RENEWAL_REQUESTED)
    assert told(step(spec=TWO, rows=[ARCHIVE], **asked, status=handled)) == (
        "archive",
        Action.RENEW,
        Reason.RENEWAL_REQUESTED,
    )
    assert step(spec=TWO, rows=[ARCHIVE | handled], **asked, status=handled).decision.action is Action.NOTHING


def test_a_deleted_resource_lets_go_when_none_of_its_folders_has_a_subscription(step: Callable[..., Step]) -> None:
    assert told(step(spec=TWO, rows=[ARCHIVE], deleted=True)) == ("inbox", Action.DELETE, Reason.DELETED)
    assert told(step(spec=TWO, rows=[ARCHIVE], deleted=True, status=NOT_THE_FIRST)) == (
        "archive",
        Action.DELETE,
        Reason.DELETED,
    )
    assert step(spec=TWO, deleted=True, status=NOT_THE_FIRST).decision.action is Action.RELEASE


def test_an_adoption_concerns_the_first_folder_alone(step: Callable[..., Step]) -> None:
    adopt = {"graphmail.dev/adopt-subscription-id": "sub-row"}
    assert told(step(spec=TWO, rows=[ARCHIVE], annotations=adopt))[:2] == ("inbox", Action.ADOPT)
