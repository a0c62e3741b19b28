"""Nobody works twice on one mailbox, and nothing that Graph has made is lost, whoever dies in between (design, rules 1 to 3)."""

import asyncio

import pytest

from support.command import start
from support.stage import Stage
from support.waiting import eventually


async def test_what_was_made_under_a_lost_claim_is_deleted_again(stage: Stage) -> None:
    row = stage.add_app_only()
    stage.endpoint.validating.clear()
    async with stage.operator():
        await eventually(lambda: stage.endpoint.waiting, "Graph is making the subscription")
        stage.product.run(
            "UPDATE graphmail.claims SET holder = 'another', token = token + 1, until = now() + interval '1 hour'"
        )
        stage.endpoint.validating.set()
        await eventually(lambda: stage.calls(row, "delete"), "the new subscription is deleted")
        assert stage.live(row) == []
        assert stage.product.config(row.id)["webhook_subscription_id"] is None
        stage.product.end_claim(row.id)
        await stage.covered_once(row)
    assert stage.calls(row, "create") == 2


async def test_no_more_mailboxes_of_a_tenant_are_worked_on_at_once_than_the_batch_size(stage: Stage) -> None:
    rows = [stage.add_app_only() for _ in range(4)]
    elsewhere = stage.share(rows[0], stage.product.add_tenant("Other"))
    stage.endpoint.validating.clear()
    async with stage.operator(MICROSOFT_EMAIL_RENEWAL_BATCH_SIZE="2"):
        await eventually(lambda: stage.endpoint.waiting == 3, "two of the tenant, and the other tenant's one")
        held = stage.product.run(
            "SELECT tenant::text, count(*) AS n FROM graphmail.claims WHERE until > now() GROUP BY 1"
        )
        assert {row["tenant"]: row["n"] for row in held} == {stage.tenant: 2, elsewhere.tenant: 1}
        stage.endpoint.validating.set()
        for row in rows:
            await stage.ready(row)


async def test_a_subscription_that_cannot_be_renewed_is_replaced_without_a_gap(stage: Stage) -> None:
    row = stage.add_delegated()
    async with stage.operator():
        before = await stage.covered_once(row)
        stage.fault("patch", answer="patch-refused", count=1)
        stage.request_renewal(row, "now")
        await eventually(lambda: stage.calls(row, "delete"), "the old one is deleted")
        await stage.status_of(row, lambda status: status["subscriptionID"] != before, "replaced")
        after = await stage.covered_once(row)
    assert after != before
    assert [call.route for call in stage.log(row, "create", "delete")][-2:] == ["create", "delete"]
    assert stage.product.health(row.id)[0]["last_renewal_result"] == "success"


@pytest.mark.usefixtures("no_retry")
async def test_a_create_whose_answer_is_lost_is_found_again_by_its_marker(stage: Stage) -> None:
    row = stage.add_delegated()
    stage.fault("create", drop_connection=True, after_commit=True, count=1)
    async with stage.operator():
        status = await stage.status_of(row, lambda status: status["pendingCreateTime"], "the outcome is unknown")
        assert "subscriptionID" not in status
        stage.request_renewal(row, "now")
        await stage.covered_once(row)
        status = await stage.ready(row)
    assert "pendingCreateTime" not in status
    assert stage.calls(row, "create") == 1


async def test_an_operator_that_is_killed_between_the_call_and_the_record_leaves_no_twin(stage: Stage) -> None:
    row = stage.add_app_only({"webhook_verification_token": "given"})
    with stage.product.locked("microsoft_email_provider_config"):
        process = await start(stage, "run")
        try:
            await eventually(lambda: stage.live(row) and stage.product.waiting(), "made, and about to be recorded")
        finally:
            process.kill()
            await process.communicate()
        stage.product.kill_sessions()
        await eventually(lambda: not stage.product.waiting(), "Postgres has noticed")
    [made] = stage.live(row)
    assert stage.product.config(row.id)["webhook_subscription_id"] is None
    stage.product.end_claim(row.id)
    async with stage.operator():
        assert await stage.covered_once(row) == made.id
    assert stage.calls(row, "create") == 1


async def test_a_renewal_that_is_asked_for_during_another_waits_for_it(stage: Stage) -> None:
    row = stage.add_app_only()
    stage.subscribe(row)
    async with stage.operator():
        await stage.ready(row)
        stage.endpoint.validating.clear()
        stage.request_renewal(row, "one")
        await eventually(
            lambda: stage.endpoint.waiting, "the first one is under way: Graph tries the URL with our marker"
        )
        stage.request_renewal(row, "two")
        await asyncio.to_thread(stage.kubectl, "get", "gms", row.name)
        assert stage.endpoint.waiting == 1
        stage.endpoint.validating.set()
        await stage.status_of(row, lambda status: status["lastHandledRenewal"] == "two", "both are handled")
    assert stage.calls(row, "patch") == 2
