"""The API server shows what is old, or loses what is new: nothing is made twice, and nothing that was deleted comes back."""

from collections.abc import Callable
from typing import Any

import pytest

from support.apiproxy import ApiProxy
from support.due import BY_TICKS, renewed_again
from support.hand import Hand
from support.stage import Row, Running, Stage, condition_reason
from support.waiting import eventually

EAGER = {
    "GRAPHMAIL_MIRROR_COMPARE_SECONDS": "5",
    "GRAPHMAIL_MIRROR_POLL_SECONDS": "5",
    "GRAPHMAIL_LEASE_SECONDS": "60",  # while kubectl runs four times in a row, the operator stands still
}
READY = "graphmail_subscription_ready"


@pytest.fixture(autouse=True)
def listing_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of our own comes with each comparison, and not every quarter of an hour."""
    monkeypatch.setattr("graphmail.mirror.mirror._LIST_SECONDS", 0)


def list_now(stage: Stage) -> dict[str, Any]:
    answer: dict[str, Any] = stage.control_plane.request("GET", stage.path())
    return answer


def calls(stage: Stage, address: str, *routes: str) -> int:
    return sum(call.mailbox == address and call.route in routes for call in stage.simulator.log.newest_first())


def own(stage: Stage) -> tuple[Hand, str]:
    """A resource that a person wrote, and the address of its mailbox."""
    hand = Hand(stage)
    hand.app_only_secret("own")
    hand.write("own")
    return hand, f"own@{stage.entra.domain}"


async def remembered_by_none(operator: Running, name: str) -> None:
    async def gone() -> bool:
        return await operator.metric(READY, name=name) is None

    await eventually(gone, f"{name} is forgotten")


async def counted_on(counted: Callable[[], int], times: int, what: str) -> None:
    first = counted()
    await eventually(lambda: counted() >= first + times, what)


def vanish(stage: Stage, name: str) -> None:
    """A person takes the finalizer off by hand: it is gone at once."""
    stage.kubectl("patch", "gms", name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    stage.kubectl("delete", "gms", name, "--ignore-not-found")


async def test_a_start_from_a_list_that_is_older_than_the_statuses_makes_no_twins(
    stage: Stage, proxy: ApiProxy
) -> None:
    row = stage.add_app_only()
    hand, address = own(stage)
    refusal = proxy.refuse("patch/status", 403, name="own")
    stage.endpoint.validating.clear()
    async with stage.operator():
        await eventually(lambda: stage.endpoint.waiting and refusal.hits, "both are begun")
        old = list_now(stage)
        proxy.relent()
        stage.endpoint.validating.set()
        await stage.covered_once(row)
        made = (await stage.ready("own"))["subscriptionID"]
    assert all("status" not in item for item in old["items"])
    proxy.serve_old_list(old)
    proxy.turn_deaf()
    before = calls(stage, row.address, "get", "list"), calls(stage, address, "get", "list")
    async with stage.operator(**BY_TICKS):
        await eventually(lambda: calls(stage, row.address, "get", "list") > before[0], "the row's is looked up")
        await eventually(lambda: calls(stage, address, "get", "list") > before[1], "the other is looked up")
        await renewed_again(stage, row)
        await stage.covered_once(row)
    assert (await stage.ready("own"))["subscriptionID"] == made == hand.live("own")[0].id
    assert (calls(stage, row.address, "create"), calls(stage, address, "create")) == (1, 1)
    assert (calls(stage, row.address, "delete"), calls(stage, address, "delete")) == (0, 0)


async def test_an_old_list_after_newer_writes_changes_nothing(stage: Stage, proxy: ApiProxy) -> None:
    row = stage.add_app_only()
    async with stage.operator(**BY_TICKS, **EAGER) as operator:
        old = list_now(stage)
        before = await stage.covered_once(row)
        hand, address = own(stage)
        made = (await stage.ready("own"))["subscriptionID"]
        proxy.serve_old_list(old)
        proxy.turn_deaf()
        proxy.expire()
        await counted_on(lambda: proxy.calls["list"], 3, "the old list is read")
        await renewed_again(stage, row)
        await counted_on(lambda: calls(stage, address, "get"), 2, "what the list leaves out is cared for")
        assert await operator.metric(READY, name="own") == 1
        assert await stage.covered_once(row) == before
    assert [one.id for one in hand.live("own")] == [made]
    assert (calls(stage, row.address, "create"), calls(stage, address, "create")) == (1, 1)


async def test_what_is_deleted_does_not_come_back_by_an_old_list(stage: Stage, proxy: ApiProxy) -> None:
    row, stays = stage.add_app_only(), stage.add_app_only()
    hand, address = own(stage)
    async with stage.operator(**BY_TICKS, **EAGER) as operator:
        for name in (row, stays, "own"):
            await stage.ready(name)
        old = list_now(stage)
        stage.product.delete_provider(row.id)
        stage.kubectl("delete", "gms", "own", "--wait=false")
        await eventually(
            lambda: {item["metadata"]["name"] for item in list_now(stage)["items"]} == {stays.name}, "gone"
        )
        proxy.serve_old_list(old)
        proxy.turn_deaf()
        proxy.expire()
        await counted_on(lambda: proxy.calls["list"], 3, "the old list is read")
        await renewed_again(stage, stays)
        await counted_on(lambda: stage.calls(stays, "get"), 3, "time goes by")
        assert (stage.live(row), hand.live("own")) == ([], [])
        proxy.serve_new_lists()
        for name in (row.name, "own"):
            await remembered_by_none(operator, name)
    assert (calls(stage, row.address, "create"), calls(stage, address, "create")) == (1, 1)
    assert [item["metadata"]["name"] for item in list_now(stage)["items"]] == [stays.name]


async def test_what_vanished_while_the_watch_had_expired_is_forgotten_or_made_anew(
    stage: Stage, proxy: ApiProxy
) -> None:
    row, stays = stage.add_app_only(), stage.add_app_only()
    hand, address = own(stage)
    async with stage.operator(**BY_TICKS, **EAGER) as operator:
        for name in (row, stays, "own"):
            await stage.ready(name)
        first, subscription = stage.resource(row), await stage.covered_once(row)
        proxy.turn_deaf()
        for name in (row.name, "own"):
            vanish(stage, name)
        proxy.hear_again()
        proxy.expire()
        await remembered_by_none(operator, "own")
        await eventually(lambda: anew(stage, row, first), "the row's resource comes back")
        assert await stage.covered_once(row) == subscription
        await renewed_again(stage, row, stays)
        asked = calls(stage, address, "get", "patch", "create")
        await counted_on(lambda: stage.calls(stays, "get"), 3, "time goes by")
        assert calls(stage, address, "get", "patch", "create") == asked
    assert (stage.calls(row, "create"), stage.calls(stays, "create"), calls(stage, address, "create")) == (1, 1, 1)
    assert len(hand.live("own")) == 1


def anew(stage: Stage, row: Row, first: dict[str, Any] | None) -> bool:
    now = stage.resource(row)
    return now is not None and first is not None and now["metadata"]["uid"] != first["metadata"]["uid"]


async def test_without_postgres_too_what_vanished_is_forgotten(stage: Stage, proxy: ApiProxy) -> None:
    hand, address = own(stage)
    async with stage.operator(**BY_TICKS, GRAPHMAIL_DATABASE_URL="", APPLICATION_URL="") as operator:
        await stage.ready("own")
        proxy.turn_deaf()
        vanish(stage, "own")
        proxy.hear_again()
        proxy.expire()
        subscription = hand.live("own")[0]
        world = stage.simulator.world
        world.subscriptions.move_expiry(subscription, world.clock.now() + 3600)
        await remembered_by_none(operator, "own")
    assert calls(stage, address, "create") == 1


async def test_a_lost_event_delays_what_a_person_wants_and_no_renewal(stage: Stage, proxy: ApiProxy) -> None:
    suspended, deleted, stays = stage.add_app_only(), stage.add_app_only(), stage.add_app_only()
    async with stage.operator(**BY_TICKS, **EAGER) as operator:
        for row in (suspended, deleted, stays):
            await stage.ready(row)
            proxy.hide(row.name)
        await renewed_again(stage, suspended, deleted, stays)
        stage.kubectl("patch", "gms", suspended.name, "--type=merge", "-p", '{"spec": {"suspend": true}}')
        await stage.status_of(suspended, lambda status: condition_reason(status, "Ready") == "Suspended", "suspended")
        lost = proxy.lost[deleted.name]
        stage.kubectl("delete", "gms", deleted.name, "--wait=false")
        stage.product.delete_provider(deleted.id)
        await eventually(lambda: proxy.lost[deleted.name] > lost, "nobody is told of the deletion")
        await counted_on(lambda: proxy.calls["list"], 2, "the mirror has compared")
        proxy.hear_again()
        await eventually(lambda: stage.resource(deleted) is None, "its finalizer is released")
        await remembered_by_none(operator, deleted.name)
        assert stage.live(deleted) == []
        await renewed_again(stage, stays)
        await stage.covered_once(stays)


async def test_a_resource_that_cannot_be_read_stops_no_other(stage: Stage, proxy: ApiProxy) -> None:
    row = stage.add_app_only()
    own(stage)
    odd = list_now(stage)
    del odd["items"][0]["spec"]["mailbox"]
    proxy.serve_old_list(odd)
    async with stage.operator(**EAGER):
        await stage.covered_once(row)
        await counted_on(lambda: proxy.calls["list"], 3, "it is read again and again")
        await stage.ready("own")  # the watch has shown it whole
