"""Credentials: read for one piece of work, shared with the product, and known to all others by a fingerprint."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from graphmail.database import Database, TokenFate
from graphmail.provider import Credential, CredentialKind, ProviderKey, ProviderState, RotatedTokens

if TYPE_CHECKING:
    from collections.abc import Callable

LATER = datetime(2026, 8, 21, tzinfo=UTC)


def rotated(replaces: str, refresh: str = "refresh-2") -> RotatedTokens:
    return RotatedTokens(access_token="access-2", expires_at=LATER, refresh_token=refresh, replaces=replaces)


async def fingerprint(database: Database, key: ProviderKey) -> str:
    """As both ways of asking tell it."""
    state = await database.provider_state(key)
    [listed] = [provider.credential for provider in (await database.providers()).providers if provider.key == key]
    assert state is not None
    assert listed == state.credential.fingerprint
    return listed


async def test_one_provider_is_read_with_its_credential(database: Database, product: Any) -> None:
    key = product.provider(
        tenant_id="directory",
        token_expires_at=LATER,
        webhook_subscription_id="subscription-1",
        webhook_expires_at=LATER,
        webhook_verification_token="state",
    )
    state = await database.provider_state(key)
    assert state == ProviderState(
        key=key,
        mailbox=f"box-{key.provider_id}@example.com",
        active=True,
        credential=Credential(
            owner=str(key),
            directory="directory",
            client_id="app",
            fingerprint=await fingerprint(database, key),
            client_secret="app-secret",
            refresh_token="refresh-1",
            access_token="access-1",
            access_token_expires_at=LATER,
            user=f"box-{key.provider_id}@example.com",
        ),
        client_state="state",
        subscription_id="subscription-1",
        expires_at=LATER,
    )


async def test_no_secret_shows_in_what_is_read(database: Database, product: Any) -> None:
    key = product.provider(webhook_verification_token="the-state")
    shown = repr(await database.provider_state(key)) + repr(await database.providers())
    assert not [secret for secret in ("app-secret", "refresh-1", "access-1", "the-state") if secret in shown]


async def test_a_provider_without_a_row_is_none(database: Database, product: Any) -> None:
    stranger = ProviderKey(product.tenant(), "5b9e0f5e-0a5c-4a52-9d3b-0d6f1d1f2a77")
    assert await database.provider_state(stranger) is None
    assert await database.provider_state(ProviderKey("acme", "written by hand")) is None
    assert await database.ensure_client_state(stranger, "generated") is None


async def test_the_same_id_in_another_tenant_is_another_provider(database: Database, product: Any) -> None:
    key = product.provider()
    assert await database.provider_state(ProviderKey(product.tenant(), key.provider_id)) is None


async def test_a_provider_without_a_config_row_has_no_credential_yet(database: Database, product: Any) -> None:
    key = product.provider(config=False)
    state = await database.provider_state(key)
    assert state is not None
    user = f"box-{key.provider_id}@example.com"
    assert state.credential == Credential(owner=str(key), directory="", client_id="", fingerprint="", user=user)


class TestTokensWithoutAClaim:
    """What a person's check has fetched."""

    async def test_they_are_kept_while_the_rows_token_is_the_one_that_was_used(
        self, database: Database, product: Any
    ) -> None:
        key = product.provider()
        assert await database.store_tokens(key, rotated("refresh-1"))
        row = product.config(key)
        assert (row["refresh_token"], row["access_token"], row["token_expires_at"]) == ("refresh-2", "access-2", LATER)

    async def test_they_are_discarded_once_the_product_has_rotated_the_token(
        self, database: Database, product: Any
    ) -> None:
        key = product.provider(refresh_token="the-products")
        assert not await database.store_tokens(key, rotated("refresh-1"))
        row = product.config(key)
        assert (row["refresh_token"], row["access_token"]) == ("the-products", "access-1")

    async def test_a_provider_that_is_gone_is_no_error(self, database: Database) -> None:
        assert not await database.store_tokens(ProviderKey("acme", "written by hand"), rotated("refresh-1"))


class TestClientState:
    @pytest.mark.parametrize("nothing", [None, ""])
    async def test_it_is_set_where_there_is_none(self, database: Database, product: Any, nothing: str | None) -> None:
        key = product.provider(webhook_verification_token=nothing)
        assert await database.ensure_client_state(key, "generated") == "generated"
        assert product.config(key)["webhook_verification_token"] == "generated"

    async def test_what_stands_is_kept(self, database: Database, product: Any) -> None:
        key = product.provider(webhook_verification_token="stands")
        assert await database.ensure_client_state(key, "generated") == "stands"
        assert product.config(key)["webhook_verification_token"] == "stands"

    async def test_all_who_ask_at_once_get_the_same(self, database: Database, product: Any) -> None:
        key = product.provider()
        answers = await asyncio.gather(*(database.ensure_client_state(key, f"generated-{n}") for n in range(24)))
        assert set(answers) == {product.config(key)["webhook_verification_token"]}

    async def test_who_comes_second_gets_what_the_first_has_set(
        self, database: Database, product: Any, until_somebody_waits: Callable[..., Any]
    ) -> None:
        key = product.provider()
        with psycopg.connect(product.url) as other:
            other.execute(
                "UPDATE microsoft_email_provider_config SET webhook_verification_token = 'theirs' WHERE email_provider_id = %s",
                [key.provider_id],
            )
            asking = asyncio.create_task(database.ensure_client_state(key, "generated"))
            await until_somebody_waits(other)
            other.commit()
            assert await asking == "theirs"


class TestFingerprint:
    @pytest.mark.parametrize("refresh", [None, "", "refresh"])
    @pytest.mark.parametrize("access", [None, "", "access"])
    @pytest.mark.parametrize("secret", ["", "secret"])
    @pytest.mark.parametrize("directory", ["", "common", "organizations", "consumers", "a-directory"])
    async def test_it_is_empty_exactly_while_the_row_cannot_sign_in(
        self,
        newer_database: Database,
        newer_product: Any,
        refresh: str | None,
        access: str | None,
        secret: str,
        directory: str,
    ) -> None:
        key = newer_product.provider(
            refresh_token=refresh, access_token=access, client_secret=secret, tenant_id=directory
        )
        state = await newer_database.provider_state(key)
        assert state is not None
        assert (state.credential.kind is CredentialKind.NONE) == (await fingerprint(newer_database, key) == "")

    @pytest.mark.parametrize("directory", ["common", "a-directory"])
    async def test_what_a_reference_stands_for_is_not_known_here_and_may_sign_in_to_a_directory(
        self, newer_database: Database, newer_product: Any, directory: str
    ) -> None:
        nothing = {"client_secret": "", "refresh_token": None, "access_token": None}
        key = newer_product.provider(tenant_id=directory, client_secret_ref="contoso-app", **nothing)
        state = await newer_database.provider_state(key)
        assert state is not None
        assert (state.secret_reference, state.credential.kind) == ("contoso-app", CredentialKind.NONE)
        [listed] = [one for one in (await newer_database.providers()).providers if one.key == key]
        assert listed.secret_reference == "contoso-app"
        before = await fingerprint(newer_database, key)
        assert bool(before) == (directory == "a-directory")
        newer_product.set_config(key, client_id="another")
        assert (await fingerprint(newer_database, key) != before) == (directory == "a-directory")

    async def test_a_row_without_a_reference_names_nothing(self, database: Database, product: Any) -> None:
        key = product.provider() if product.older else product.provider(client_secret_ref="")
        state = await database.provider_state(key)
        assert state is not None
        assert state.secret_reference is None

    @pytest.mark.parametrize(
        "change",
        [
            {"client_id": "another"},
            {"client_secret": "another"},
            {"tenant_id": "another"},
            {"refresh_token": None, "access_token": None, "tenant_id": "directory"},
        ],
    )
    async def test_it_changes_with_the_credential(
        self, database: Database, product: Any, change: dict[str, Any]
    ) -> None:
        key = product.provider()
        before = await fingerprint(database, key)
        product.set_config(key, **change)
        assert await fingerprint(database, key) not in {before, ""}

    async def test_it_appears_with_the_first_consent(self, database: Database, product: Any) -> None:
        key = product.provider(refresh_token=None, access_token=None)
        assert await fingerprint(database, key) == ""
        product.set_config(key, refresh_token="refresh-1")
        assert len(await fingerprint(database, key)) == 12

    async def test_it_outlives_the_tokens_that_are_replaced_at_every_use(
        self, database: Database, product: Any, work: Any
    ) -> None:
        key = product.provider()
        before = await fingerprint(database, key)
        product.set_config(key, refresh_token="refresh-of-the-product", access_token="access-of-the-product")
        assert await fingerprint(database, key) == before
        await database.record(await work.claim(key), work.success(key, tokens=rotated("refresh-of-the-product")))
        assert await fingerprint(database, key) == before

    async def test_it_changes_when_somebody_consents_after_a_terminal_failure(
        self, database: Database, product: Any, work: Any
    ) -> None:
        key = product.provider()
        seen = [await fingerprint(database, key)]
        for consent in ("consent-2", "consent-3"):
            await self.fail(database, work, key)
            assert await fingerprint(database, key) == seen[-1], "a failure alone is no new credential"
            product.set_config(key, refresh_token=consent)
            seen.append(await fingerprint(database, key))
        assert len(set(seen)) == 3

    async def test_a_consent_that_works_keeps_its_fingerprint(
        self, database: Database, product: Any, work: Any
    ) -> None:
        key = product.provider()
        await self.fail(database, work, key)
        product.set_config(key, refresh_token="consent-2")
        consented = await fingerprint(database, key)
        state = await database.provider_state(key)
        assert state is not None
        await database.record(
            await work.claim(key), work.success(key, tokens=rotated("consent-2")), credential=state.credential
        )
        product.set_config(key, refresh_token="rotated-by-the-product")
        assert await fingerprint(database, key) == consented

    async def test_a_consent_given_while_the_old_one_fails_is_noticed(
        self, database: Database, product: Any, work: Any
    ) -> None:
        key = product.provider()
        state = await database.provider_state(key)
        assert state is not None
        claim = await work.claim(key)
        product.set_config(key, refresh_token="consent-2")
        await database.record(claim, work.failure(key, provider_error=True), credential=state.credential)
        assert await fingerprint(database, key) != state.credential.fingerprint

    async def test_a_token_we_stored_with_a_terminal_failure_is_no_new_consent(
        self, database: Database, product: Any, work: Any
    ) -> None:
        key = product.provider()
        before = await fingerprint(database, key)
        outcome = work.failure(key, "no such mailbox", provider_error=True, tokens=rotated("refresh-1"))
        await database.record(await work.claim(key), outcome)
        assert product.config(key)["refresh_token"] == "refresh-2"
        assert await fingerprint(database, key) == before

    async def test_a_token_of_ours_that_the_row_has_already_is_no_new_consent_when_it_is_refused(
        self, database: Database, product: Any, work: Any
    ) -> None:
        key = product.provider(refresh_token="refresh-2", access_token="access-of-the-product")
        state = await database.provider_state(key)
        assert state is not None
        outcome = work.failure(key, "consent revoked", provider_error=True, tokens=rotated("refresh-1"))
        await database.record(await work.claim(key), outcome, credential=state.credential)
        assert await fingerprint(database, key) == state.credential.fingerprint

    @staticmethod
    async def fail(database: Database, work: Any, key: ProviderKey) -> None:
        state = await database.provider_state(key)
        assert state is not None
        await database.record(
            await work.claim(key), work.failure(key, provider_error=True), credential=state.credential
        )


class TestRotatedTokens:
    async def test_they_are_stored_while_the_rows_token_is_the_one_that_was_read(
        self, database: Database, product: Any, work: Any
    ) -> None:
        key = product.provider()
        recorded = await database.record(await work.claim(key), work.success(key, tokens=rotated("refresh-1")))
        assert recorded.tokens is TokenFate.STORED
        row = product.config(key)
        assert (row["access_token"], row["refresh_token"], row["token_expires_at"]) == ("access-2", "refresh-2", LATER)

    @pytest.mark.parametrize("stands", ["refresh-of-the-product", None])
    async def test_they_are_discarded_when_somebody_wrote_others(
        self, database: Database, product: Any, work: Any, stands: str | None
    ) -> None:
        key = product.provider(refresh_token=stands)
        recorded = await database.record(await work.claim(key), work.success(key, tokens=rotated("refresh-1")))
        assert recorded.tokens is TokenFate.DISCARDED
        row = product.config(key)
        assert (row["access_token"], row["refresh_token"], row["token_expires_at"]) == ("access-1", stands, None)
        assert row["webhook_subscription_id"] == "subscription-1", "the outcome itself counts"

    async def test_they_are_stored_with_a_failure_too(self, database: Database, product: Any, work: Any) -> None:
        key = product.provider()
        recorded = await database.record(await work.claim(key), work.failure(key, tokens=rotated("refresh-1")))
        assert recorded.tokens is TokenFate.STORED
        assert product.config(key)["refresh_token"] == "refresh-2"

    async def test_the_first_of_two_writers_wins(self, database: Database, product: Any, work: Any) -> None:
        key = product.provider()
        first = await database.record(
            await work.claim(key), work.success(key, tokens=rotated("refresh-1", "refresh-a"))
        )
        second = await database.record(
            await work.claim(key), work.success(key, tokens=rotated("refresh-1", "refresh-b"))
        )
        assert (first.tokens, second.tokens) == (TokenFate.STORED, TokenFate.DISCARDED)
        assert product.config(key)["refresh_token"] == "refresh-a"
