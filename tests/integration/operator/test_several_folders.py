"""A provider that names several folders: with the product's own webhook route, and with a consumer that knows all their ids."""

import json

from graphsim.directory import custom_folders
from support.stage import Row, Stage, condition_reason, condition_status
from support.waiting import eventually

SEVERAL = {"GRAPHMAIL_MULTI_FOLDER": "true"}


def folders(*names: str) -> dict[str, str]:
    return {"folder_filters": json.dumps(names)}


def states(status: dict[str, object]) -> dict[str, str]:
    return {row["folder"]: row["state"] for row in status["subscriptions"]}  # type: ignore[attr-defined]  # parsed JSON


def ids(status: dict[str, object]) -> dict[str, str]:
    return {row["folder"]: row.get("subscriptionID") for row in status["subscriptions"]}  # type: ignore[attr-defined]  # parsed JSON


def recorded(stage: Stage, row: Row) -> dict[str, str | None]:
    found = stage.product.run(
        "SELECT folder, subscription_id FROM graphmail.folder_subscriptions WHERE provider_id = %s", row.id
    )
    return {one["folder"]: one["subscription_id"] for one in found}


async def test_the_products_route_knows_one_id_so_only_the_first_folder_is_subscribed(stage: Stage) -> None:
    row = stage.add_delegated(folders("inbox", "archive"))
    async with stage.operator():
        status = await stage.ready(row)
    assert states(status) == {"inbox": "Active", "archive": "NotDeliverable"}
    assert len(stage.live(row)) == 1
    assert recorded(stage, row) == {}


async def test_a_consumer_that_knows_all_ids_gets_one_subscription_a_folder(stage: Stage) -> None:
    row = stage.add_app_only(folders("inbox", "Sent Items"))
    async with stage.operator(**SEVERAL):
        status = await stage.status_of(row, lambda status: len(list(filter(None, ids(status).values()))) == 2, "both")
        await stage.ready(row)
    assert set(ids(status).values()) == {found.id for found in stage.live(row)} == set(recorded(stage, row).values())
    assert stage.product.config(row.id)["webhook_subscription_id"] == ids(status)["inbox"] == status["subscriptionID"]


async def test_adding_and_removing_a_folder_changes_only_that_one(stage: Stage) -> None:
    row = stage.add_delegated(folders("inbox"))
    async with stage.operator(**SEVERAL):
        before = await stage.ready(row)
        stage.product.set_config(row.id, **folders("inbox", "archive"))
        both = await stage.status_of(row, lambda status: ids(status)["archive"], "the archive is watched")
        stage.product.set_config(row.id, **folders("inbox"))
        after = await stage.status_of(row, lambda status: "archive" not in ids(status), "it is not any more")
        await eventually(lambda: len(stage.live(row)) == 1, "its subscription is gone")
    assert ids(before)["inbox"] == ids(both)["inbox"] == ids(after)["inbox"]
    assert stage.calls(row, "patch") == 0
    assert recorded(stage, row) == {"inbox": ids(after)["inbox"], "archive": None}


async def test_what_only_postgres_knows_of_a_further_folder_is_kept_and_gets_no_twin(stage: Stage) -> None:
    """As when a process dies between the record in Postgres and the status."""
    row = stage.add_app_only(folders("inbox", "archive"))

    def both(status: dict[str, object]) -> bool:
        return all(ids(status).get(folder) for folder in ("inbox", "archive"))

    async with stage.operator(**SEVERAL):
        await stage.ready(row)
        before = await stage.status_of(row, both, "both are watched")
    held = before["subscriptions"]
    forgotten = {"folder": "archive", "state": "Pending"}
    patch = json.dumps({"status": {"subscriptions": [held[0], forgotten]}})
    stage.kubectl("patch", "gms", row.name, "--subresource=status", "--type=merge", "-p", patch)
    async with stage.operator(**SEVERAL):
        after = await stage.status_of(row, both, "both are watched again")
    assert ids(after) == ids(before) == recorded(stage, row)
    assert stage.calls(row, "create") == 2


async def test_a_folder_in_place_of_another_leaves_no_gap(stage: Stage) -> None:
    row = stage.add_delegated(folders("inbox"))
    async with stage.operator():
        before = await stage.ready(row)
        stage.product.set_config(row.id, **folders("archive"))
        after = await stage.status_of(row, lambda status: list(ids(status)) == ["archive"], "moved")
        await eventually(lambda: len(stage.live(row)) == 1, "the old one is gone")
    [subscription] = stage.live(row)
    assert subscription.id == after["subscriptionID"] != before["subscriptionID"]
    assert stage.product.config(row.id)["webhook_subscription_id"] == subscription.id
    old = next(one for one in stage.simulator.world.subscriptions.ended if one.id == before["subscriptionID"])
    assert old.ended_at > subscription.created_at


async def test_a_folder_of_the_users_own_is_watched_by_its_id(stage: Stage) -> None:
    row = stage.add_app_only()
    row.mailbox.custom_folders |= custom_folders(row.mailbox.user_id, ["Tickets"])
    [tickets] = row.mailbox.custom_folders
    stage.product.set_config(row.id, **folders("inbox", tickets))
    async with stage.operator(**SEVERAL):
        status = await stage.status_of(row, lambda status: len(list(filter(None, ids(status).values()))) == 2, "both")
        await stage.ready(row)
        [subscription] = [found for found in stage.live(row) if found.folder == tickets]
        await stage.order("/messages", {"mailbox": row.address, "folder": tickets})
        [notification] = await eventually(lambda: stage.endpoint.notifications, "a notification")
    assert subscription.resource == f"/users/{row.address}/mailFolders/{tickets}/messages"
    assert notification["subscriptionId"] == subscription.id == ids(status)[tickets]
    assert recorded(stage, row)[tickets] == subscription.id


async def test_a_folder_that_does_not_exist_is_named_and_the_others_are_kept(stage: Stage) -> None:
    row = stage.add_app_only(folders("inbox", "AAMkADoesNotExist0000000000"))
    async with stage.operator(**SEVERAL):
        status = await stage.status_of(
            row, lambda status: condition_reason(status, "Ready") == "FolderNotFound", "told"
        )
        condition = stage.condition(row, "Ready")
    assert states(status) == {"inbox": "Active", "AAMkADoesNotExist0000000000": "Pending"}
    assert "AAMkADoesNotExist0000000000" in condition["message"]
    assert condition_status(status, "Stalled") is None
    assert stage.product.config(row.id)["webhook_subscription_id"] == ids(status)["inbox"]
    [health] = stage.product.health(row.id)
    assert "AAMkADoesNotExist0000000000" in health["failure_reason"]
