"""`graphmail uninstall`: resources are let go, subscriptions are left alone (design, rule 10)."""

from graphmail.resource.names import FINALIZER
from support.command import Graphmail, Ran
from support.stage import Row, Stage
from support.waiting import eventually


def finalizers(stage: Stage, row: Row) -> list[str]:
    return stage.resource(row)["metadata"].get("finalizers", [])


async def test_every_resource_is_released_and_every_subscription_stays(stage: Stage, graphmail: Graphmail) -> None:
    rows = [stage.add_delegated() for _ in range(2)]
    async with stage.operator():
        for row in rows:
            await stage.ready(row)
    stage.kubectl("delete", "--wait=false", "gms", rows[1].name)
    ran = (await graphmail("uninstall", "--yes")).check()
    assert "to be released: 2 resources" in ran.out.splitlines()[0]
    assert "1 of them, being deleted already, will be gone at once" in ran.out.splitlines()[0]
    assert "2 released; their subscriptions are left alone" in ran.out
    assert finalizers(stage, rows[0]) == []
    assert stage.resource(rows[1]) is None
    assert [len(stage.live(row)) for row in rows] == [1, 1]
    assert (await graphmail("uninstall", "--yes")).check().out.startswith("nothing to do")


async def test_finalizers_of_others_stay(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated()
    (await graphmail("backfill")).check()
    patch = f'{{"metadata": {{"finalizers": ["{FINALIZER}", "example.com/other"]}}}}'
    stage.kubectl("patch", "gms", row.name, "--type=merge", "-p", patch)
    (await graphmail("uninstall", "--yes")).check()
    assert finalizers(stage, row) == ["example.com/other"]


async def test_a_running_operator_is_noticed(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated()

    async def noticed() -> Ran | None:
        """One that takes longer for it than the command waits is noticed the next time."""
        ran = await graphmail("uninstall", "--yes")
        return ran if ran.code else None

    async with stage.operator():
        await stage.ready(row)
        ran = await eventually(noticed, "the operator is noticed")
    assert ran.code == 1
    assert "an operator is running: it has put the finalizer back on 1 resource." in ran.err


async def test_nothing_is_released_where_nobody_can_be_asked(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated()
    (await graphmail("backfill")).check()
    ran = await graphmail("uninstall")
    assert ran.code == 1
    assert ran.err == "graphmail: nobody can be asked here: say --yes to release them\n"
    assert finalizers(stage, row) == [FINALIZER]
