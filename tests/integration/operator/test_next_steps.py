"""What a person must act on: an event says what to do, and work goes on by itself once it is done, or the spec has changed."""

import json

from graphmail.resource.names import PLURAL
from support.hand import Hand
from support.stage import Row, Stage, condition_reason, condition_status
from support.waiting import eventually


async def told(stage: Stage, row: Row | str, reason: str) -> str:
    """What the event of that reason says."""

    def messages() -> list[str]:
        return [event["message"] for event in stage.events(row) if event["reason"] == reason]

    [message] = await eventually(messages, f"{row}: an event of the reason {reason}")
    return message


async def test_an_event_names_the_next_step_of_whoever_must_act(stage: Stage) -> None:
    hand, expired = Hand(stage), stage.simulator.world.add_app("expired", secret_expires_at=1.0)
    credential = {"client_id": expired.client_id, "client_secret": expired.secrets[0].value}
    revoked, outdated, moved = stage.add_delegated(), stage.add_app_only(credential), stage.add_app_only()
    hand.secret("own", directory_id=stage.entra.id, **credential)
    hand.write("own")
    assert revoked.grant is not None
    stage.simulator.world.revoke(revoked.grant)
    moved.mailbox.enabled = False
    async with stage.operator():
        again = await told(stage, revoked, "ReauthorizationRequired")
        of_row, of_secret = [await told(stage, one, "ReauthorizationRequired") for one in (outdated, "own")]
        move = await told(stage, moved, "RenewalFailed")
    assert f"Sign in again as {revoked.address} in the product, and consent to app {stage.app.client_id}." in again
    for message, place in ((of_row, "the provider's row"), (of_secret, "Secret own")):
        assert f"The client secret of app {expired.client_id} has expired: create a new one in Entra" in message
        assert f"and store its value in {place}." in message
    assert "move the mailbox to Exchange Online" in move


async def test_a_changed_spec_ends_a_stall_by_itself(stage: Stage) -> None:
    hand = Hand(stage)
    hand.app_only_secret("own")
    hand.write("own")
    stage.fault("create", answer="mailbox-not-enabled", count=1)
    async with stage.operator():
        status = await stage.status_of("own", lambda status: condition_status(status, "Stalled") == "True", "stalled")
        assert condition_reason(status, "Ready") == "MailboxNotEnabled"
        stage.kubectl("patch", PLURAL, "own", "--type=merge", "-p", json.dumps({"spec": {"folders": ["archive"]}}))
        status = await stage.ready("own")
    assert condition_status(status, "Stalled") is None
    assert [found.resource.partition("/mail")[2] for found in hand.live("own")] == ["Folders('archive')/messages"]
