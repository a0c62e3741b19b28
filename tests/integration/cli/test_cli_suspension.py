"""`graphmail suspend` and `graphmail resume`, beside a row that is paused and resumed in the product."""

from support.command import Graphmail
from support.stage import Row, Stage
from support.waiting import eventually


def suspended(stage: Stage, row: Row) -> bool:
    resource = stage.resource(row)
    return resource is not None and resource["spec"]["suspend"]


def pause(stage: Stage, row: Row, reason: str | None) -> None:
    stage.product.set_provider(row.id, inbound_paused_at="2026-01-01" if reason else None, inbound_pause_reason=reason)


async def test_a_mailbox_that_is_suspended_by_hand_gets_no_calls_until_it_is_resumed(
    stage: Stage, graphmail: Graphmail
) -> None:
    row = stage.add_delegated()
    async with stage.operator():
        await stage.ready(row)
        assert (await graphmail("suspend", row.address)).check().out == f"{row.address}  suspended\n"
        await stage.status_of(row, lambda status: status["conditions"], "told")
        await eventually(lambda: stage.condition(row, "Ready")["reason"] == "Suspended", "the status says so")
        again = (await graphmail("suspend", row.name)).check()
        refused = await graphmail("renew", row.name)
        calls = stage.calls(row, "patch", "create")
        assert (await graphmail("mirror")).check()
        assert suspended(stage, row), "the mirror leaves it alone"
        assert (await graphmail("resume", row.name)).check().out == f"{row.address}  resumed\n"
        await stage.ready(row)
    assert again.out == f"{row.address}  unchanged: it is suspended already\n"
    assert refused.code == 1
    assert "it is suspended" in refused.out
    assert calls == 1, "the create alone"
    assert not suspended(stage, row)


async def test_a_pause_of_the_row_and_a_suspension_by_hand_both_have_to_end(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated(inbound_paused_at="2026-01-01", inbound_pause_reason="manual")
    (await graphmail("backfill")).check()
    still = await graphmail("resume", row.name)
    assert (still.code, suspended(stage, row)) == (1, True)
    assert still.out == (f"{row.address}  still suspended: the provider's row is paused, so resume it in the product\n")
    by_hand = (await graphmail("suspend", row.name)).check()
    assert by_hand.out == f"{row.address}  suspended, by hand too: its provider's row is paused already\n"
    pause(stage, row, None)
    (await graphmail("mirror")).check()
    assert suspended(stage, row), "the hand's word outlasts the row's"
    (await graphmail("resume", row.name)).check()
    assert not suspended(stage, row)


async def test_what_somebody_suspended_with_kubectl_is_resumed_too(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated()
    (await graphmail("backfill")).check()
    stage.kubectl("patch", "gms", row.name, "--type=merge", "-p", '{"spec":{"suspend":true}}')
    assert (await graphmail("resume", row.address)).check().out == f"{row.address}  resumed\n"
    assert not suspended(stage, row)


async def test_a_tenant_is_suspended_only_by_somebody_who_means_it(stage: Stage, graphmail: Graphmail) -> None:
    rows = [stage.add_delegated() for _ in range(2)]
    (await graphmail("backfill")).check()
    asked = await graphmail("suspend", "--tenant", stage.tenant)
    assert (asked.code, [suspended(stage, row) for row in rows]) == (1, [False, False])
    assert "say --yes to suspend these 2 mailboxes" in asked.err
    (await graphmail("suspend", "--tenant", stage.tenant, "--yes")).check()
    assert [suspended(stage, row) for row in rows] == [True, True]
