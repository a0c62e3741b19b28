"""graphmail.renewal_requests: a row asks for a renewal, once, and is told what became of it."""

import uuid
from datetime import UTC, datetime

from graphmail.database import migrate
from support.pages import Pages
from support.stage import Stage
from support.waiting import eventually


async def test_a_row_forces_a_renewal_once_and_carries_its_outcome(stage: Stage, pages: Pages) -> None:
    row = stage.add_delegated()
    async with stage.operator():
        await stage.ready(row)
        request = pages.ask(row)
        answer = await pages.answered(request, "done")
        assert stage.calls(row, "patch") == 1
        status = await stage.ready(row)
    assert answer["expires_at"] == datetime.fromisoformat(status["expirationTime"])
    assert answer["message"].startswith("covered until ")
    assert status["lastHandledRenewal"] == f"request/{request}"
    [told] = pages.run("lately", tenant=row.tenant)
    assert (told["requested_by"], told["state"]) == ("support: Ann", "done")
    assert pages.answer(request)["finished_at"] is not None


async def test_a_row_that_was_written_while_no_operator_ran_is_taken_up(stage: Stage, pages: Pages) -> None:
    row = stage.add_app_only()
    request = pages.ask(row)
    async with stage.operator():
        await pages.answered(request, "done")


async def test_requests_that_come_together_are_answered_by_one_renewal(stage: Stage, pages: Pages) -> None:
    row = stage.add_app_only()
    async with stage.operator():
        await stage.ready(row)
        pages.execute("BEGIN")
        requests = [pages.ask(row) for _ in range(3)]
        pages.execute("COMMIT")
        for request in requests:
            await pages.answered(request, "done")
    assert stage.calls(row, "patch") == 1


async def test_what_cannot_be_renewed_is_refused_with_the_reason(stage: Stage, pages: Pages) -> None:
    paused, active = stage.add_app_only(), stage.add_app_only()
    stage.product.set_provider(paused.id, inbound_paused_at=datetime.now(UTC), inbound_pause_reason="manual")
    nobody = pages.run("ask", tenant=active.tenant, provider=str(uuid.uuid4()))[0]["id"]
    suspended = pages.ask(paused)
    async with stage.operator():
        assert "no Microsoft mail provider" in (await pages.answered(nobody, "refused"))["message"]
        assert "the provider's row says manual" in (await pages.answered(suspended, "refused"))["message"]
    async with stage.operator(GRAPHMAIL_MODE="observe"):
        assert "only observes" in (await pages.answered(pages.ask(active), "refused"))["message"]
    assert stage.calls(paused, "create", "patch") == 0


async def test_a_failure_is_told_and_so_is_what_only_a_person_can_mend(stage: Stage, pages: Pages) -> None:
    failing, revoked = stage.add_app_only(), stage.add_delegated()
    assert revoked.grant is not None
    stage.simulator.world.revoke(revoked.grant)
    async with stage.operator():
        await stage.ready(failing)
        await pages.shows(revoked, "action_required")
        stage.fault("patch", answer="internal-error", mailbox=failing.address)
        assert "goes on trying" in (await pages.answered(pages.ask(failing), "failed"))["message"]
        answer = await pages.answered(pages.ask(revoked), "failed")
    assert answer["message"].startswith("ReauthorizationRequired: ")


async def test_to_wait_for_quota_is_no_failure(stage: Stage, pages: Pages) -> None:
    row = stage.add_app_only()
    async with stage.operator():
        await stage.ready(row)
        throttle = stage.fault("patch", answer="throttled", headers={"Retry-After": "6"})
        request = pages.ask(row)
        await eventually(lambda: "waiting for Graph's quota" in pages.answer(request)["message"], "told to wait")
        assert pages.answer(request)["state"] == "running"
        stage.simulator.faults.clear([throttle.id])
        await pages.answered(request, "done")


async def test_with_notifications_a_row_is_taken_up_long_before_the_next_poll(stage: Stage, pages: Pages) -> None:
    await migrate(stage.product.url, notify_trigger=True)
    row = stage.add_app_only()
    slow = {"GRAPHMAIL_MIRROR_POLL_SECONDS": "300", "GRAPHMAIL_MIRROR_COMPARE_SECONDS": "3600"}
    async with stage.operator(GRAPHMAIL_MIRROR_NOTIFY="true", **slow):
        await stage.ready(row)
        await pages.answered(pages.ask(row), "done")


async def test_of_two_operators_the_one_that_leads_takes_a_row_up_and_the_other_what_comes_later(
    stage: Stage, pages: Pages
) -> None:
    row = stage.add_app_only()
    async with stage.operator():
        async with stage.operator():
            await stage.ready(row)
            await pages.answered(pages.ask(row), "done")
            assert stage.calls(row, "patch") == 1
        await pages.answered(pages.ask(row), "done")
    assert stage.calls(row, "patch") == 2
