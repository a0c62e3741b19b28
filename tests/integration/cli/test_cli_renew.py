"""`graphmail renew`, with the real operator at work, and without one."""

from graphmail.cli.check.kubernetes import WATCHING
from graphmail.cli.requests import OBSERVES
from graphmail.resource.names import ANNOTATION_RENEW
from support.command import Graphmail
from support.rights import given
from support.stage import Stage


async def test_a_mailbox_is_renewed_and_the_command_waits_for_it(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated()
    async with stage.operator():
        before = await stage.ready(row)
        ran = (await graphmail("renew", row.name)).check()
    assert ran.out == f"{row.address}  renewed: expires in 6d22h, next renewal in {ran.out.rpartition(' ')[2]}"
    assert stage.resource(row)["status"]["subscriptionID"] == before["subscriptionID"]
    assert stage.calls(row, "patch") == 1


async def test_all_mailboxes_are_renewed_each_once_and_suspended_ones_are_passed_over(
    stage: Stage, graphmail: Graphmail
) -> None:
    rows = [stage.add_delegated() for _ in range(3)]
    paused = stage.add_delegated(inbound_paused_at="2026-01-01", inbound_pause_reason="manual")
    async with stage.operator():
        for row in rows:
            await stage.ready(row)
        await stage.status_of(paused, lambda status: status["conditions"], "looked at")
        ran = (await graphmail("renew", "--all")).check()
    assert sorted(line.split()[:2] for line in ran.out.splitlines()) == sorted(
        [[row.address, "renewed:"] for row in rows] + [[paused.address, "skipped:"]]
    )
    assert ran.err.splitlines() == ["4 mailboxes: 3 renewed, 1 skipped"]
    assert [stage.calls(row, "patch") for row in rows] == [1, 1, 1]


async def test_a_renewal_that_fails_says_why_and_what_to_do(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated()
    async with stage.operator():
        await stage.ready(row)
        row.mailbox.enabled = False
        ran = await graphmail("renew", "--provider", row.id)
    assert ran.code == 1
    assert ran.out.startswith(f"{row.address}  failed: MailboxNotEnabled: ")
    assert stage.condition(row, "Stalled")["message"] in ran.out


async def test_without_an_operator_it_gives_up_in_time_and_asks_for_one(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated()
    (await graphmail("backfill")).check()
    ran = await graphmail("renew", row.name, "--timeout", "1s")
    assert ran.code == 1
    assert ran.out == f"{row.address}  unanswered: no answer within 1s: is the operator running?\n"


async def test_an_operator_that_only_observes_is_not_waited_for(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated()
    async with stage.operator(GRAPHMAIL_MODE="observe"):
        await stage.status_of(row, lambda status: status["conditions"], "looked at")
        ran = await graphmail("renew", row.name)
        shown = (await graphmail("status")).check()
    assert ran.code == 1
    assert ran.out == f"{row.address}  skipped: {OBSERVES}\n"
    assert "  nothing: the operator only observes  Observing: " in shown.out
    assert ANNOTATION_RENEW not in stage.resource(row)["metadata"].get("annotations", {})


async def test_a_second_request_is_refused_while_the_first_waits_and_made_when_insisted(
    stage: Stage, graphmail: Graphmail
) -> None:
    row = stage.add_delegated()
    (await graphmail("backfill")).check()

    def asked() -> str:
        return stage.resource(row)["metadata"]["annotations"][ANNOTATION_RENEW]

    (await graphmail("renew", row.name, "--no-wait")).check()
    first = asked()
    ran = await graphmail("renew", row.name, "--no-wait")
    assert (ran.code, asked()) == (1, first)
    assert ran.out == f"{row.address}  refused: an earlier request waits to be acted on; --again asks once more\n"
    (await graphmail("renew", row.name, "--no-wait", "--again")).check()
    assert asked() != first


async def test_whoever_may_not_patch_is_told_so(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated()
    (await graphmail("backfill")).check()
    stage.kubectl("create", "serviceaccount", "reader")
    stage.kubectl("create", "role", "reader", "--verb=get,list", "--resource=graphmailsubscriptions.graphmail.dev")
    stage.kubectl("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={stage.namespace}:reader")
    await given(stage.control_plane, stage.namespace, "reader", WATCHING[0])
    kubeconfig = stage.control_plane.service_account_kubeconfig(stage.namespace, "reader")
    ran = await graphmail("renew", row.name, KUBECONFIG=str(kubeconfig))
    assert ran.code == 1
    assert f"{stage.namespace}:reader lacks the right to patch graphmailsubscriptions.graphmail.dev" in ran.err


async def test_an_unknown_name_is_told_before_anything_is_asked_for(stage: Stage, graphmail: Graphmail) -> None:
    ran = await graphmail("renew", "nobody")
    assert ran.code == 1
    assert f"there is no mailbox nobody in namespace {stage.namespace}" in ran.err
