"""The product signs in with the same tokens, and writes to the same rows (design, rules 6 and 7)."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from support.gate import Gate
from support.stage import Row, Stage, condition_status
from support.waiting import eventually

IN_AN_HOUR = timedelta(hours=1)


def refresh_token(stage: Stage, row: Row) -> str:
    """One more refresh token of the same consent, as the product gets it."""
    assert row.grant is not None
    return stage.simulator.world.grants.refresh_token(row.grant, stage.simulator.clock.now())


def access_token(stage: Stage, row: Row) -> str:
    assert row.grant is not None
    return stage.simulator.world.delegated_token(row.grant)[0]


async def test_a_valid_access_token_of_the_row_is_used_and_an_older_one_is_renewed_and_stored(stage: Stage) -> None:
    valid, expired = stage.add_delegated(), stage.add_delegated()
    token = access_token(stage, valid)
    stage.product.set_config(valid.id, access_token=token, token_expires_at=datetime.now(UTC) + IN_AN_HOUR)
    stage.product.set_config(expired.id, access_token="gone", token_expires_at=datetime.now(UTC) - IN_AN_HOUR)
    before = stage.product.config(expired.id)
    async with stage.operator():
        await stage.ready(valid)
        await stage.ready(expired)
    assert stage.calls(valid, "token") == 0
    assert stage.product.config(valid.id)["access_token"] == token
    after = stage.product.config(expired.id)
    assert stage.calls(expired, "token") == 1
    assert after["refresh_token"] not in {before["refresh_token"], None}
    assert after["access_token"] not in {"gone", None}
    assert after["token_expires_at"] > datetime.now(UTC) + IN_AN_HOUR / 2


async def test_what_the_product_writes_while_we_work_is_used_and_never_overwritten(stage: Stage) -> None:
    """Both rows are read under their claims, and changed by the product before the sign-in."""
    refused, rotated = stage.add_delegated(), stage.add_delegated()
    assert refused.grant is not None
    stage.simulator.world.revoke(refused.grant)
    theirs = {"refresh_token": refresh_token(stage, rotated), "access_token": access_token(stage, rotated)}
    login = urlsplit(stage.simulator.login_url)
    assert login.port is not None
    async with Gate(login.port) as gate:
        gate.hold()
        through_gate = login._replace(netloc=f"{login.hostname}:{gate.port}").geturl()
        async with stage.operator(MICROSOFT_LOGIN_BASE_URL=through_gate):
            await eventually(lambda: stage.product.claimed() == 2, "both are claimed, and hence read")
            stage.consent_anew(refused)
            stage.product.set_config(rotated.id, **theirs, token_expires_at=datetime.now(UTC) + IN_AN_HOUR)
            gate.let_flow()
            status = await stage.ready(refused)
            await stage.ready(rotated)
    assert [call.status for call in stage.log(refused, "token")] == [400, 200]
    assert condition_status(status, "Authorized") == "True"
    assert "ReauthorizationRequired" not in stage.event_reasons(refused)
    assert stage.product.health(refused.id)[0]["failure_count"] == 0
    assert stage.calls(rotated, "token") == 1
    assert {name: stage.product.config(rotated.id)[name] for name in theirs} == theirs


async def test_only_an_error_that_we_set_is_cleared(stage: Stage) -> None:
    theirs, ours = stage.add_delegated(), stage.add_delegated()
    stage.product.set_provider(theirs.id, status="error", error_message="the product cannot read the mailbox")
    assert ours.grant is not None
    stage.simulator.world.revoke(ours.grant)
    async with stage.operator():
        await stage.ready(theirs)
        await stage.status_of(ours, lambda status: condition_status(status, "Stalled") == "True", "stalled")
        calls = stage.calls(ours, "token")
        assert stage.product.provider(ours.id)["status"] == "error"
        stage.request_renewal(theirs, "now")
        await stage.status_of(theirs, lambda status: status["lastHandledRenewal"] == "now", "renewed")
        assert stage.calls(ours, "token") == calls
        stage.consent_anew(ours)
        await stage.ready(ours)
    told = stage.product.provider(theirs.id)
    assert (told["status"], told["error_message"]) == ("error", "the product cannot read the mailbox")
    told = stage.product.provider(ours.id)
    assert (told["status"], told["error_message"]) == ("connected", None)
