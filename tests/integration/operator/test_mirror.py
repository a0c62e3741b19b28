"""Every provider's row has exactly one resource, and what people add to it is theirs."""

import json
from typing import Any

from graphmail.resource.names import FINALIZER, LABEL_PROVIDER, LABEL_TENANT
from support.command import run
from support.gate import PostgresGate
from support.stage import Row, Running, Stage, condition_reason
from support.waiting import eventually

EAGER = {"GRAPHMAIL_MIRROR_COMPARE_SECONDS": "5", "GRAPHMAIL_MIRROR_POLL_SECONDS": "5"}
"""Each question is a full comparison."""


async def compared_once_more(operator: Running) -> None:
    name = "graphmail_mirror_last_success_timestamp_seconds"
    first = await operator.metric(name) or 0.0
    await eventually(lambda: _above(operator, name, first), "the mirror has compared once more")


async def _above(operator: Running, name: str, value: float) -> bool:
    found = await operator.metric(name)
    return found is not None and found > value


def resources(stage: Stage) -> dict[str, dict[str, Any]]:
    return {item["metadata"]["name"]: item for item in stage.resources()}


async def test_every_row_has_one_resource_and_one_that_comes_later_is_seen(stage: Stage) -> None:
    rows = [stage.add_delegated(), stage.add_delegated(is_active=False), stage.add_unconsented()]
    rows.append(stage.add_app_only({"delivery_mode": "polling"}))
    stage.product.add_provider(stage.tenant, "not an address", {"client_id": "c"})
    stage.product.add_provider(stage.tenant, "g@example.com", {"client_id": "c"}, provider_type="google")
    async with stage.operator():
        for row in rows:
            await eventually(lambda row=row: stage.resource(row), "mirrored")
        late = stage.add_delegated()
        await stage.ready(late)
        await stage.ready(rows[3])
    found = resources(stage)
    assert set(found) == {row.name for row in (*rows, late)}
    for row in rows:
        labels = found[row.name]["metadata"]["labels"]
        assert (labels[LABEL_TENANT], labels[LABEL_PROVIDER]) == (row.tenant, row.id)
        assert found[row.name]["metadata"]["finalizers"] == [FINALIZER]
        assert found[row.name]["spec"]["mailbox"] == row.address


async def test_a_polling_provider_is_left_alone_only_where_that_is_asked_for(stage: Stage) -> None:
    row = stage.add_app_only({"delivery_mode": "polling"})
    async with stage.operator(GRAPHMAIL_RESPECT_POLLING="true"):
        await stage.status_of(row, lambda status: condition_reason(status, "Ready") == "Suspended", "suspended")
        assert stage.live(row) == []
        stage.product.set_config(row.id, delivery_mode="webhook")
        await stage.ready(row)


async def test_a_persons_edits_of_what_the_mirror_does_not_own_survive_and_others_are_put_right(stage: Stage) -> None:
    row = stage.add_app_only()
    async with stage.operator(**EAGER) as operator:
        await stage.ready(row)
        theirs = {"lookAhead": "48h", "lifetime": "96h", "deletionPolicy": "Retain"}
        wrong = {"notificationURL": "https://elsewhere.example.com/", "folders": ["archive"]}
        metadata = {"labels": {"team": "blue"}, "annotations": {"example.com/note": "keep"}}
        patch = json.dumps({"metadata": metadata, "spec": theirs | wrong})
        stage.kubectl("patch", "gms", row.name, "--type=merge", "-p", patch)
        await eventually(lambda: spec(stage, row)["notificationURL"].startswith(stage.endpoint.url), "put right")
        stage.product.set_config(row.id, folder_filters='["inbox", "archive"]')
        await eventually(lambda: spec(stage, row)["folders"] == ["inbox", "archive"], "the row's change is mirrored")
        await compared_once_more(operator)
    found = resources(stage)[row.name]
    assert {name: found["spec"][name] for name in theirs} == theirs
    assert found["metadata"]["labels"]["team"] == "blue"
    assert found["metadata"]["annotations"]["example.com/note"] == "keep"


def spec(stage: Stage, row: Row) -> dict[str, Any]:
    return resources(stage)[row.name]["spec"]


async def test_many_rows_that_are_gone_at_once_wait_for_a_persons_word(stage: Stage) -> None:
    rows = [stage.add_app_only() for _ in range(5)]
    async with stage.operator(**EAGER) as operator:
        for row in rows:
            await stage.ready(row)
        stage.product.run("BEGIN")  # one that is gone alone is deleted
        for row in rows[:2]:
            stage.product.delete_provider(row.id)
        stage.product.run("COMMIT")
        await operator.metric_is(2, "graphmail_mirror_blocked_deletions")
        for row in rows[2:]:
            stage.product.delete_provider(row.id)
        await operator.metric_is(5, "graphmail_mirror_blocked_deletions")
        assert len(resources(stage)) == 5
        assert [len(stage.live(row)) for row in rows] == [1] * 5
        (await run(stage, "mirror", "--confirm-deletions", "--yes")).check()
        await eventually(lambda: not resources(stage), "the resources are gone")
    assert [stage.live(row) for row in rows] == [[]] * 5


async def test_a_question_that_fails_deletes_nothing(stage: Stage) -> None:
    rows = [stage.add_app_only() for _ in range(3)]
    async with PostgresGate(stage.product.url) as gate, stage.operator(GRAPHMAIL_DATABASE_URL=gate.url, **EAGER) as one:
        for row in rows:
            await stage.ready(row)
        stage.product.run("ALTER TABLE email_providers RENAME TO moved_away")
        gate.statements.clear()
        await eventually(lambda: gate.statements.total() >= 2, "it has asked in vain")
        stage.product.run("ALTER TABLE moved_away RENAME TO email_providers")
        await compared_once_more(one)
    assert set(resources(stage)) == {row.name for row in rows}
    assert [stage.calls(row, "create", "delete") for row in rows] == [1] * 3


async def test_a_status_is_written_once_a_change(stage: Stage) -> None:
    row, since = stage.add_app_only(), stage.version()
    async with stage.operator(GRAPHMAIL_TICK_SECONDS="1"):
        first = await stage.ready(row)
        stage.request_renewal(row, "now")
        await stage.status_of(row, lambda status: status["lastHandledRenewal"] == "now", "renewed")
        control = stage.add_app_only()
        await stage.ready(control)
    changes = stage.changes(row, since)
    assert [change["type"] for change in changes] == ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED"]
    statuses = [change["object"].get("status") for change in changes]
    assert statuses[:3] == [None, first, first]
    assert statuses[3]["lastHandledRenewal"] == "now"
