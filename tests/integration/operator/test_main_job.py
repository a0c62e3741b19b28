"""The main job: mirrored, subscribed, renewed, recorded, and delivered to."""

from datetime import UTC, datetime, timedelta

import pytest

from graphmail.resource.moments import write_time
from support.stage import Stage, condition_reason, condition_status
from support.waiting import eventually


@pytest.mark.parametrize("kind", ["delegated", "app-only"])
async def test_a_provider_that_was_never_registered_is_covered_and_recorded(stage: Stage, kind: str) -> None:
    row = stage.add_delegated() if kind == "delegated" else stage.add_app_only()
    async with stage.operator():
        status = await stage.ready(row)
        assert await eventually(lambda: "Created" in stage.event_reasons(row), "a Created event")
    [subscription] = stage.live(row)
    assert status["subscriptionID"] == subscription.id
    assert condition_status(status, "Authorized") == "True"
    assert condition_status(status, "Synced") == "True"
    assert condition_status(status, "Stalled") is None
    config = stage.product.config(row.id)
    assert config["webhook_subscription_id"] == subscription.id
    assert write_time(config["webhook_expires_at"]) == status["expirationTime"]
    [health] = stage.product.health(row.id)
    told = (health["subscription_status"], health["last_renewal_result"], health["success_count"], health["is_healthy"])
    assert told == ("healthy", "success", 1, True)


async def test_graph_delivers_to_the_derived_url_with_our_marker_and_the_rows_client_state(stage: Stage) -> None:
    row = stage.add_delegated({"webhook_verification_token": "from-the-product"})
    async with stage.operator(GRAPHMAIL_INSTALLATION="here"):
        await stage.ready(row)
        [subscription] = stage.live(row)
        await stage.arrive(row)
        [notification] = await eventually(lambda: stage.endpoint.notifications, "a notification")
    assert subscription.notification_url == f"{stage.endpoint.url}{stage.endpoint.path}?gms=here.{row.id}.inbox"
    assert (notification["subscriptionId"], notification["clientState"]) == (subscription.id, "from-the-product")


async def test_what_expires_within_the_lookahead_is_renewed_and_keeps_its_id(stage: Stage) -> None:
    row = stage.add_delegated()
    subscription = stage.subscribe(row, hours=5)
    async with stage.operator():
        status = await stage.status_of(row, lambda status: status["lastRenewalTime"], "renewed")
    assert [found.id for found in stage.live(row)] == [subscription.id] == [status["subscriptionID"]]
    assert status["expirationTime"] > write_time(datetime.now(UTC) + timedelta(days=6))
    assert status["nextRenewalTime"] < write_time(datetime.now(UTC) + timedelta(days=6))
    assert stage.product.config(row.id)["last_subscription_renewal"] is not None


async def test_an_id_that_postgres_knows_is_adopted_and_nothing_is_created(stage: Stage) -> None:
    row = stage.add_app_only()
    subscription = stage.subscribe(row)
    async with stage.operator():
        status = await stage.ready(row)
        await eventually(lambda: "Adopted" in stage.event_reasons(row), "an Adopted event")
    assert status["subscriptionID"] == subscription.id
    assert [found.id for found in stage.live(row)] == [subscription.id]
    assert stage.calls(row, "create", "patch", "delete") == 0


async def test_what_graph_has_lost_before_the_start_is_made_anew(stage: Stage) -> None:
    row = stage.add_delegated()
    lost = stage.subscribe(row)
    stage.simulator.world.end_subscription(lost, "dropped")
    async with stage.operator():
        status = await stage.ready(row)
    [subscription] = stage.live(row)
    assert subscription.id == status["subscriptionID"] != lost.id
    assert stage.product.config(row.id)["webhook_subscription_id"] == subscription.id


async def test_a_loss_that_nobody_reported_is_noticed_and_the_next_message_arrives(stage: Stage) -> None:
    row = stage.add_delegated()
    async with stage.operator(GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES="0.02"):
        first = await stage.ready(row)
        stage.simulator.world.end_subscription(stage.live(row)[0], "dropped")
        status = await stage.status_of(
            row, lambda status: status["subscriptionID"] != first["subscriptionID"], "made anew"
        )
        await eventually(lambda: "Recreated" in stage.event_reasons(row), "a Recreated event")
        assert [found.id for found in stage.live(row)] == [status["subscriptionID"]]
        await stage.arrive(row)
        [notification] = await eventually(lambda: stage.endpoint.notifications, "a notification")
    assert notification["subscriptionId"] == status["subscriptionID"]


async def test_a_renewal_is_forced_by_annotation_once_a_value(stage: Stage) -> None:
    row = stage.add_delegated()
    async with stage.operator():
        await stage.ready(row)
        stage.request_renewal(row, "one")
        await stage.status_of(row, lambda status: status["lastHandledRenewal"] == "one", "handled")
        stage.request_renewal(row, "one")
        stage.request_renewal(row, "two")
        await stage.status_of(row, lambda status: status["lastHandledRenewal"] == "two", "handled")
        await eventually(lambda: "Renewed" in stage.event_reasons(row), "a Renewed event")
    assert stage.calls(row, "patch") == 2
    assert len(stage.live(row)) == 1


async def test_a_revoked_consent_stalls_and_a_new_one_starts_the_work_again(stage: Stage) -> None:
    row = stage.add_delegated()
    stage.subscribe(row, hours=5)
    assert row.grant is not None
    stage.simulator.world.revoke(row.grant)
    async with stage.operator():
        status = await stage.status_of(row, lambda status: condition_status(status, "Stalled") == "True", "stalled")
        await eventually(lambda: "ReauthorizationRequired" in stage.event_reasons(row), "an event")
        assert condition_status(status, "Authorized") == "False"
        assert condition_reason(status, "Ready") == "ReauthorizationRequired"
        assert stage.product.provider(row.id)["status"] == "error"
        stage.consent_anew(row)
        status = await stage.ready(row)
    assert condition_status(status, "Stalled") is None
    assert condition_status(status, "Authorized") == "True"
    assert stage.product.provider(row.id)["status"] == "connected"
    assert [health["subscription_status"] for health in stage.product.health(row.id)] == ["healthy"]


async def test_a_provider_without_consent_waits_and_is_no_failure(stage: Stage) -> None:
    row = stage.add_unconsented()
    async with stage.operator():
        status = await stage.status_of(row, lambda status: condition_status(status, "Authorized"), "told")
        assert condition_reason(status, "Authorized") == "AwaitingCredentials"
        assert (condition_status(status, "Authorized"), condition_status(status, "Stalled")) == ("Unknown", None)
        assert stage.product.provider(row.id)["status"] == "configuring"
        assert stage.product.health(row.id) == []
        stage.consent_anew(row)
        await stage.ready(row)
    assert stage.calls(row, "create") == 1


async def test_a_paused_provider_is_left_alone_until_it_is_resumed(stage: Stage) -> None:
    row = stage.add_delegated(inbound_paused_at=datetime.now(UTC), inbound_pause_reason="manual")
    subscription = stage.subscribe(row, hours=5)
    async with stage.operator():
        await stage.status_of(row, lambda status: condition_reason(status, "Ready") == "Suspended", "suspended")
        assert [found.id for found in stage.live(row)] == [subscription.id]
        assert stage.calls(row, "get", "patch", "create", "delete") == 0
        stage.product.set_provider(row.id, inbound_paused_at=None, inbound_pause_reason=None)
        status = await stage.ready(row)
    assert status["subscriptionID"] == subscription.id


async def test_a_pause_for_a_failed_sign_in_suspends_nothing(stage: Stage) -> None:
    row = stage.add_delegated(inbound_paused_at=datetime.now(UTC), inbound_pause_reason="auth_failure")
    async with stage.operator():
        await stage.ready(row)


async def test_an_inactive_provider_loses_its_subscription_at_graph(stage: Stage) -> None:
    row = stage.add_delegated()
    async with stage.operator():
        await stage.ready(row)
        stage.product.set_provider(row.id, is_active=False)
        status = await stage.status_of(row, lambda status: "subscriptionID" not in status, "taken away")
        await eventually(lambda: "Deleted" in stage.event_reasons(row), "a Deleted event")
    assert stage.live(row) == []
    assert condition_reason(status, "Ready") == "Suspended"
    assert stage.product.config(row.id)["webhook_subscription_id"] is None


async def test_a_deleted_provider_takes_its_resource_and_its_subscription_along(stage: Stage) -> None:
    rows = [stage.add_delegated() for _ in range(2)]
    async with stage.operator(GRAPHMAIL_MIRROR_COMPARE_SECONDS="5", GRAPHMAIL_MIRROR_POLL_SECONDS="5"):
        for row in rows:
            await stage.ready(row)
        stage.product.delete_provider(rows[0].id)
        await eventually(lambda: stage.resource(rows[0]) is None, "the resource is gone")
    assert stage.live(rows[0]) == []
    assert len(stage.live(rows[1])) == 1


async def test_a_mirrored_resource_that_is_deleted_comes_back_and_nothing_happens_at_graph(stage: Stage) -> None:
    row = stage.add_delegated()
    async with stage.operator(GRAPHMAIL_MIRROR_COMPARE_SECONDS="5", GRAPHMAIL_MIRROR_POLL_SECONDS="5"):
        before = await stage.ready(row)
        uid = (stage.resource(row) or {})["metadata"]["uid"]
        stage.kubectl("delete", "gms", row.name, "--wait=false")
        await eventually(
            lambda: (stage.resource(row) or {"metadata": {"uid": uid}})["metadata"]["uid"] != uid, "it is back"
        )
        after = await stage.ready(row)
    assert after["subscriptionID"] == before["subscriptionID"]
    assert (stage.calls(row, "create"), stage.calls(row, "delete")) == (1, 0)


async def test_the_same_mailbox_in_two_tenants_has_two_resources(stage: Stage) -> None:
    row = stage.add_delegated()
    other = stage.share(row, stage.product.add_tenant("Other"))
    async with stage.operator():
        first, second = await stage.ready(row), await stage.ready(other)
    assert row.name != other.name
    assert {first["subscriptionID"], second["subscriptionID"]} == {found.id for found in stage.live(row)}
