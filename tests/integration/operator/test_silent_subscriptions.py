"""A subscription that lives, by every answer of Graph, and delivers nothing: found, mended and told of, on the real parts."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from graphmail.resource.moments import write_time
from graphmail.resource.names import ANNOTATION_LAST_NOTIFICATION, PLURAL
from graphsim.directory import Mailbox
from support.hand import Hand
from support.happened import Listener, listening
from support.product import ago
from support.stage import Row, Running, Stage, condition_reason, condition_status
from support.waiting import eventually

EAGER = {
    "GRAPHMAIL_TICK_SECONDS": "1",
    "GRAPHMAIL_MIRROR_COMPARE_SECONDS": "5",
    "GRAPHMAIL_MIRROR_POLL_SECONDS": "4",
}
ALONE = {"GRAPHMAIL_DATABASE_URL": "", "APPLICATION_URL": "", "GRAPHMAIL_TICK_SECONDS": "1"}
COMPARED_SECONDS = 6.0
ASKED = "folder-messages"
CHECKS = "graphmail_delivery_checks_total"


def age(stage: Stage, name: str, *, hours: float) -> None:
    """As if the subscription had been made so long ago."""
    resource = stage.resource(name)
    assert resource is not None
    made = write_time(datetime.now(UTC) - timedelta(hours=hours))
    rows = [row | {"sinceTime": made, "grantedTime": made} for row in resource["status"]["subscriptions"]]
    patch = json.dumps({"status": {"subscriptions": rows}})
    stage.kubectl("patch", PLURAL, name, "--subresource=status", "--type=merge", "-p", patch)


def checked_before(stage: Stage, name: str, *, hours: float) -> None:
    """As if the last check had been so long ago."""
    patch = json.dumps({"status": {"lastDeliveryCheckTime": write_time(ago(hours=hours))}})
    stage.kubectl("patch", PLURAL, name, "--subresource=status", "--type=merge", "-p", patch)


async def checked(stage: Stage, name: Row | str) -> None:
    await stage.status_of(name, lambda status: status["lastDeliveryCheckTime"], "checked")


def notified(stage: Stage, row: Row, **since: float) -> None:
    """The product has taken a notification so long ago."""
    statement = "UPDATE email_provider_health SET last_notification_received_at = %s WHERE provider_id = %s"
    stage.product.run(statement, ago(**since), row.id)


def receive(stage: Stage, mailbox: Mailbox, *, hours: float) -> None:
    """A message was received so long ago, and nobody was told of it."""
    message = stage.simulator.world.receive_message(mailbox)
    mailbox.messages.remove(message)
    mailbox.messages.append(replace(message, received_at=message.received_at - hours * 3600))


async def subscribed(stage: Stage, *rows: Row) -> list[str]:
    """Each of them is covered, by a subscription that was made twenty hours ago; nobody runs afterwards."""
    async with stage.operator(**EAGER):
        found = [await stage.covered_once(row) for row in rows]
    for row in rows:
        age(stage, row.name, hours=20)
    return found


async def read_again(operator: Running) -> None:
    """The rows were read, and compared, and the mailboxes looked at again since."""
    first = time.time()

    async def later() -> bool:
        read = await operator.metric("graphmail_mirror_last_success_timestamp_seconds") or 0.0
        ticked = await operator.metric("graphmail_last_tick_timestamp_seconds") or 0.0
        return read > first + COMPARED_SECONDS and ticked > read

    await eventually(later, "the rows were compared, and looked at, once more")


async def looked_again(operator: Running) -> None:
    first = time.time()

    async def later() -> bool:
        return (await operator.metric("graphmail_last_tick_timestamp_seconds") or 0.0) > first + 1

    await eventually(later, "it was looked at again")


class Automation:
    """A part of the product that acts upon what happens to providers."""

    def __init__(self, stage: Stage, listener: Listener) -> None:
        self._stage = stage
        self._listener = listener
        self._heard: list[dict[str, str]] = []

    async def hears(self, row: Row, *kinds: str) -> None:
        """Return once these were told of the provider and no others, on the channel and in the table alike."""
        await eventually(lambda: len(self._told(row)) >= len(kinds), f"{row}: {kinds}")
        statement = "SELECT kind FROM graphmail.provider_events WHERE provider_id = %s ORDER BY position"
        recorded = [found["kind"] for found in self._stage.product.run(statement, row.id)]
        assert self._told(row) == recorded == list(kinds)

    def _told(self, row: Row) -> list[str]:
        self._heard += map(json.loads, self._listener.heard())
        return [told["kind"] for told in self._heard if told["provider_id"] == row.id]


@pytest.fixture
def automation(stage: Stage) -> Iterator[Automation]:
    with listening(stage.product.url) as listener:
        yield Automation(stage, listener)


def events(stage: Stage, row: Row, reason: str) -> list[str]:
    return [event["message"] for event in stage.events(row) if event["reason"] == reason]


async def test_a_subscription_that_delivers_nothing_is_replaced_and_told_of_until_a_notification_arrives(
    stage: Stage, automation: Automation
) -> None:
    dead, healthy = stage.add_app_only(), stage.add_delegated()
    [before, kept] = await subscribed(stage, dead, healthy)
    notified(stage, dead, hours=14)
    notified(stage, healthy, hours=5)
    receive(stage, dead.mailbox, hours=4.5)
    async with stage.operator(**EAGER) as operator:
        await checked(stage, dead)
        await read_again(operator)
        assert await stage.covered_once(dead) == before
        await operator.metric_is(1, CHECKS, outcome="unheard")
    checked_before(stage, dead.name, hours=0.5)
    async with stage.operator(**EAGER) as operator:
        await stage.status_of(dead, lambda status: condition_status(status, "Delivering") == "False", "found silent")
        await eventually(lambda: len(stage.live(dead)) == 1, "the old one is deleted")
        after = await stage.covered_once(dead)
        assert after != before
        assert await stage.covered_once(healthy) == kept
        assert (stage.calls(dead, ASKED), stage.calls(healthy, ASKED)) == (1, 0)
        routes = [call.route for call in stage.log(dead, ASKED, "create", "delete")]
        assert routes[-3:] == [ASKED, "create", "delete"]
        condition = stage.condition(dead, "Delivering")
        assert condition["reason"] == "SilentSubscription"
        await operator.metric_is(1, "graphmail_silent_subscriptions", tenant=dead.tenant, reason="SilentSubscription")
        await eventually(lambda: events(stage, dead, "SilentSubscription"), "it is told")
        assert events(stage, dead, "SilentSubscription") == [condition["message"]]
        await automation.hears(dead, "silent")
        notified(stage, dead, seconds=0)
        await stage.status_of(dead, lambda status: condition_status(status, "Delivering") == "True", "heard again")
        await eventually(lambda: events(stage, dead, "Delivering"), "that is told too")
        await automation.hears(dead, "silent", "recovered")
        await automation.hears(healthy)
    assert await stage.covered_once(dead) == after


async def test_a_mailbox_to_which_nobody_has_written_is_asked_about_once_and_left_alone(stage: Stage) -> None:
    row, other = stage.add_app_only(), stage.add_app_only()
    [before, _] = await subscribed(stage, row, other)
    receive(stage, row.mailbox, hours=14.1)
    notified(stage, row, hours=14)
    notified(stage, other, minutes=1)
    for _ in range(2):
        async with stage.operator(**EAGER) as operator:
            await checked(stage, row)
            await read_again(operator)
    status = await stage.ready(row)
    assert (stage.calls(row, ASKED), status["subscriptionID"]) == (1, before)
    assert condition_reason(status, "Delivering") == "NotificationArrived"


async def test_a_credential_that_may_not_read_mail_is_tried_once_also_over_a_restart(stage: Stage) -> None:
    row, other = stage.add_app_only(), stage.add_app_only()
    [before, _] = await subscribed(stage, row, other)
    notified(stage, row, hours=14)
    notified(stage, other, minutes=1)
    receive(stage, row.mailbox, hours=1)
    stage.fault(ASKED, answer="forbidden", mailbox=row.address)
    async with stage.operator(**EAGER) as operator:
        status = await stage.status_of(
            row, lambda status: condition_reason(status, "Delivering") == "CannotCheck", "told"
        )
        await operator.metric_is(1, CHECKS, outcome="refused")
        assert (condition_status(status, "Ready"), condition_status(status, "Authorized")) == ("True", "True")
    checked_before(stage, row.name, hours=20)
    async with stage.operator(**EAGER) as operator:
        await read_again(operator)
    assert stage.calls(row, ASKED) == 1
    assert [subscription.id for subscription in stage.live(row)] == [before]


async def test_what_was_learned_of_a_mailbox_makes_its_silence_remarkable_sooner(stage: Stage) -> None:
    busy, other = stage.add_app_only(), stage.add_app_only()
    await subscribed(stage, busy, other)
    stage.product.run(
        "INSERT INTO graphmail.rhythms VALUES (%s, %s, %s, %s, now() - interval '21 days', now() - interval '2 hours', 1, now())",
        busy.tenant,
        busy.id,
        busy.address,
        bytes([240] * 168),
    )
    for row in (busy, other):
        notified(stage, row, hours=1.5)
    async with stage.operator(**EAGER):
        await checked(stage, busy)
    assert stage.calls(other, ASKED) == 0


async def test_a_product_that_never_tells_of_notifications_makes_nobody_silent(stage: Stage) -> None:
    row = stage.add_app_only()
    [before] = await subscribed(stage, row)
    receive(stage, row.mailbox, hours=1)
    async with stage.operator(**EAGER) as operator:
        await read_again(operator)
    assert stage.calls(row, ASKED) == 0
    assert await stage.covered_once(row) == before


@pytest.mark.parametrize("told", [True, False], ids=["with the annotation", "without it"])
async def test_a_resource_without_a_row_is_judged_by_its_annotation_alone(told: bool, stage: Stage) -> None:
    hand = Hand(stage)
    hand.app_only_secret("own")
    hand.write("own")
    async with stage.operator(**ALONE):
        before = (await stage.ready("own"))["subscriptionID"]
    age(stage, "own", hours=30)
    if told:
        stage.kubectl("annotate", PLURAL, "own", f"{ANNOTATION_LAST_NOTIFICATION}={write_time(ago(hours=20))}")
    receive(stage, hand.mailboxes["own"], hours=6)
    if told:
        async with stage.operator(**ALONE):
            await checked(stage, "own")
        checked_before(stage, "own", hours=1.5)
    async with stage.operator(**ALONE) as operator:
        if told:
            await stage.status_of("own", lambda status: status["subscriptionID"] != before, "replaced")
            assert stage.condition("own", "Delivering")["reason"] == "SilentSubscription"
        else:
            await looked_again(operator)
            assert (await stage.ready("own"))["subscriptionID"] == before
