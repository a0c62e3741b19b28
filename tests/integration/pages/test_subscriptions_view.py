"""graphmail.subscriptions: how each mailbox stands, by the statements of docs/product-pages.md."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from graphmail.resource.moments import write_time
from support.pages import Pages
from support.stage import Stage
from support.waiting import eventually


async def test_a_covered_mailbox_shows_its_expiry_and_its_next_renewal(stage: Stage, pages: Pages) -> None:
    row = stage.add_delegated()
    async with stage.operator():
        status = await stage.ready(row)
        shown = await pages.shows(row, "covered")
    assert write_time(shown["expires_at"]) == status["expirationTime"]
    assert write_time(shown["next_renewal_at"]) == status["nextRenewalTime"]
    left = (shown["expires_at"] - datetime.now(UTC)) / timedelta(hours=1)
    assert float(shown["hours_left"]) == pytest.approx(left, abs=0.2)
    assert (shown["subscription_id"], shown["resource"]) == (status["subscriptionID"], row.name)
    assert (shown["reason"], shown["what_to_do"]) == ("Subscribed", "")


async def test_what_needs_a_person_is_shown_with_what_to_do_until_it_is_done(stage: Stage, pages: Pages) -> None:
    waiting, revoked = stage.add_unconsented(), stage.add_delegated()
    world = stage.simulator.world
    assert revoked.grant is not None
    world.revoke(revoked.grant)
    async with stage.operator():
        unknown = await pages.shows(waiting, "waiting")
        assert (unknown["expires_at"], unknown["hours_left"]) == (None, None)
        shown = await pages.shows(revoked, "action_required")
        assert shown["reason"] == "ReauthorizationRequired"
        assert shown["what_to_do"] == "The mailbox's owner signs in again in the product, and consents."
        found = pages.run("people")
        assert {one["mailbox"] for one in found} == {waiting.address, revoked.address}
        stage.consent_anew(revoked)
        await pages.shows(revoked, "covered")
    assert [one["mailbox"] for one in pages.run("people")] == [waiting.address]


async def test_a_pause_and_the_end_of_a_provider_are_shown(stage: Stage, pages: Pages) -> None:
    paused, kept = stage.add_app_only(), stage.add_app_only()
    async with stage.operator(GRAPHMAIL_MIRROR_COMPARE_SECONDS="15"):
        await pages.shows(paused, "covered")
        stage.product.set_provider(paused.id, inbound_paused_at=datetime.now(UTC), inbound_pause_reason="manual")
        shown = await pages.shows(paused, "suspended")
        assert shown["what_to_do"].endswith("the provider says manual.")
        stage.product.delete_provider(paused.id)
        await eventually(lambda: pages.one(paused) == {}, "nothing is shown any more")
        await pages.shows(kept, "covered")
    shown = pages.run("tenant", tenant=kept.tenant)
    assert [(one["mailbox"], one["state"]) for one in shown] == [(kept.address, "covered")]


async def test_an_operator_that_is_gone_is_seen_by_what_has_expired(stage: Stage, pages: Pages) -> None:
    row = stage.add_app_only()
    async with stage.operator():
        await pages.shows(row, "covered")
    stage.product.run("UPDATE graphmail.mailbox_states SET expires_at = now() - interval '1 minute'")
    shown = pages.one(row)
    assert (shown["state"], shown["hours_left"]) == ("expired", 0)


async def test_nothing_is_written_while_nothing_changes_and_what_was_missed_comes_later(
    stage: Stage, pages: Pages
) -> None:
    row = stage.add_app_only()
    async with stage.operator():
        written = (await pages.shows(row, "covered"))["updated_at"]
    async with stage.operator(GRAPHMAIL_TICK_SECONDS="1") as running:
        await running.metric_is(1, "graphmail_mirror_rows")
        await asyncio.to_thread(stage.kubectl, "patch", "gms", row.name, "--type=merge", '-p={"spec":{"suspend":true}}')
        later = await pages.shows(row, "suspended")
    stage.product.run("DELETE FROM graphmail.mailbox_states")
    async with stage.operator():
        assert (await pages.shows(row, "suspended"))["what_to_do"] != ""
    assert later["updated_at"] > written


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM graphmail.mailbox_states",
        "SELECT * FROM graphmail.provider_state",
        "SELECT refresh_token FROM microsoft_email_provider_config",
        "UPDATE graphmail.renewal_requests SET state = 'done'",
        "INSERT INTO graphmail.renewal_requests (tenant, provider_id, state) SELECT NULL, NULL, NULL",
    ],
)
async def test_the_pages_may_do_nothing_else(pages: Pages, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        pages.execute(statement)


async def test_the_view_stands_in_the_way_of_no_change_to_the_products_tables(stage: Stage, pages: Pages) -> None:
    found: list[dict[str, Any]] = stage.product.run(
        "SELECT DISTINCT d.refobjid::regclass::text AS name FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid "
        "WHERE r.ev_class = 'graphmail.subscriptions'::regclass AND d.refclassid = 'pg_class'::regclass"
    )
    assert {row["name"] for row in found} <= {"graphmail.mailbox_states", "graphmail.subscriptions"}
