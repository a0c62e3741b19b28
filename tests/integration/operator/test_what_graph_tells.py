"""Lifecycle notifications, as the receiver hands them on: what Graph tells of a subscription is mended at once, or told to people.

Nothing else could mend it here: there is no verification, and no renewal is due.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from graphmail.resource.lifecycle import LifecycleEvent
from graphmail.resource.names import PLURAL
from support.gate import PostgresGate
from support.hand import Hand
from support.stage import Row, Running, Stage, condition_reason, condition_status
from support.telling import annotate, tell
from support.transitions import NONSENSE
from support.waiting import eventually

UNASKED = {"GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES": "0"}
ALONE = {"GRAPHMAIL_DATABASE_URL": "", "APPLICATION_URL": ""}
REMOVED, ASKED, MISSED = (
    LifecycleEvent.SUBSCRIPTION_REMOVED,
    LifecycleEvent.REAUTHORIZATION_REQUIRED,
    LifecycleEvent.MISSED,
)
COUNTED = "graphmail_lifecycle_notifications_total"


async def replaced(stage: Stage, row: Row | str, before: dict[str, str]) -> dict[str, str]:
    return await stage.status_of(row, lambda status: status["subscriptionID"] != before["subscriptionID"], "made anew")


async def taken_up(running: Running, event: LifecycleEvent, times: int = 1) -> None:
    await running.metric_is(times, COUNTED, event=event.value)


async def test_what_graph_has_removed_is_made_anew_and_the_next_message_arrives(stage: Stage) -> None:
    row = stage.add_delegated()
    async with stage.operator(**UNASKED) as running:
        before = await stage.ready(row)
        since = stage.version()
        stage.simulator.world.end_subscription(stage.live(row)[0], "dropped")
        tell(stage, row, REMOVED)
        await replaced(stage, row, before)
        await taken_up(running, REMOVED)
        assert await stage.covered_once(row) != before["subscriptionID"]
        await eventually(lambda: stage.event_reasons(row) >= {"SubscriptionRemoved", "Replaced"}, "it is told")
        await stage.arrive(row)
        [notification] = await eventually(lambda: stage.endpoint.notifications, "a notification")
    assert notification["subscriptionId"] == stage.live(row)[0].id
    assert (stage.calls(row, "create"), stage.calls(row, "delete"), stage.calls(row, "patch", "get")) == (2, 1, 0)
    assert len(stage.changes(row, since)) <= 3, "the annotation, the status, and what the mirror makes of the new id"


@pytest.mark.parametrize("duplicates", ["accept", "refuse"])
async def test_what_graph_has_not_removed_in_truth_is_replaced_and_leaves_no_twin(
    stage: Stage, duplicates: str
) -> None:
    stage.simulator.world.settings.duplicates = duplicates
    row = stage.add_app_only()
    async with stage.operator(**UNASKED) as running:
        before = await stage.ready(row)
        tell(stage, row, REMOVED)
        await replaced(stage, row, before)
        await eventually(lambda: len(stage.live(row)) == 1, "the old one is gone")
        await running.metric_is({"accept": 0, "refuse": 1}[duplicates], "graphmail_gaps_total")
    assert await stage.covered_once(row) != before["subscriptionID"]


async def test_what_graph_asks_for_is_one_renewal_and_none_where_there_was_one_just_before(stage: Stage) -> None:
    row = stage.add_delegated()
    subscription = stage.subscribe(row)
    async with stage.operator(**UNASKED) as running:
        await stage.ready(row)
        tell(stage, row, ASKED)
        await stage.status_of(row, lambda status: status["lastRenewalTime"], "renewed")
        tell(stage, row, ASKED, at=datetime.now(UTC) + timedelta(seconds=2))
        await taken_up(running, ASKED, 2)
        await eventually(lambda: stage.event_reasons(row) >= {"RenewalAskedByGraph", "Renewed"}, "it is told")
    assert await stage.covered_once(row) == subscription.id
    assert (stage.calls(row, "patch"), stage.calls(row, "reauthorize", "create")) == (1, 0)


async def test_missed_notifications_are_told_until_one_arrives_and_nothing_is_renewed(stage: Stage) -> None:
    row = stage.add_delegated()
    async with stage.operator(
        **UNASKED, GRAPHMAIL_MIRROR_COMPARE_SECONDS="5", GRAPHMAIL_MIRROR_POLL_SECONDS="4"
    ) as running:
        await stage.ready(row)
        missed = tell(stage, row, MISSED)
        status = await stage.status_of(row, lambda status: condition_status(status, "Delivering") == "False", "told")
        assert condition_reason(status, "Delivering") == "NotificationsMissed"
        assert condition_status(status, "Ready") == "True"
        await taken_up(running, MISSED)
        await eventually(lambda: "NotificationsMissed" in stage.event_reasons(row), "an event")
        arrived = missed + timedelta(seconds=2)
        stage.product.run("UPDATE email_provider_health SET last_notification_received_at = %s", arrived)
        await stage.status_of(row, lambda status: condition_status(status, "Delivering") == "True", "delivered again")
    assert (stage.calls(row, "create"), stage.calls(row, "patch", "get", "delete")) == (1, 0)


async def test_a_removal_that_was_told_while_the_consent_was_revoked_is_mended_with_the_new_one(stage: Stage) -> None:
    row, healthy = stage.add_delegated(), stage.add_app_only()
    async with stage.operator(**UNASKED):
        before = await stage.ready(row)
        await stage.ready(healthy)
        withdrawn = stage.withdraw_consent(row)
        stage.request_renewal(row, "now")
        await stage.status_of(row, lambda status: condition_status(status, "Stalled") == "True", "stalled")
        stage.simulator.world.end_subscription(stage.live(row)[0], "dropped")
        tell(stage, row, REMOVED)
        tell(stage, healthy, MISSED)
        await stage.status_of(healthy, lambda status: condition_status(status, "Delivering") == "False", "time goes by")
        assert stage.calls(row, "create") == 1
        stage.simulator.faults.clear([withdrawn.id])
        stage.consent_anew(row)
        await replaced(stage, row, before)
        await stage.covered_once(row)


async def test_only_the_folder_of_which_graph_tells_is_made_anew(stage: Stage) -> None:
    row = stage.add_app_only({"folder_filters": json.dumps(["inbox", "archive"])})

    def ids(status: dict[str, object]) -> dict[str, str]:
        return {one["folder"]: one["subscriptionID"] for one in status["subscriptions"]}  # type: ignore[attr-defined]  # parsed JSON

    async with stage.operator(**UNASKED, GRAPHMAIL_MULTI_FOLDER="true"):
        before = ids(await stage.status_of(row, lambda status: len(ids(status)) == 2, "both"))
        tell(stage, row, REMOVED, of=before["archive"])
        after = ids(await stage.status_of(row, lambda status: ids(status)["archive"] != before["archive"], "made anew"))
        await eventually(lambda: len(stage.live(row)) == 2, "the old one is gone")
    assert after["inbox"] == before["inbox"]
    assert {one.id for one in stage.live(row)} == set(after.values())


async def test_without_postgres_too_what_graph_tells_is_acted_on(stage: Stage) -> None:
    hand = Hand(stage)
    hand.app_only_secret("own")
    hand.write("own")
    async with stage.operator(**UNASKED, **ALONE):
        before = await stage.ready("own")
        tell(stage, "own", REMOVED, MISSED)
        after = await replaced(stage, "own", before)
        await eventually(lambda: [one.id for one in hand.live("own")] == [after["subscriptionID"]], "one is left")
    assert condition_reason(after, "Delivering") == "NotificationsMissed"


async def test_while_postgres_is_away_nothing_is_made_anew_and_it_is_once_it_is_back(stage: Stage) -> None:
    row, other = stage.add_app_only(), stage.add_app_only()
    async with PostgresGate(stage.product.url) as gate, stage.operator(GRAPHMAIL_DATABASE_URL=gate.url, **UNASKED):
        before = await stage.ready(row)
        await stage.ready(other)
        gate.shut()
        await eventually(lambda: gate.refused, "it is noticed")
        tell(stage, row, REMOVED)
        tell(stage, other, MISSED)
        await stage.status_of(other, lambda status: condition_status(status, "Delivering") == "False", "time goes by")
        assert stage.calls(row, "create") == 1
        gate.open()
        await replaced(stage, row, before)
        await eventually(lambda: len(stage.live(row)) == 1, "the old one is gone")
        await stage.covered_once(row)


async def test_nonsense_in_the_annotation_changes_nothing_and_hides_nothing_that_is_told_later(stage: Stage) -> None:
    row = stage.add_app_only()
    async with stage.operator(**UNASKED) as running:
        before = await stage.ready(row)
        id_, ahead = before["subscriptionID"], datetime.now(UTC) + timedelta(hours=1)
        strange = ({id_: None}, {id_: {"subscriptionRemoved": "now"}}, {id_: {"missed": "0001-01-01T00:00:00+14:00"}})
        for value in (*NONSENSE, id_ + "[" * 16_000, *(json.dumps(one) for one in strange)):
            await asyncio.to_thread(annotate, stage, row, value)
        await asyncio.to_thread(annotate, stage, row, "{}")
        await asyncio.to_thread(tell, stage, row, REMOVED, ASKED, MISSED, at=ahead)
        stage.request_renewal(row, "after all that")
        status = await stage.status_of(row, lambda status: status["lastHandledRenewal"], "it goes on working")
        assert (status["subscriptionID"], condition_status(status, "Delivering")) == (id_, "Unknown")
        assert (stage.calls(row, "create"), stage.calls(row, "patch"), stage.calls(row, "get", "delete")) == (1, 1, 0)
        tell(stage, row, REMOVED)
        await replaced(stage, row, before)
        await taken_up(running, REMOVED)
        await taken_up(running, ASKED, 0)


async def test_the_lifecycle_url_of_a_persons_own_resource_is_taken_up_at_once(stage: Stage) -> None:
    hand = Hand(stage)
    hand.app_only_secret("own")
    hand.write("own")
    url = stage.endpoint.url + stage.endpoint.path
    async with stage.operator(**UNASKED):
        before = await stage.ready("own")
        patch = json.dumps({"spec": {"lifecycleNotificationURL": url}})
        stage.kubectl("patch", PLURAL, "own", "--type=merge", "-p", patch)
        await replaced(stage, "own", before)
        await eventually(lambda: len(hand.live("own")) == 1, "the old one is gone")
    assert hand.live("own")[0].lifecycle_url == url
