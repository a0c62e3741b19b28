"""Discovery: every Microsoft provider, as the mirror needs it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from graphmail.database import OVERLAP, Database, PeerChange

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphmail.provider import Provider, ProviderKey

EARLIER = datetime(2026, 8, 19, 6, tzinfo=UTC)
LATER = datetime(2026, 8, 20, 7, 30, tzinfo=UTC)


async def find(database: Database, key: ProviderKey) -> Provider:
    [found] = [provider for provider in (await database.providers()).providers if provider.key == key]
    return found


async def test_every_microsoft_provider_is_found_whatever_its_state(
    fresh_database: Database, fresh_product: Any
) -> None:
    tenant = fresh_product.tenant()
    active, inactive, undecided, unconfigured = (fresh_product.provider(tenant, config=n != 3) for n in range(4))
    other_tenants = fresh_product.provider()
    fresh_product.provider(tenant, kind="google")
    fresh_product.update("email_providers", inactive, is_active=False)
    fresh_product.update("email_providers", undecided, is_active=None)
    found = {provider.key: provider.active for provider in (await fresh_database.providers()).providers}
    assert found == {active: True, inactive: False, undecided: False, unconfigured: True, other_tenants: True}


async def test_a_provider_is_told_as_its_rows_have_it(database: Database, product: Any) -> None:
    key = product.provider(
        webhook_subscription_id="subscription-1", webhook_expires_at=LATER, folder_filters='["Inbox", "Archive"]'
    )
    provider = await find(database, key)
    assert provider.mailbox == f"box-{key.provider_id}@example.com"
    assert (provider.subscription_id, provider.expires_at) == ("subscription-1", LATER)
    assert provider.folders == ("Inbox", "Archive")
    assert (provider.pause_reason, provider.last_notification_at) == (None, None)
    assert provider.polling is not product.older, "polling is the default where the column exists"


async def test_a_row_that_never_had_a_subscription_has_none(database: Database, product: Any) -> None:
    provider = await find(database, product.provider(webhook_subscription_id=""))
    assert (provider.subscription_id, provider.expires_at) == (None, None)


@pytest.mark.parametrize("reason", ["manual", "tenant_cancelled", "auth_failure"])
async def test_a_paused_provider_tells_why(newer_database: Database, newer_product: Any, reason: str) -> None:
    key = newer_product.provider()
    newer_product.update("email_providers", key, inbound_paused_at=EARLIER, inbound_pause_reason=reason)
    assert (await find(newer_database, key)).pause_reason == reason


@pytest.mark.parametrize(("mode", "polling"), [("polling", True), ("webhook", False)])
async def test_the_delivery_mode_is_told(
    newer_database: Database, newer_product: Any, mode: str, polling: bool
) -> None:
    assert (await find(newer_database, newer_product.provider(delivery_mode=mode))).polling is polling


async def test_the_last_notification_is_the_latest_that_anybody_saw(
    newer_database: Database, newer_product: Any
) -> None:
    by_route, by_health = newer_product.provider(last_webhook_delivery_at=LATER), newer_product.provider()
    for key, moments in ((by_route, [EARLIER]), (by_health, [EARLIER, LATER, None])):
        for moment in moments:
            newer_product.run(
                "INSERT INTO email_provider_health (tenant, provider_id, provider_type, last_notification_received_at) "
                "VALUES (%s, %s, 'microsoft', %s)",
                key.tenant,
                key.provider_id,
                moment,
            )
        assert (await find(newer_database, key)).last_notification_at == LATER


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "0001-01-01 BC", "12000-01-01"])
async def test_a_moment_that_no_clock_shows_hides_no_provider(database: Database, product: Any, moment: str) -> None:
    key = product.provider(webhook_expires_at=moment, token_expires_at=moment)
    assert (await find(database, key)).expires_at is None
    state = await database.provider_state(key)
    assert state is not None
    assert (state.expires_at, state.credential.access_token_expires_at) == (None, None)


@pytest.mark.parametrize("folders", ["null", "{}", "7", '"Inbox"', "[1, null]", None])
async def test_malformed_folders_hide_no_provider(database: Database, product: Any, folders: str | None) -> None:
    key = product.provider(folder_filters=folders)
    assert (await find(database, key)).folders == (("Inbox",) if folders == '"Inbox"' else ())


class TestChanges:
    async def test_only_what_changed_since_the_last_question_is_told(
        self, fresh_database: Database, fresh_product: Any
    ) -> None:
        keys = [fresh_product.provider() for _ in range(3)]
        asked = (await fresh_database.providers()).as_of
        long_ago = asked - OVERLAP - timedelta(seconds=1)
        fresh_product.run("UPDATE email_providers SET updated_at = %s", long_ago)
        fresh_product.run("UPDATE microsoft_email_provider_config SET updated_at = %s", long_ago)
        assert (await fresh_database.providers(asked)).providers == ()
        fresh_product.update("email_providers", keys[0], updated_at=asked)
        fresh_product.update("microsoft_email_provider_config", keys[1], updated_at=asked)
        assert {provider.key for provider in (await fresh_database.providers(asked)).providers} == set(keys[:2])

    async def test_a_change_that_was_committed_late_is_still_told(
        self, fresh_database: Database, fresh_product: Any
    ) -> None:
        key = fresh_product.provider()
        asked = (await fresh_database.providers()).as_of
        for table in ("email_providers", "microsoft_email_provider_config"):
            fresh_product.update(table, key, updated_at=asked - OVERLAP + timedelta(seconds=1))
        assert [provider.key for provider in (await fresh_database.providers(asked)).providers] == [key]

    async def test_an_empty_database_tells_the_time_as_well(self, fresh_database: Database) -> None:
        before = await fresh_database.clock()
        discovery = await fresh_database.providers()
        assert discovery.providers == ()
        assert before <= discovery.as_of <= await fresh_database.clock()


class TestPeers:
    async def test_what_we_wrote_ourselves_is_no_evidence(
        self, fresh_database: Database, fresh_product: Any, work: Any
    ) -> None:
        adopted, ours = (
            fresh_product.provider(webhook_subscription_id="older", webhook_expires_at=LATER),
            fresh_product.provider(),
        )
        await fresh_database.record(await work.claim(ours), work.success(ours))
        assert await fresh_database.peer_changes() == []
        assert (await fresh_database.providers()).peer_changes == {}
        await fresh_database.record(await work.claim(adopted), work.success(adopted, "older"))
        await fresh_database.record(await work.claim(ours), work.success(ours, None))
        assert await fresh_database.peer_changes() == []

    @pytest.mark.parametrize(
        "change",
        [{"webhook_subscription_id": "theirs"}, {"webhook_expires_at": LATER}, {"webhook_subscription_id": None}],
    )
    async def test_an_id_or_an_expiry_that_appears_without_us_is_told(
        self, fresh_database: Database, fresh_product: Any, work: Any, change: dict[str, Any]
    ) -> None:
        key = fresh_product.provider()
        before = await fresh_database.clock()
        await fresh_database.record(await work.claim(key), work.success(key))
        after = await fresh_database.clock()
        fresh_product.set_config(key, **change)
        row = fresh_product.config(key)
        [told] = await fresh_database.peer_changes()
        assert before <= told.recorded_at <= after
        assert told == PeerChange(
            key=key,
            subscription_id=row["webhook_subscription_id"],
            expires_at=row["webhook_expires_at"],
            recorded_subscription_id="subscription-1",
            recorded_expires_at=work.now + timedelta(days=6),
            recorded_at=told.recorded_at,
        )
        assert (await fresh_database.providers()).peer_changes == {key: told}

    async def test_our_next_outcome_ends_the_evidence(
        self, fresh_database: Database, fresh_product: Any, work: Any
    ) -> None:
        key = fresh_product.provider()
        await fresh_database.record(await work.claim(key), work.success(key))
        fresh_product.set_config(key, webhook_subscription_id="theirs")
        await fresh_database.record(await work.claim(key), work.success(key, "theirs"))
        assert await fresh_database.peer_changes() == []


async def test_moments_are_told_in_utc_whatever_the_roles_time_zone(
    fresh_product: Any, open_database: Callable[..., Any]
) -> None:
    """Python subtracts two moments of one zone as the clocks on the wall show them: across a change to summer time an hour wrong."""
    fresh_product.provider(webhook_expires_at=LATER)
    [row] = fresh_product.run("SELECT current_database() AS name")
    fresh_product.run(f"ALTER DATABASE \"{row['name']}\" SET timezone = 'America/New_York'")
    async with open_database(fresh_product.url) as database:
        discovery = await database.providers()
    [provider] = discovery.providers
    assert provider.expires_at == LATER
    assert {moment.tzinfo for moment in (provider.expires_at, provider.updated_at, discovery.as_of)} == {UTC}


async def test_thousands_of_unchanged_rows_are_one_query(fresh_product: Any, open_database: Callable[..., Any]) -> None:
    tenant = fresh_product.tenant()
    fresh_product.run(
        "INSERT INTO email_providers (id, tenant, provider_type, provider_name, mailbox) "
        "SELECT gen_random_uuid(), %s, 'microsoft', 'mail', 'box-' || n FROM generate_series(1, 3000) n",
        tenant,
    )
    async with open_database(fresh_product.url) as database:
        await database.providers()
        before = database._pool._pool.get_stats()["requests_num"]
        discovery = await database.providers()
        asked = database._pool._pool.get_stats()["requests_num"] - before
    assert (len(discovery.providers), asked) == (3000, 1)
