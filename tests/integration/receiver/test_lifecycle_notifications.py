"""A lifecycle notification is acknowledged when the operator can see it at the API server, and not before."""

import asyncio
import json
import time
from dataclasses import replace

import pytest

from graphmail.provider import client_state_fingerprint
from graphmail.receiver.handing import HAND_SECONDS
from graphmail.resource.names import ANNOTATION_CLIENT_STATE, ANNOTATION_LIFECYCLE
from integration.receiver.conftest import Ground, Receiver
from support.gate import ClusterGate
from support.receiving import change, lifecycle
from support.waiting import eventually

EVENTS = ("reauthorizationRequired", "subscriptionRemoved", "missed")


@pytest.mark.parametrize("event", EVENTS)
async def test_each_kind_stands_at_the_resource_when_graph_has_its_answer(event: str, ground: Ground) -> None:
    name = ground.add("a@example.com", {"sub-1": "state"})
    async with ground.receiver() as receiver:
        assert await receiver.lifecycle(lifecycle("sub-1", event, "state")) == 202
        assert ground.told(name) == {"sub-1": {event}}
        series = f'graphmail_receiver_notifications_total{{kind="{event}",outcome="taken"}}'
        assert await receiver.counted(series) == 1
    [[at]] = [events.values() for events in json.loads(ground.annotations(name)[ANNOTATION_LIFECYCLE]).values()]
    assert len(at) == len("2026-11-29T16:04:05.678901Z")


async def test_a_mixed_batch_is_taken_apart(ground: Ground) -> None:
    first = ground.add("a@example.com", {"sub-1": "one", "sub-2": "two"})
    second = ground.add("b@example.com", {"sub-3": "three"}, provider="provider-2", mirrored=False)
    async with ground.receiver() as receiver:
        status = await receiver.lifecycle(
            lifecycle("sub-1", "missed", "one"),
            lifecycle("sub-1", "reauthorizationRequired", "one"),
            lifecycle("sub-2", "subscriptionRemoved", "one"),
            lifecycle("SUB-3", "subscriptionRemoved", "three"),
            lifecycle("sub-9", "missed", "nine"),
            lifecycle("sub-2", "somethingNew", "two"),
            change("sub-2", "two"),
        )
        assert status == 202
        assert ground.told(first) == {"sub-1": {"missed", "reauthorizationRequired"}}
        assert ground.told(second) == {"sub-3": {"subscriptionRemoved"}}
        series = "graphmail_receiver_notifications_total"
        assert await receiver.counted(f'{series}{{kind="subscriptionRemoved",outcome="wrong_state"}}') == 1
        assert await receiver.counted(f'{series}{{kind="missed",outcome="unknown"}}') == 1
        assert await receiver.counted(f'{series}{{kind="other",outcome="ignored"}}') == 2


@pytest.mark.parametrize("state", [None, "", "wrong", client_state_fingerprint("state")])
async def test_a_wrong_client_state_changes_nothing_and_is_not_told(
    state: str | None, ground: Ground, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    name = ground.add("a@example.com", {"sub-1": "state"})
    before = ground.get(name)
    async with ground.receiver() as receiver:
        assert await receiver.lifecycle(lifecycle("sub-1", "subscriptionRemoved", state)) == 202
    assert ground.get(name) == before
    logged = caplog.text + capsys.readouterr().out
    assert "wrong_state" in logged
    assert not state or state not in logged.replace("wrong_state", "")


async def test_an_adopted_subscription_is_proven_by_what_the_mirror_tells_of_its_row(ground: Ground) -> None:
    name = ground.add("a@example.com", {"sub-1": None}, told="the row's")
    silent = ground.add("b@example.com", {"sub-2": None}, provider="provider-2")
    async with ground.receiver() as receiver:
        items = (lifecycle("sub-1", "missed", "the row's"), lifecycle("sub-2", "missed", "any"))
        assert await receiver.lifecycle(*items) == 202
        assert await receiver.counted('graphmail_receiver_notifications_total{kind="missed",outcome="unproven"}') == 1
    assert (ground.told(name), ground.told(silent)) == ({"sub-1": {"missed"}}, {})
    assert ANNOTATION_CLIENT_STATE in ground.annotations(name)


async def test_what_stood_there_stays_and_what_is_served_no_more_goes(ground: Ground) -> None:
    name = ground.add("a@example.com", {"sub-1": "one", "sub-2": "two"})
    async with ground.receiver() as receiver:
        await receiver.lifecycle(lifecycle("sub-1", "missed", "one"), lifecycle("sub-2", "missed", "two"))
        rows = ground.get(name)["status"]["subscriptions"]
        ground.set_status(name, {"subscriptions": rows[1:], "subscriptionID": "sub-2"})
        await receiver.lifecycle(lifecycle("sub-2", "reauthorizationRequired", "two"))
        assert ground.told(name) == {"sub-2": {"missed", "reauthorizationRequired"}}


async def test_two_receivers_and_a_third_hand_lose_nothing_of_each_other(ground: Ground) -> None:
    subscriptions = {f"sub-{number}": "state" for number in range(8)}
    name = ground.add("a@example.com", dict(subscriptions))
    async with ground.receiver() as one, ground.receiver() as two:
        posts = [
            receiver.lifecycle(lifecycle(subscription, event, "state"))
            for subscription in subscriptions
            for receiver, event in ((one, "missed"), (two, "reauthorizationRequired"))
        ]
        ground.control_plane.run_kubectl("-n", ground.namespace, "annotate", "gms", name, "example.com/note=1")
        statuses = await asyncio.gather(*posts)
        # Where a write lost to all the others again and again, Graph comes once more.
        for subscription in subscriptions:
            for receiver, event in ((one, "missed"), (two, "reauthorizationRequired")):
                if 503 in statuses:
                    assert await receiver.lifecycle(lifecycle(subscription, event, "state")) == 202
    both = {"missed", "reauthorizationRequired"}
    assert ground.told(name) == dict.fromkeys(subscriptions, both)
    assert ground.annotations(name)["example.com/note"] == "1"


async def test_a_new_subscription_is_known_as_soon_as_the_status_names_it(ground: Ground) -> None:
    async with ground.receiver() as receiver:
        name = ground.add("a@example.com", {"sub-1": "state"})

        async def told() -> bool:
            await receiver.lifecycle(lifecycle("sub-1", "missed", "state"))
            return bool(ground.told(name))

        await eventually(told, "the subscription is known")


async def test_a_resource_that_went_meanwhile_is_no_reason_to_come_again(ground: Ground) -> None:
    name = ground.add("a@example.com", {"sub-1": "state"})
    async with ground.receiver() as receiver:
        ground.delete(name)
        assert await receiver.lifecycle(lifecycle("sub-1", "missed", "state")) == 202


async def test_while_the_api_server_is_away_graph_is_told_to_come_again(
    ground: Ground, cluster_gate: ClusterGate
) -> None:
    name = ground.add("a@example.com", {"sub-1": "state"})
    ground.manners = replace(ground.manners, hand_seconds=HAND_SECONDS)
    async with ground.receiver() as receiver:
        cluster_gate.shut()
        await eventually(lambda: _not_watching(receiver), "the receiver knows that it hears nothing")
        begun = time.monotonic()
        assert await receiver.lifecycle(lifecycle("sub-1", "missed", "state")) == 503
        assert await receiver.lifecycle(lifecycle("sub-9", "missed", "nobody can say whose")) == 503
        assert await receiver.lifecycle(lifecycle("sub-1", "missed", "wrong")) == 202
        assert time.monotonic() - begun < 2 * 15, "the cluster's client alone would try for so long"
        assert await receiver.notify(change("sub-1", "state")) == 202
        assert (await receiver.get("/readyz"))[0] == 200  # it still passes on
        cluster_gate.open()

        async def taken() -> bool:
            return await receiver.lifecycle(lifecycle("sub-1", "missed", "state")) == 202

        await eventually(taken, "it is taken once the API server is back")
    assert ground.told(name) == {"sub-1": {"missed"}}


async def test_an_api_server_that_hangs_is_given_up_within_graph_s_three_seconds(
    ground: Ground, cluster_gate: ClusterGate
) -> None:
    ground.add("a@example.com", {"sub-1": "state"})
    ground.manners = replace(ground.manners, hand_seconds=HAND_SECONDS)
    async with ground.receiver() as receiver:
        cluster_gate.hold()
        assert await receiver.lifecycle(lifecycle("sub-1", "missed", "state")) == 503
        assert await receiver.counted('graphmail_receiver_answer_seconds_bucket{le="10.0",route="lifecycle"}') == 1
        cluster_gate.let_flow()
    assert HAND_SECONDS < 3, "a slow machine may take longer, and has the same limit"


async def test_one_that_starts_while_the_api_server_is_away_passes_on_and_acknowledges_no_event(
    ground: Ground, cluster_gate: ClusterGate
) -> None:
    ground.add("a@example.com", {"sub-1": "state"})
    cluster_gate.shut()
    receiver = await ground.start()
    assert (await receiver.get("/readyz"))[0] == 503
    assert await receiver.lifecycle(lifecycle("sub-1", "missed", "state")) == 503
    assert await receiver.notify(change("sub-1", "state")) == 202
    cluster_gate.open()
    await receiver.ready()
    assert await receiver.lifecycle(lifecycle("sub-1", "missed", "state")) == 202
    await receiver.end()


async def _not_watching(receiver: Receiver) -> bool:
    return await receiver.counted("graphmail_receiver_watching") == 0
