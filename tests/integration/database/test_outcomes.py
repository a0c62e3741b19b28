"""What is written back after work on a provider, and what is left alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from graphmail.database import Claim, Database, Fenced, Recorded, Refusal, RowFate, StatementFailed, TokenFate
from graphmail.provider import ProviderKey

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_a_success_reaches_the_providers_row(database: Database, product: Any, work: Any) -> None:
    key = product.provider()
    recorded = await database.record(await work.claim(key), work.success(key, "subscription-1"))
    assert recorded == Recorded(key, RowFate.WRITTEN, TokenFate.NONE, "configuring")
    row = product.config(key)
    assert row["webhook_subscription_id"] == "subscription-1"
    assert row["webhook_expires_at"] == work.now + timedelta(days=6)
    assert row["last_subscription_renewal"] == work.now


async def test_every_write_moves_the_rows_updated_at(database: Database, product: Any, work: Any) -> None:
    key = product.provider()
    product.update("microsoft_email_provider_config", key, updated_at=work.now - timedelta(days=3000))
    before = await database.clock()
    await database.record(await work.claim(key), work.success(key))
    assert before <= product.config(key)["updated_at"] <= await database.clock()


async def test_a_success_that_renewed_nothing_leaves_the_last_renewal(
    database: Database, product: Any, work: Any
) -> None:
    key = product.provider()
    product.set_config(key, last_subscription_renewal=work.now - timedelta(days=1))
    await database.record(await work.claim(key), work.success(key, renewed=False))
    assert product.config(key)["last_subscription_renewal"] == work.now - timedelta(days=1)


async def test_the_first_outcome_makes_the_health_row(database: Database, product: Any, work: Any) -> None:
    key = product.provider()
    await database.record(await work.claim(key), work.success(key))
    [row] = product.health(key)
    assert row["provider_type"] == "microsoft"
    assert (row["is_healthy"], row["subscription_status"]) == (True, "healthy")
    assert row["subscription_expires_at"] == work.now + timedelta(days=6)
    assert (row["last_renewal_attempt_at"], row["last_renewal_result"]) == (work.now, "success")
    assert (row["failure_reason"], row["consecutive_failures"]) == (None, 0)
    assert (row["success_count"], row["failure_count"]) == (1, 0)
    assert (row["last_success_at"], row["last_failure_at"], row["last_health_check_at"]) == (work.now, None, work.now)


async def test_a_failure_is_told_in_health(database: Database, product: Any, work: Any) -> None:
    key = product.provider()
    await database.record(await work.claim(key), work.success(key))
    await database.record(
        await work.claim(key),
        work.failure(
            key, "Graph is away", consecutive_failures=2, subscription_id="subscription-1", expires_at=work.now
        ),
    )
    [row] = product.health(key)
    assert (row["is_healthy"], row["subscription_status"], row["last_renewal_result"]) == (False, "error", "failure")
    assert (row["failure_reason"], row["consecutive_failures"]) == ("Graph is away", 2)
    assert (row["success_count"], row["failure_count"]) == (1, 1)
    assert (row["last_success_at"], row["last_failure_at"]) == (work.now, work.now)
    assert product.config(key)["webhook_subscription_id"] == "subscription-1"


async def test_the_first_failure_makes_the_health_row_too(database: Database, product: Any, work: Any) -> None:
    key = product.provider()
    await database.record(await work.claim(key), work.failure(key))
    [row] = product.health(key)
    assert (row["is_healthy"], row["success_count"], row["failure_count"]) == (False, 0, 1)
    assert (row["last_success_at"], row["last_failure_at"]) == (None, work.now)


async def test_a_success_after_failures_clears_them(database: Database, product: Any, work: Any) -> None:
    key = product.provider()
    await database.record(await work.claim(key), work.failure(key, consecutive_failures=2))
    await database.record(await work.claim(key), work.success(key))
    [row] = product.health(key)
    assert (row["is_healthy"], row["failure_reason"], row["consecutive_failures"]) == (True, None, 0)


async def test_duplicate_health_rows_are_all_updated(database: Database, product: Any, work: Any) -> None:
    key, neighbour = product.provider(), product.provider()
    for owner in (key, key, neighbour):
        product.add_health(owner)
    await database.record(await work.claim(key), work.success(key))
    assert [row["subscription_status"] for row in product.health(key)] == ["healthy", "healthy"]
    assert [row["subscription_status"] for row in product.health(neighbour)] == [None]


async def test_writing_at_once_never_makes_a_second_health_row(
    newer_product: Any, newer_database: Database, work: Any, open_database: Callable[..., Any]
) -> None:
    key = newer_product.provider()
    outcome = work.success(key)

    async def write(database: Database) -> bool:
        claim = await database.claim(key, "renew", 100)
        if isinstance(claim, Claim):
            return isinstance(await database.record(claim, outcome), Recorded)
        return isinstance(await database.record_late(outcome, known_subscription_id=None), Recorded)

    async with open_database(newer_product.url, "two") as other:
        written = await asyncio.gather(*(write(database) for database in (newer_database, other) for _ in range(40)))
    assert any(written)
    [row] = newer_product.health(key)
    assert row["success_count"] == sum(written)


async def test_nothing_is_written_once_the_claim_was_taken_over(database: Database, product: Any, work: Any) -> None:
    key = product.provider()
    slow = await work.claim(key)
    product.end_claim(key)
    current = await work.claim(key)
    before = product.config(key)
    assert await database.record(slow, work.failure(key, provider_error=True)) == Fenced(key)
    assert product.config(key) == before
    assert product.health(key) == []
    assert product.status(key) == ("configuring", None)
    assert isinstance(await database.record(current, work.success(key)), Recorded)


async def test_an_overdue_claim_that_nobody_took_over_may_still_write(
    database: Database, product: Any, work: Any
) -> None:
    key = product.provider()
    claim = await work.claim(key)
    product.end_claim(key)
    assert isinstance(await database.record(claim, work.success(key)), Recorded)


async def test_an_outcome_is_written_once(database: Database, product: Any, work: Any) -> None:
    key = product.provider()
    claim = await work.claim(key)
    assert isinstance(await database.record(claim, work.success(key)), Recorded)
    assert await database.record(claim, work.success(key)) == Fenced(key)


async def test_a_provider_that_vanished_meanwhile_is_reported_and_its_claim_is_free(
    database: Database, product: Any, work: Any
) -> None:
    key = product.provider()
    claim = await work.claim(key)
    product.delete(key)
    assert await database.record(claim, work.success(key)) == Recorded(key, RowFate.GONE)
    assert product.health(key) == []
    assert isinstance(await database.claim(key, "verify", 100), Claim)


async def test_a_subscription_that_is_gone_is_forgotten(database: Database, product: Any, work: Any) -> None:
    key = product.provider()
    await database.record(await work.claim(key), work.success(key))
    await database.record(await work.claim(key), work.success(key, None))
    row = product.config(key)
    assert (row["webhook_subscription_id"], row["webhook_expires_at"]) == (None, None)
    [health] = product.health(key)
    assert (health["is_healthy"], health["subscription_status"], health["subscription_expires_at"]) == (
        True,
        None,
        None,
    )


async def test_a_reason_of_any_length_and_with_any_character_is_written(
    database: Database, product: Any, work: Any
) -> None:
    key = product.provider()
    recorded = await database.record(
        await work.claim(key), work.failure(key, "no\x00 " + "x" * 10_000, provider_error=True)
    )
    assert recorded.row is RowFate.WRITTEN
    [health] = product.health(key)
    assert health["failure_reason"].startswith("no xxx")
    assert len(health["failure_reason"]) == 2000
    assert product.status(key) == ("error", health["failure_reason"])


class TestStatus:
    async def test_a_terminal_failure_sets_the_providers_status(
        self, database: Database, product: Any, work: Any
    ) -> None:
        key = product.provider()
        recorded = await database.record(await work.claim(key), work.failure(key, "Sign in again", provider_error=True))
        assert recorded.status == "error"
        assert product.status(key) == ("error", "Sign in again")

    async def test_a_passing_failure_does_not(self, database: Database, product: Any, work: Any) -> None:
        key = product.provider()
        product.set_status(key, "connected")
        await database.record(await work.claim(key), work.failure(key))
        assert product.status(key) == ("connected", None)

    @pytest.mark.parametrize(
        ("before", "after"),
        [("configuring", "connected"), ("connected", "connected"), ("disconnected", "disconnected")],
    )
    async def test_the_first_success_clears_an_error_of_ours(
        self, database: Database, product: Any, work: Any, before: str, after: str
    ) -> None:
        key = product.provider()
        product.set_status(key, before)
        await database.record(await work.claim(key), work.failure(key, provider_error=True))
        await database.record(await work.claim(key), work.failure(key, "still so", provider_error=True))
        recorded = await database.record(await work.claim(key), work.success(key))
        assert recorded.status == after
        assert product.status(key) == (after, None)

    async def test_a_newer_reason_replaces_ours(self, database: Database, product: Any, work: Any) -> None:
        key = product.provider()
        for reason in ("first", "second"):
            await database.record(await work.claim(key), work.failure(key, reason, provider_error=True))
        assert product.status(key) == ("error", "second")

    async def test_an_error_of_somebody_else_is_neither_rewritten_nor_cleared(
        self, database: Database, product: Any, work: Any
    ) -> None:
        key = product.provider()
        product.set_status(key, "error", "mail cannot be read")
        await database.record(await work.claim(key), work.failure(key, "ours", provider_error=True))
        assert product.status(key) == ("error", "mail cannot be read")
        await database.record(await work.claim(key), work.success(key))
        assert product.status(key) == ("error", "mail cannot be read")

    @pytest.mark.parametrize("theirs", [("error", "theirs"), ("disconnected", None), ("connected", None)])
    async def test_what_somebody_wrote_over_our_error_stays(
        self, database: Database, product: Any, work: Any, theirs: tuple[str, str | None]
    ) -> None:
        key = product.provider()
        await database.record(await work.claim(key), work.failure(key, "ours", provider_error=True))
        product.set_status(key, *theirs)
        await database.record(await work.claim(key), work.success(key))
        assert product.status(key) == theirs

    async def test_what_somebody_writes_over_our_error_at_that_moment_stays(
        self, database: Database, product: Any, work: Any, until_somebody_waits: Callable[..., Any]
    ) -> None:
        key = product.provider()
        await database.record(await work.claim(key), work.failure(key, "ours", provider_error=True))
        claim = await work.claim(key)
        with psycopg.connect(product.url) as other:
            other.execute("UPDATE email_providers SET error_message = 'theirs' WHERE id = %s", [key.provider_id])
            writing = asyncio.create_task(database.record(claim, work.success(key)))
            await until_somebody_waits(other)
            other.commit()
            assert isinstance(await writing, Recorded)
        assert product.status(key) == ("error", "theirs")

    async def test_an_error_after_ours_was_cleared_is_not_taken_for_ours(
        self, database: Database, product: Any, work: Any
    ) -> None:
        key = product.provider()
        await database.record(await work.claim(key), work.failure(key, "expired", provider_error=True))
        await database.record(await work.claim(key), work.success(key))
        product.set_status(key, "error", "expired")
        await database.record(await work.claim(key), work.success(key))
        assert product.status(key) == ("error", "expired")

    async def test_forgetting_a_subscription_is_no_recovery(self, database: Database, product: Any, work: Any) -> None:
        key = product.provider()
        await database.record(await work.claim(key), work.failure(key, "Sign in again", provider_error=True))
        await database.record(await work.claim(key), work.success(key, None))
        assert product.status(key) == ("error", "Sign in again")
        await database.record(await work.claim(key), work.success(key))
        assert product.status(key) == ("connected", None)


class TestLegacyTable:
    @pytest.fixture
    def key(self, newer_product: Any) -> ProviderKey:
        key: ProviderKey = newer_product.provider()
        newer_product.run(
            "INSERT INTO email_provider_configs (id, tenant, name, provider_type, mailbox) VALUES (%s, %s, 'n', 'microsoft', 'm')",
            key.provider_id,
            key.tenant,
        )
        return key

    @staticmethod
    def row(product: Any, key: ProviderKey) -> dict[str, Any]:
        [row] = product.run("SELECT * FROM email_provider_configs WHERE id = %s", key.provider_id)
        found: dict[str, Any] = row
        return found

    async def test_the_older_table_has_the_subscription_too(
        self, newer_database: Database, newer_product: Any, work: Any, key: ProviderKey
    ) -> None:
        await newer_database.record(await work.claim(key), work.success(key))
        row = self.row(newer_product, key)
        assert row["webhook_subscription_id"] == "subscription-1"
        assert row["webhook_expires_at"] == work.now + timedelta(days=6)
        assert row["last_subscription_renewal"] == work.now

    async def test_the_older_table_follows_the_providers_status(
        self, newer_database: Database, newer_product: Any, work: Any, key: ProviderKey
    ) -> None:
        newer_product.set_status(key, "connected")
        await newer_database.record(await work.claim(key), work.failure(key, "Sign in again", provider_error=True))
        row = self.row(newer_product, key)
        assert (row["connection_status"], row["connection_error_message"]) == ("error", "Sign in again")
        await newer_database.record(await work.claim(key), work.success(key))
        row = self.row(newer_product, key)
        assert (row["connection_status"], row["connection_error_message"]) == ("connected", None)

    async def test_a_status_that_the_older_table_does_not_know_leaves_it_alone(
        self, newer_database: Database, newer_product: Any, work: Any, key: ProviderKey
    ) -> None:
        await newer_database.record(await work.claim(key), work.success(key))
        assert newer_product.status(key) == ("configuring", None)
        assert self.row(newer_product, key)["connection_status"] == "disconnected"


class TestLate:
    """An outcome that could not be written when it came about, since Postgres was away."""

    @pytest.mark.parametrize("stands", [None, "", "known", "subscription-1"])
    async def test_it_is_written_while_the_row_stands_as_it_was_known(
        self, database: Database, product: Any, work: Any, stands: str | None
    ) -> None:
        key = product.provider(webhook_subscription_id=stands)
        late = await database.record_late(work.success(key), known_subscription_id="known")
        assert late == Recorded(key, RowFate.WRITTEN, TokenFate.NONE, "configuring")
        assert product.config(key)["webhook_subscription_id"] == "subscription-1"

    @pytest.mark.parametrize("known", ["known", None])
    async def test_a_row_that_names_another_subscription_is_left_alone(
        self, database: Database, product: Any, work: Any, known: str | None
    ) -> None:
        key = product.provider(webhook_subscription_id="theirs")
        before = product.config(key)
        assert await database.record_late(work.success(key), known_subscription_id=known) == Recorded(
            key, RowFate.MOVED_ON
        )
        assert product.config(key) == before
        assert product.health(key) == []
        assert isinstance(await database.claim(key, "renew", 100), Claim)

    async def test_a_row_that_was_renewed_since_is_left_alone(
        self, database: Database, product: Any, work: Any
    ) -> None:
        key = product.provider(webhook_subscription_id="known")
        product.set_config(key, last_subscription_renewal=work.now + timedelta(seconds=1))
        late = await database.record_late(work.success(key, "known"), known_subscription_id="known")
        assert late == Recorded(key, RowFate.MOVED_ON)

    async def test_it_waits_while_somebody_works_on_the_provider(
        self, database: Database, product: Any, work: Any
    ) -> None:
        key = product.provider()
        await work.claim(key)
        assert isinstance(await database.record_late(work.success(key), known_subscription_id=None), Refusal)
        assert product.config(key)["webhook_subscription_id"] is None

    async def test_it_is_written_although_the_tenant_is_busy(self, database: Database, product: Any, work: Any) -> None:
        tenant = product.tenant()
        await work.claim(product.provider(tenant))
        key = product.provider(tenant)
        assert isinstance(await database.claim(key, "renew", 1), Refusal)
        assert isinstance(await database.record_late(work.success(key), known_subscription_id=None), Recorded)

    async def test_what_was_begun_and_not_settled_stays_so(self, database: Database, product: Any, work: Any) -> None:
        key = product.provider()
        await work.claim(key, "create")
        product.end_claim(key)
        await database.record_late(work.failure(key), known_subscription_id=None)
        assert (await work.claim(key)).unfinished == ("create",)

    async def test_a_provider_that_vanished_is_reported(self, database: Database, work: Any, product: Any) -> None:
        key = product.provider()
        product.delete(key)
        assert await database.record_late(work.success(key), known_subscription_id=None) == Recorded(key, RowFate.GONE)


@pytest.mark.parametrize("late", [False, True])
async def test_a_claim_under_which_an_outcome_is_refused_is_given_back_and_stays_unfinished(
    database: Database, product: Any, work: Any, late: bool
) -> None:
    key = product.provider()
    product.run(
        "ALTER TABLE email_provider_health ADD CONSTRAINT refused CHECK (failure_reason <> 'refused') NOT VALID"
    )
    outcome, held = work.failure(key, "refused"), await work.claim(key)
    if late:
        await database.release(held, settled=False)
    write = database.record_late(outcome, known_subscription_id=None) if late else database.record(held, outcome)
    with pytest.raises(StatementFailed):
        await write
    product.run("ALTER TABLE email_provider_health DROP CONSTRAINT refused")
    assert (await work.claim(key)).unfinished == ("renew",)
