"""When the product has taken a notification, its time is written: to Postgres where there is a row, else seldom to the resource."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest

from graphmail.receiver.reading import write_moment
from graphmail.resource.moments import read_moment
from graphmail.resource.names import ANNOTATION_LAST_NOTIFICATION
from integration.receiver.conftest import Ground
from support.gate import ClusterGate, PostgresGate
from support.receiving import change
from support.waiting import eventually

ROW = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
OTHER = "aaaaaaaa-bbbb-4ccc-8ddd-ffffffffffff"
BATCHES = "graphmail_receiver_batch_writes_total"


def noted(ground: Ground, name: str) -> datetime | None:
    return read_moment(ground.annotations(name).get(ANNOTATION_LAST_NOTIFICATION))


async def test_the_row_says_when_a_notification_last_came_and_nothing_else_of_it_changes(ground: Ground) -> None:
    name = ground.add("a@example.com", {"sub-1": "state"}, provider=ROW)
    ground.add_health(ROW)
    [before] = ground.health(ROW)
    begun = datetime.now(UTC)
    async with ground.receiver() as receiver:
        assert await receiver.notify(change("sub-1", "state")) == 202
        [row] = await ground.notified(ROW)

        async def counted() -> bool:
            return await receiver.counted(f'{BATCHES}{{outcome="success",place="postgres"}}') >= 1

        await eventually(counted, "the write is counted")
    assert begun <= row["last_notification_received_at"] <= datetime.now(UTC)
    assert {**row, "last_notification_received_at": None} == before
    assert noted(ground, name) is None


async def test_all_of_duplicate_rows_are_updated(ground: Ground) -> None:
    ground.add("a@example.com", {"sub-1": "state"}, provider=ROW)
    ground.add_health(ROW, rows=3)
    async with ground.receiver() as receiver:
        assert await receiver.notify(change("sub-1", "state")) == 202
        rows = await ground.notified(ROW)
    assert len({row["last_notification_received_at"] for row in rows}) == 1 < len(rows)


async def test_without_a_health_row_yet_the_resource_says_it(ground: Ground) -> None:
    name = ground.add("a@example.com", {"sub-1": "state"}, provider=ROW)
    async with ground.receiver() as receiver:
        assert await receiver.notify(change("sub-1", "state")) == 202
        await eventually(lambda: noted(ground, name), "the annotation is there")
    assert ground.health(ROW) == []


async def test_a_resource_written_by_hand_has_an_annotation_whatever_rows_there_are(ground: Ground) -> None:
    name = ground.add("a@example.com", {"sub-1": "state"}, provider=ROW, mirrored=False)
    ground.add_health(ROW)
    async with ground.receiver() as receiver:
        assert await receiver.notify(change("sub-1", "state")) == 202
        await eventually(lambda: noted(ground, name), "the annotation is there")
    assert [row["last_notification_received_at"] for row in ground.health(ROW)] == [None]


@pytest.mark.parametrize(("age", "moves"), [(timedelta(minutes=55), False), (timedelta(minutes=61), True)])
async def test_an_annotation_is_written_at_most_hourly(age: timedelta, *, moves: bool, ground: Ground) -> None:
    written = datetime.now(UTC) - age
    del ground.environment["GRAPHMAIL_DATABASE_URL"]
    ground_annotation = {ANNOTATION_LAST_NOTIFICATION: write_moment(written)}
    name = ground.add("a@example.com", {"sub-1": "state"}, **ground_annotation)
    async with ground.receiver() as receiver:
        assert await receiver.notify(change("sub-1", "state")) == 202

        async def kept_none() -> bool:
            return await receiver.counted("graphmail_receiver_times_kept") == 0

        await eventually(kept_none, "what waited was looked at")
    assert (noted(ground, name) != written) is moves


async def test_a_time_never_goes_back(ground: Ground) -> None:
    ground.add("a@example.com", {"sub-1": "state"}, provider=ROW)
    ground.add_health(ROW)
    ahead = datetime.now(UTC) + timedelta(hours=1)
    ground.run("UPDATE email_provider_health SET last_notification_received_at = %s", ahead)
    async with ground.receiver() as receiver:
        assert await receiver.notify(change("sub-1", "state")) == 202
    [row] = ground.health(ROW)
    assert row["last_notification_received_at"] == ahead


async def test_many_notifications_are_one_write(ground: Ground, postgres_gate: PostgresGate) -> None:
    ground.environment["GRAPHMAIL_RECEIVER_BATCH_SECONDS"] = "300"
    for number in range(5):
        ground.add(f"a{number}@example.com", {f"sub-{number}": "state"}, provider=f"{ROW[:-1]}{number}")
        ground.add_health(f"{ROW[:-1]}{number}")
    async with ground.receiver() as receiver:
        posts = (receiver.notify(change(f"sub-{number % 5}", "state")) for number in range(40))
        assert set(await asyncio.gather(*posts)) == {202}
        assert await receiver.counted("graphmail_receiver_times_kept") == 5
        assert not [text for text in postgres_gate.statements if "last_notification_received_at" in text]
    written = [count for text, count in postgres_gate.statements.items() if "last_notification_received_at" in text]
    assert written == [1]
    assert all(ground.health(f"{ROW[:-1]}{number}")[0]["last_notification_received_at"] for number in range(5))


async def test_while_postgres_is_away_everything_is_passed_on_and_the_times_wait(
    ground: Ground, postgres_gate: PostgresGate
) -> None:
    ground.add("a@example.com", {"sub-1": "state"}, provider=ROW)
    ground.add("b@example.com", {"sub-2": "state"}, provider=OTHER, mirrored=False)
    ground.add_health(ROW)
    async with ground.receiver() as receiver:
        postgres_gate.shut()
        for _ in range(3):
            assert await receiver.notify(change("sub-1", "state"), change("sub-2", "state")) == 202

        async def failed() -> bool:
            return await receiver.counted(f'{BATCHES}{{outcome="failure",place="postgres"}}') >= 1

        async def waits() -> bool:
            return await receiver.counted("graphmail_receiver_times_kept") == 1

        await eventually(failed, "a write has failed")
        await eventually(waits, "the time waits: between two tries, since a try takes it along")
        postgres_gate.open()
        await ground.notified(ROW)


async def test_one_that_starts_while_postgres_is_away_passes_on(ground: Ground, postgres_gate: PostgresGate) -> None:
    ground.add("a@example.com", {"sub-1": "state"}, provider=ROW)
    ground.add_health(ROW)
    postgres_gate.shut()
    async with ground.receiver() as receiver:
        assert await receiver.notify(change("sub-1", "state")) == 202
        postgres_gate.open()
        await ground.notified(ROW)


async def test_while_the_api_server_is_away_an_annotation_waits(ground: Ground, cluster_gate: ClusterGate) -> None:
    name = ground.add("a@example.com", {"sub-1": "state"}, mirrored=False)
    async with ground.receiver() as receiver:
        cluster_gate.shut()
        assert await receiver.notify(change("sub-1", "state")) == 202

        async def failed() -> bool:
            return await receiver.counted(f'{BATCHES}{{outcome="failure",place="annotation"}}') >= 1

        await eventually(failed, "a write has failed")
        cluster_gate.open()
        await eventually(lambda: noted(ground, name), "the annotation is there")


async def test_an_orderly_stop_writes_what_waits_and_finishes_what_was_begun(ground: Ground) -> None:
    ground.environment["GRAPHMAIL_RECEIVER_BATCH_SECONDS"] = "300"
    ground.add("a@example.com", {"sub-1": "state"}, provider=ROW)
    ground.add_health(ROW)
    async with ground.receiver() as receiver:
        ground.product.hold()
        asking = asyncio.create_task(receiver.notify(change("sub-1", "state")))
        await eventually(lambda: ground.product.waiting, "the product has one to answer")
        receiver.stop.set()
        ground.product.let_flow()
        assert await asking == 202
        await receiver.task
    [row] = ground.health(ROW)
    assert row["last_notification_received_at"] is not None


async def test_what_the_product_did_not_take_leaves_no_time(ground: Ground) -> None:
    ground.add("a@example.com", {"sub-1": "state"}, provider=ROW)
    ground.add_health(ROW)
    ground.product.status = 500
    async with ground.receiver() as receiver:
        assert await receiver.notify(change("sub-1", "state")) == 500
    assert [row["last_notification_received_at"] for row in ground.health(ROW)] == [None]


async def test_the_page_of_the_metrics_tells_of_what_is_known(ground: Ground) -> None:
    ground.add("a@example.com", {"sub-1": "state", "sub-2": "state"})
    async with ground.receiver() as receiver:
        assert await receiver.counted("graphmail_receiver_subscriptions") == 2
        assert await receiver.counted("graphmail_receiver_watching") == 1
        text = (await receiver.get("/metrics"))[1]
    assert not re.search(r"sub-1|example\.com|[^_]state\"", text)
