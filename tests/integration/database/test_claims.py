"""A provider is never worked on twice at once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

from graphmail.database import Claim, Database, Fenced, Refusal, RefusalReason
from graphmail.database.claims import claim_statement, lock_statement
from graphmail.database.keys import parameters
from graphmail.provider import ProviderKey

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 1000


async def test_a_free_provider_is_claimed_for_two_minutes(database: Database, product: Any) -> None:
    before = await database.clock()
    claim = await database.claim(product.provider(), "renew", LIMIT)
    after = await database.clock()
    assert isinstance(claim, Claim)
    assert before <= claim.until - timedelta(minutes=2) <= after


async def test_a_live_claim_refuses_everybody_its_own_holder_too(database: Database, product: Any) -> None:
    key = product.provider()
    claim = await database.claim(key, "renew", LIMIT)
    again = await database.claim(key, "renew", LIMIT)
    assert isinstance(claim, Claim)
    assert again == Refusal(key, RefusalReason.HELD, holder="one", until=claim.until)


async def test_a_claim_given_back_is_free_at_once(database: Database, product: Any) -> None:
    key = product.provider()
    for _ in range(3):
        claim = await database.claim(key, "renew", LIMIT)
        assert isinstance(claim, Claim)
        assert await database.release(claim, settled=True)


async def test_a_dead_holders_claim_is_taken_over_when_its_time_is_over(
    database: Database, product: Any, open_database: Callable[..., Any]
) -> None:
    key = product.provider()
    dead = await database.claim(key, "renew", LIMIT)
    async with open_database(product.url, "two") as other:
        assert isinstance(await other.claim(key, "renew", LIMIT), Refusal)
        product.end_claim(key)
        taken = await other.claim(key, "renew", LIMIT)
    assert isinstance(dead, Claim)
    assert isinstance(taken, Claim)
    assert taken.token > dead.token


async def test_whoever_lost_a_claim_cannot_give_it_back(database: Database, product: Any) -> None:
    key = product.provider()
    lost = await database.claim(key, "renew", LIMIT)
    product.end_claim(key)
    current = await database.claim(key, "renew", LIMIT)
    assert isinstance(lost, Claim)
    assert not await database.release(lost, settled=True)
    assert isinstance(await database.claim(key, "renew", LIMIT), Refusal)
    assert isinstance(current, Claim)
    assert await database.release(current, settled=True)


async def test_tokens_of_a_provider_only_grow(database: Database, product: Any, work: Any) -> None:
    key = product.provider()
    tokens = []
    for turn in range(6):
        claim = await work.claim(key)
        tokens.append(claim.token)
        match turn % 3:
            case 0:
                await database.release(claim, settled=True)
            case 1:
                await database.record(claim, work.success(key))
            case _:
                product.end_claim(key)
    assert tokens == sorted(set(tokens))


async def test_two_thousand_overlapping_attempts_never_give_one_row_to_two_holders(
    newer_product: Any, open_database: Callable[..., Any]
) -> None:
    tenant = newer_product.tenant()
    keys = [newer_product.provider(tenant) for _ in range(20)]
    holders: dict[ProviderKey, int] = defaultdict(int)
    outcomes: Counter[str] = Counter()
    order = random.Random(7)
    at_once = asyncio.Semaphore(
        200
    )  # more only wait for a connection, and on a slow machine for longer than a pool is patient

    async def attempt(database: Database, key: ProviderKey) -> None:
        async with at_once:
            await overlap(database, key)

    async def overlap(database: Database, key: ProviderKey) -> None:
        claim = await database.claim(key, "renew", LIMIT)
        if isinstance(claim, Refusal):
            outcomes["refused"] += 1
            return
        holders[key] += 1
        assert holders[key] == 1, f"{key} has two live holders"
        await asyncio.sleep(0)
        holders[key] -= 1
        assert await database.release(claim, settled=True)
        outcomes["claimed"] += 1

    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(open_database(newer_product.url, f"h{n}")) for n in range(4)]
        async with asyncio.TaskGroup() as group:
            for _ in range(2000):
                group.create_task(attempt(order.choice(databases), order.choice(keys)))
    assert outcomes["claimed"] + outcomes["refused"] == 2000
    assert outcomes["claimed"] >= len(keys)
    assert outcomes["refused"] > 0


@pytest.mark.parametrize("claimed_before", [False, True])
async def test_the_limit_of_a_tenant_holds_across_processes(
    newer_product: Any, open_database: Callable[..., Any], claimed_before: bool
) -> None:
    tenant = newer_product.tenant()
    keys = [newer_product.provider(tenant) for _ in range(30)]
    async with AsyncExitStack() as stack:
        databases = [
            await stack.enter_async_context(open_database(newer_product.url, f"h{n}", connections=6)) for n in range(5)
        ]
        await asyncio.gather(
            *(databases[n % 5].clock() for n in range(30))
        )  # every connection is there before they race
        if claimed_before:
            for key in keys:
                claim = await databases[0].claim(key, "renew", 7)
                assert isinstance(claim, Claim)
                await databases[0].release(claim, settled=True)
        answers = await asyncio.gather(*(databases[n % 5].claim(key, "renew", 7) for n, key in enumerate(keys)))
    granted = [answer for answer in answers if isinstance(answer, Claim)]
    refused = {answer.reason for answer in answers if isinstance(answer, Refusal)}
    assert len(granted) == 7
    assert refused == {RefusalReason.TENANT_BUSY}


async def test_a_claim_that_is_just_being_granted_counts_already(
    database: Database, product: Any, until_somebody_waits: Callable[..., Any]
) -> None:
    tenant = product.tenant()
    first, second = product.provider(tenant), product.provider(tenant)
    values = {"holder": "two", "action": "renew", "limit": 1, "duration": timedelta(minutes=2), "announce": False}
    with psycopg.connect(product.url) as other:
        for statement in (lock_statement, claim_statement):
            other.execute(statement(await database.schema()), {**parameters(first), **values})
        asking = asyncio.create_task(database.claim(second, "renew", 1))
        await until_somebody_waits(other)
        other.commit()
        assert await asking == Refusal(second, RefusalReason.TENANT_BUSY)


async def test_a_claim_tells_of_the_provider_as_it_stands_when_it_is_granted(
    database: Database, product: Any, until_somebody_waits: Callable[..., Any]
) -> None:
    key = product.provider(webhook_subscription_id="an old one")
    with psycopg.connect(product.url) as other:
        other.execute(lock_statement(await database.schema()), parameters(key))
        asking = asyncio.create_task(database.claim(key, "create", 1))
        await until_somebody_waits(other)
        other.execute(
            "UPDATE microsoft_email_provider_config SET webhook_subscription_id = 'a new one' WHERE email_provider_id = %s",
            [key.provider_id],
        )
        other.commit()
        granted = await asking
    assert isinstance(granted, Claim)
    assert granted.state is not None
    assert granted.state.subscription_id == "a new one"


async def test_a_claim_of_a_provider_without_a_row_tells_of_none(database: Database, product: Any) -> None:
    granted = await database.claim(ProviderKey(product.tenant(), str(uuid4())), "delete", 1)
    assert isinstance(granted, Claim)
    assert granted.state is None


async def test_one_busy_tenant_does_not_hold_up_another(database: Database, product: Any) -> None:
    busy, other = product.tenant(), product.tenant()
    assert isinstance(await database.claim(product.provider(busy), "renew", 1), Claim)
    refused = await database.claim(product.provider(busy), "renew", 1)
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.TENANT_BUSY
    assert isinstance(await database.claim(product.provider(other), "renew", 1), Claim)


async def test_a_dead_holders_claims_do_not_count_against_the_limit(database: Database, product: Any) -> None:
    tenant = product.tenant()
    dead = product.provider(tenant)
    await database.claim(dead, "renew", 1)
    product.end_claim(dead)
    assert isinstance(await database.claim(product.provider(tenant), "renew", 1), Claim)


async def test_an_action_that_nobody_settled_is_told_to_the_next_holder(
    database: Database, product: Any, work: Any
) -> None:
    key = product.provider()
    began = await database.clock()
    assert (await work.claim(key, "create")).unfinished == ()
    product.end_claim(key)
    second = await work.claim(key, "verify")
    assert second.unfinished == ("create",)
    assert began <= second.unfinished_since <= await database.clock()


async def test_an_unsettled_create_outlives_later_actions_that_crash_as_well(product: Any, work: Any) -> None:
    key = product.provider()
    for action in ("create", "renew", "create"):
        await work.claim(key, action)
        product.end_claim(key)
    assert (await work.claim(key, "verify")).unfinished == ("create", "renew")


@pytest.mark.parametrize(("settled", "unfinished"), [(True, ()), (False, ("create",))])
async def test_giving_back_settles_what_was_begun_only_when_told_so(
    database: Database, product: Any, work: Any, settled: bool, unfinished: tuple[str, ...]
) -> None:
    key = product.provider()
    await database.release(await work.claim(key, "create"), settled=settled)
    assert (await work.claim(key, "verify")).unfinished == unfinished


@pytest.mark.parametrize(("settled", "unfinished"), [(True, ()), (False, ("create",))])
async def test_an_outcome_settles_what_was_begun_unless_an_answer_was_lost(
    database: Database, product: Any, work: Any, settled: bool, unfinished: tuple[str, ...]
) -> None:
    key = product.provider()
    await database.record(await work.claim(key, "create"), work.failure(key), settled=settled)
    assert (await work.claim(key, "verify")).unfinished == unfinished


async def test_health_says_renewing_while_somebody_renews(database: Database, product: Any, work: Any) -> None:
    key = product.provider()
    product.add_health(key)
    product.add_health(key)
    await work.claim(key, "renew")
    assert [row["subscription_status"] for row in product.health(key)] == ["renewing", "renewing"]


async def test_looking_at_graph_is_not_called_renewing(database: Database, product: Any, work: Any) -> None:
    key = product.provider()
    product.add_health(key)
    await work.claim(key, "verify")
    assert [row["subscription_status"] for row in product.health(key)] == [None]


async def test_a_refused_claim_leaves_health_alone(database: Database, product: Any, work: Any) -> None:
    key = product.provider()
    product.add_health(key)
    await work.claim(key, "verify")
    await database.claim(key, "renew", LIMIT)
    assert [row["subscription_status"] for row in product.health(key)] == [None]


async def test_a_renewal_given_back_leaves_health_as_it_was(database: Database, product: Any, work: Any) -> None:
    healthy, failing = product.provider(), product.provider()
    await database.record(await work.claim(healthy), work.success(healthy))
    await database.record(await work.claim(failing), work.failure(failing))
    for key, status in ((healthy, "healthy"), (failing, "error")):
        await database.release(await work.claim(key), settled=True)
        assert [row["subscription_status"] for row in product.health(key)] == [status]


async def test_a_resource_written_by_hand_is_claimed_like_any_other(database: Database, work: Any) -> None:
    key = ProviderKey("acme", "support")
    claim = await work.claim(key)
    assert isinstance(await database.claim(key, "renew", LIMIT), Refusal)
    assert isinstance(await database.claim(ProviderKey("acme", "sales"), "renew", LIMIT), Claim)
    assert not isinstance(await database.record(claim, work.success(key)), Fenced)


async def test_nothing_is_left_in_a_session(newer_product: Any, open_database: Callable[..., Any]) -> None:
    """PgBouncer gives each transaction another server connection: what stays behind in one would reach somebody else.

    Plans are kept, but only where there is no pooler: see test_prepared_plans.py.
    """
    key = newer_product.provider()
    async with open_database(newer_product.url, connections=1) as database:
        for _ in range(8):
            claim = await database.claim(key, "renew", LIMIT)
            assert isinstance(claim, Claim)
            await database.providers()
            await database.release(claim, settled=True)
        [(settings, locks)] = await database._pool.rows(
            "SELECT (SELECT array_agg(name) FROM pg_settings WHERE source = 'session'), "
            "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())",
            {},
        )
    assert (settings, locks) == (None, 0)
