"""Somebody has edited the status, or annotations that are the mirror's: it is put right, and harms nobody.

The operator applies its status first and takes away what others own right after (`graphmail.reconciler.by_hand`): both are awaited.
"""

import json
import uuid
from typing import Any

import pytest

from graphmail.resource.names import ANNOTATION_ADOPT, ANNOTATION_LAST_NOTIFICATION, ANNOTATION_PAUSED, PLURAL
from support.hand import Hand
from support.moments import BEYOND_UTC, FAR_AWAY, MEANINGLESS
from support.stage import Stage, condition_status
from support.waiting import eventually

SOON = {
    "GRAPHMAIL_TICK_SECONDS": "1",
    "GRAPHMAIL_MIRROR_COMPARE_SECONDS": "5",
    "GRAPHMAIL_MIRROR_POLL_SECONDS": "4",
}
STALLED = {
    "type": "Stalled",
    "status": "True",
    "reason": "ByHand",
    "message": "somebody wrote this",
    "lastTransitionTime": "2026-02-27T22:04:05Z",
}


@pytest.fixture
def hand(stage: Stage) -> Hand:
    made = Hand(stage)
    for name in ("ann", "ben"):
        made.app_only_secret(name)
    return made


def edit(stage: Stage, name: str, status: Any) -> None:
    patch = json.dumps({"status": status})
    stage.kubectl("patch", PLURAL, name, "--subresource=status", "--type=merge", "-p", patch)


async def test_an_id_that_somebody_has_written_does_not_keep_a_deleted_resource(stage: Stage, hand: Hand) -> None:
    hand.write("ann")
    async with stage.operator(**SOON):
        await stage.ready("ann")
        edit(stage, "ann", {"subscriptionID": str(uuid.uuid4())})
        stage.kubectl("delete", PLURAL, "ann", "--wait=false")
        await eventually(lambda: stage.resource("ann") is None, "it is gone")


async def test_a_stall_that_somebody_has_written_ends_with_the_renewal_that_is_asked_for(
    stage: Stage, hand: Hand
) -> None:
    hand.write("ann")
    async with stage.operator(**SOON):
        await stage.ready("ann")
        edit(stage, "ann", {"conditions": [STALLED, {**STALLED, "type": "Audited"}]})
        stage.request_renewal("ann", "now")
        status = await stage.status_of(
            "ann",
            lambda status: status["lastHandledRenewal"] == "now" and condition_status(status, "Stalled") is None,
            "renewed",
        )
    assert (condition_status(status, "Ready"), condition_status(status, "Audited")) == ("True", "True")


async def test_a_backoff_that_is_longer_than_any_of_ours_is_not_believed(stage: Stage, hand: Hand) -> None:
    hand.write("ann", suspend=True)
    async with stage.operator(**SOON):
        await stage.status_of("ann", lambda status: status["observedGeneration"] == 1, "seen")
        edit(stage, "ann", {"nextAttemptTime": FAR_AWAY, "observedGeneration": 2, "conditions": None})
        stage.kubectl("patch", PLURAL, "ann", "--type=merge", "-p", '{"spec": {"suspend": false}}')
        await stage.status_of(
            "ann",
            lambda status: condition_status(status, "Ready") == "True" and "nextAttemptTime" not in status,
            "covered, and put right",
        )


@pytest.mark.parametrize("moment", BEYOND_UTC)
async def test_an_expiry_that_nobody_can_read_keeps_neither_its_mailbox_nor_any_other_from_being_looked_at(
    stage: Stage, hand: Hand, moment: str
) -> None:
    row = stage.add_app_only()
    hand.write("ann")
    async with stage.operator(**SOON):
        ids = [(await stage.ready(name))["subscriptionID"] for name in ("ann", row)]
    for name in ("ann", row.name):
        edit(stage, name, {"expirationTime": moment, "subscriptions": None})
    async with stage.operator(**SOON):
        for name, known in zip(("ann", row), ids, strict=True):
            status = await stage.status_of(name, lambda status: status["expirationTime"] != moment, "put right")
            assert status["subscriptionID"] == known


@pytest.mark.parametrize("moment", [BEYOND_UTC[0], MEANINGLESS[1]])
async def test_a_strangers_condition_of_a_moment_that_nobody_can_read_makes_no_second_subscription(
    stage: Stage, hand: Hand, moment: str
) -> None:
    hand.write("ann")
    async with stage.operator(**SOON):
        before = await stage.ready("ann")
        edit(stage, "ann", {"conditions": [{**STALLED, "type": "Audited", "lastTransitionTime": moment}]})
        stage.request_renewal("ann", "now")
        status = await stage.status_of("ann", lambda status: status.get("lastHandledRenewal") == "now", "renewed")
        assert status["subscriptionID"] == before["subscriptionID"]
        assert condition_status(status, "Audited") == "True"
    assert [one.id for one in hand.live("ann")] == [before["subscriptionID"]]


@pytest.mark.parametrize("moment", BEYOND_UTC)
async def test_a_notification_at_a_moment_that_nobody_can_read_is_none(stage: Stage, hand: Hand, moment: str) -> None:
    hand.write("ann")
    stage.kubectl("annotate", PLURAL, "ann", f"{ANNOTATION_LAST_NOTIFICATION}={moment}")
    async with stage.operator(**SOON):
        status = await stage.ready("ann")
    assert condition_status(status, "Delivering") == "Unknown"
    assert len(hand.live("ann")) == 1


@pytest.mark.parametrize("whole", [False, True], ids=["the id alone", "with its row"])
async def test_another_mailboxs_subscription_is_neither_renewed_nor_replaced_nor_deleted_for_ours(
    stage: Stage, hand: Hand, *, whole: bool
) -> None:
    hand.write("ann")
    hand.write("ben")
    async with stage.operator(**SOON):
        theirs = (await stage.ready("ben"))["subscriptionID"]
        await stage.ready("ann")
        row = {"folder": "inbox", "state": "Active", "subscriptionID": theirs, "expirationTime": FAR_AWAY}
        edit(stage, "ann", {"subscriptionID": theirs} | ({"subscriptions": [row]} if whole else {}))
        stage.request_renewal("ann", "now")
        status = await stage.status_of("ann", lambda status: status["lastHandledRenewal"] == "now", "renewed")
        assert status["subscriptionID"] in {one.id for one in hand.live("ann")}
        edit(stage, "ann", {"subscriptionID": theirs})
        stage.kubectl("delete", PLURAL, "ann", "--wait=false")
        await eventually(lambda: stage.resource("ann") is None, "it is gone")
    [kept] = hand.live("ben")
    assert kept.id == theirs
    calls = [call.route for call in stage.simulator.log.newest_first() if call.subscription == theirs]
    assert set(calls) <= {"get", "create"}


async def test_an_annotation_of_the_mirrors_that_somebody_has_written_is_taken_away(stage: Stage) -> None:
    row = stage.add_app_only()
    async with stage.operator(**SOON):
        before = await stage.ready(row)
        stage.kubectl("annotate", PLURAL, row.name, f"{ANNOTATION_PAUSED}=manual", f"{ANNOTATION_ADOPT}=nonsense")
        await eventually(lambda: not annotations(stage, row.name) & {ANNOTATION_PAUSED, ANNOTATION_ADOPT}, "gone again")
        assert await stage.covered_once(row) == before["subscriptionID"]


async def test_a_request_in_whatever_characters_is_answered(stage: Stage) -> None:
    row = stage.add_app_only()
    async with stage.operator(**SOON):
        await stage.ready(row)
        stage.request_renewal(row, "\u00fc\u20ac\U0001d538\x7f")
        await stage.status_of(
            row, lambda status: status["lastHandledRenewal"] == "\u00fc\u20ac\U0001d538\x7f", "answered"
        )


def annotations(stage: Stage, name: str) -> set[str]:
    resource = stage.resource(name)
    assert resource is not None
    return set(resource["metadata"].get("annotations", {}))
