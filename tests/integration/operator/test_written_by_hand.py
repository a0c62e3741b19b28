"""Resources that people write, with their own Secrets, also without any Postgres (design, rule 10 and "The custom resource")."""

from typing import Any

import pytest

from graphmail.resource.names import FINALIZER
from support.hand import Hand
from support.stage import Stage, condition_reason, condition_status
from support.waiting import eventually

ALONE = {"GRAPHMAIL_DATABASE_URL": "", "APPLICATION_URL": ""}
"""No product at all."""


async def test_without_postgres_a_secret_is_enough(stage: Stage) -> None:
    hand = Hand(stage)
    hand.app_only_secret("app", client_state="ours")
    hand.write("app")
    hand.write("user")
    grant, token = stage.consent(hand.mailboxes["user"])
    hand.secret("user", client_id=stage.app.client_id, client_secret=stage.app.secrets[0].value, refresh_token=token)
    assert grant.revoked_for is None
    async with stage.operator(**ALONE):
        for name in ("app", "user"):
            status = await stage.ready(name)
            [subscription] = hand.live(name)
            assert status["subscriptionID"] == subscription.id
            assert condition_status(status, "Synced") is None
    [subscription] = hand.live("app")
    assert subscription.client_state == "ours"
    assert subscription.resource == "/users/app@contoso.example.com/mailFolders('inbox')/messages"
    assert hand.live("user")[0].delegated


async def test_a_secret_that_is_missing_or_wrong_is_waited_for_and_picked_up(stage: Stage) -> None:
    hand = Hand(stage)
    hand.write("late")
    hand.write("wrong")
    hand.secret("wrong", directory_id=stage.entra.id, client_id=stage.app.client_id, client_secret="mistyped")
    async with stage.operator(**ALONE, GRAPHMAIL_TICK_SECONDS="1"):
        status = await stage.status_of("late", lambda status: condition_status(status, "Authorized"), "told")
        assert condition_reason(status, "Authorized") == "AwaitingCredentials"
        assert "Secret late does not exist" in stage.condition("late", "Authorized")["message"]
        assert condition_status(status, "Stalled") is None
        status = await stage.status_of("wrong", lambda status: condition_status(status, "Stalled") == "True", "stalled")
        assert condition_status(status, "Authorized") == "False"
        hand.app_only_secret("late")
        hand.app_only_secret("wrong")
        for name in ("late", "wrong"):
            status = await stage.ready(name)
            assert (condition_status(status, "Authorized"), condition_status(status, "Stalled")) == ("True", None)


@pytest.mark.usefixtures("no_retry")
async def test_deletion_takes_the_subscription_along_or_retains_it_as_the_policy_says(stage: Stage) -> None:
    hand = Hand(stage)
    for name, policy in (("delete", "Delete"), ("retain", "Retain"), ("stuck", "Delete")):
        hand.app_only_secret(name)
        hand.write(name, deletionPolicy=policy)
    async with stage.operator(**ALONE):
        ids = {name: (await stage.ready(name))["subscriptionID"] for name in hand.mailboxes}
        fault = stage.fault("delete", answer="internal-error", subscription=ids["stuck"])
        stage.kubectl("delete", "gms", *hand.mailboxes, "--wait=false")
        for name in ("delete", "retain"):
            await eventually(lambda name=name: stage.resource(name) is None, "the resource is gone")
        await stage.status_of("stuck", lambda status: status["consecutiveFailures"], "Graph cannot delete it now")
    assert fault.hits == 1
    assert (stage.resource("stuck") or {})["metadata"]["finalizers"] == [FINALIZER]
    assert [len(hand.live(name)) for name in ("delete", "retain", "stuck")] == [0, 1, 1]


async def test_nobody_gains_a_tenants_mail_by_writing_a_resource(stage: Stage) -> None:
    row, hand = stage.add_delegated(), Hand(stage)
    theirs = {
        "tenant": row.tenant,
        "providerID": row.id,
        "mailbox": row.address,
        "credentials": {"source": "ProviderRow"},
    }
    hand.write("grasping", **theirs, notificationURL="https://attacker.example.com/inbox")
    hand.write("disguised", **theirs)
    async with stage.operator():
        await stage.ready(row)
        for name in ("grasping", "disguised"):
            status = await stage.status_of(name, lambda status: condition_reason(status, "Authorized"), "told")
            assert condition_reason(status, "Authorized") == "AwaitingCredentials"
            assert "serves only the resource that the mirror makes" in stage.condition(name, "Authorized")["message"]
        stage.kubectl("delete", "gms", "grasping", "disguised", "--wait=false")
        for name in ("grasping", "disguised"):
            await eventually(lambda name=name: stage.resource(name) is None, "the resource is gone")
        await stage.ready(row)
    assert [found.notification_url.startswith(stage.endpoint.url) for found in stage.live(row)] == [True]
    assert stage.calls(row, "create") == 1


async def test_a_resource_of_a_persons_own_outlives_the_mirror(stage: Stage) -> None:
    row, hand = stage.add_app_only(), Hand(stage)
    hand.app_only_secret("own")
    hand.write("own", lookAhead="2h", lifetime="72h", folders=["archive"])
    async with stage.operator(GRAPHMAIL_MIRROR_COMPARE_SECONDS="5", GRAPHMAIL_MIRROR_POLL_SECONDS="5") as operator:
        await stage.ready(row)
        await stage.ready("own")
        first = await operator.metric("graphmail_mirror_last_success_timestamp_seconds")
        await eventually(lambda: _later(operator, first), "the mirror has compared once more")
    assert stage.resource("own")["metadata"].get("deletionTimestamp") is None
    assert len(hand.live("own")) == 1


async def _later(operator: Any, first: float) -> bool:
    return await operator.metric("graphmail_mirror_last_success_timestamp_seconds") > first
