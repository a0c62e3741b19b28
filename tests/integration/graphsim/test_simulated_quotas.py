"""Graph's limits, when the simulator is told to enforce them: by kind of call, for the app and for the app in one tenant."""

import asyncio

import pytest

from graphsim.faults import FaultRule
from graphsim.quotas import DEFAULT_LIMITS
from support.waiting import eventually

NOWHERE = "/subscriptions/none"


def enforce(simulator, *, count=None):
    """The limits of Microsoft's documentation, or the same ones with another number in each."""
    settings = simulator.world.settings
    settings.quotas_enforced = True
    if count is not None:
        settings.quotas = tuple(limit.model_copy(update={"count": count}) for limit in DEFAULT_LIMITS)


def elsewhere(graph, house, name="Fabrikam"):
    """The same app in another tenant."""
    world = graph.simulator.world
    tenant = world.add_tenant(name)
    world.allow_app(house.app, tenant.id, ["Mail.Read"])
    return graph.as_caller(world.app_token(house.app, tenant.id)[0])


async def statuses(caller, count, method="GET", path="/subscriptions"):
    return [(await caller.call(method, path)).status for _ in range(count)]


async def test_quotas_answer_with_the_seconds_to_wait(graph):
    graph.simulator.world.settings.quotas_enforced = True
    statuses = [(await graph.call("GET", "/subscriptions")).status for _ in range(25)]
    assert set(statuses) == {200}
    refused = await graph.call("GET", "/subscriptions")
    assert (refused.status, refused.code) == (429, "TooManyRequests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 20
    assert (await graph.call("GET", "/subscriptions/none")).status == 404


async def test_a_tenants_limit_is_its_own_and_the_apps_limit_counts_over_all_tenants(graph, house):
    enforce(graph.simulator)
    assert await statuses(graph, 26) == [200] * 25 + [429]
    assert await statuses(elsewhere(graph, house), 15) == [200] * 14 + [429]
    assert await statuses(elsewhere(graph, house, "Northwind"), 1) == [429]


async def test_another_app_is_not_concerned(graph, house):
    enforce(graph.simulator)
    await statuses(graph, 26)
    world = graph.simulator.world
    other = graph.as_caller(world.app_token(world.add_app("other"), house.tenant.id)[0])
    assert await statuses(other, 1) == [200]


@pytest.mark.parametrize(
    ("method", "path", "free"),
    [
        ("POST", "/subscriptions", 400),
        ("PATCH", NOWHERE, 404),
        ("DELETE", NOWHERE, 404),
        ("POST", f"{NOWHERE}/reauthorize", 404),
        ("GET", NOWHERE, 404),
        ("GET", "/subscriptions", 200),
    ],
)
async def test_each_kind_of_call_is_limited(graph, method, path, free):
    enforce(graph.simulator, count=2)
    assert await statuses(graph, 3, method, path) == [free, free, 429]


async def test_creating_renewing_and_deleting_share_a_limit_and_the_other_kinds_have_their_own(graph):
    enforce(graph.simulator, count=3)
    writes = [
        ("POST", "/subscriptions", 400),
        ("PATCH", NOWHERE, 404),
        ("DELETE", NOWHERE, 404),
        ("PATCH", NOWHERE, 429),
    ]
    others = [("GET", NOWHERE, 404), ("GET", "/subscriptions", 200), ("POST", f"{NOWHERE}/reauthorize", 404)]
    for method, path, status in [*writes, *others]:
        assert (await graph.call(method, path)).status == status


async def test_a_mailbox_is_read_four_times_at_once_by_an_app_and_not_a_fifth_time(graph, house):
    enforce(graph.simulator)
    anns, bobs = (f"/users/{mailbox.user_id}/messages" for mailbox in (house.ann, house.bob))
    slow = FaultRule(id="slow", mailbox=house.ann.upn, count=4, delay_seconds=15.0)
    graph.simulator.faults.add(slow)
    reading = [asyncio.create_task(graph.call("GET", anns)) for _ in range(4)]
    await eventually(lambda: slow.hits == 4, "four reads are under way")

    fifth, other = await graph.call("GET", anns), await graph.call("GET", bobs)

    assert fifth.status == 429
    assert (fifth.code, "Retry-After" in fifth.headers) == ("ApplicationThrottled", False)
    assert other.status == 200
    assert [answer.status for answer in await asyncio.gather(*reading)] == [200] * 4
    assert (await graph.call("GET", anns)).status == 200


async def test_nothing_is_limited_unless_it_is_told_to(graph):
    assert await statuses(graph, 41) == [200] * 41
