"""`graphmail status`, as somebody sees it who has just been woken up."""

import json

from support.command import Graphmail
from support.stage import Stage


async def test_a_covered_mailbox_is_ready_and_says_when_it_expires(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated()
    async with stage.operator():
        await stage.ready(row)
        ran = (await graphmail("status")).check()
    header, line = ran.out.splitlines()
    assert header.split() == ["MAILBOX", "READY", "EXPIRES", "NEXT", "RENEWAL", "FAILURES", "NEXT", "STEP", "WHY"]
    assert line.split()[:4] == [row.address, "yes", "in", "6d22h"]


async def test_a_mailbox_that_is_not_ready_comes_first_and_says_what_to_do(stage: Stage, graphmail: Graphmail) -> None:
    good, waiting = stage.add_delegated(), stage.add_unconsented()
    async with stage.operator():
        await stage.ready(good)
        await stage.status_of(waiting, lambda status: status["conditions"], "looked at")
        ran = (await graphmail("status")).check()
        only = (await graphmail("status", "--not-ready")).check()
    lines = ran.out.splitlines()
    assert waiting.address in lines[1]
    assert f"somebody must sign in for {waiting.address}" in lines[1]
    assert good.address in lines[2]
    assert [line.split()[0] for line in only.out.splitlines()[1:]] == [waiting.address]


async def test_ids_are_never_cut_in_a_pipe_and_programs_get_json(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated()
    async with stage.operator():
        subscription = (await stage.ready(row))["subscriptionID"]
        wide = (await graphmail("status", "-o", "wide", COLUMNS="40")).check()
        [found] = json.loads((await graphmail("status", "-o", "json", "--tenant", row.tenant)).check().out)
        nobody = json.loads((await graphmail("status", "-o", "json", "--tenant", "other")).check().out)
    assert {row.name, row.tenant, row.id, subscription} <= set(wide.out.splitlines()[1].split())
    assert (found["mailbox"], found["ready"], found["subscriptionID"]) == (row.address, "yes", subscription)
    assert nobody == []


async def test_whoever_may_not_list_is_told_which_right_is_missing(stage: Stage, graphmail: Graphmail) -> None:
    stage.kubectl("create", "serviceaccount", "nobody")
    kubeconfig = stage.control_plane.service_account_kubeconfig(stage.namespace, "nobody")
    ran = await graphmail("status", "--kubeconfig", str(kubeconfig))
    assert ran.code == 1
    assert ran.out == ""
    who, what = f"system:serviceaccount:{stage.namespace}:nobody", "list graphmailsubscriptions.graphmail.dev"
    assert ran.err.startswith(f"graphmail: {who} lacks the right to {what} in namespace {stage.namespace}: ")
    assert ran.err.count("\n") == 1


async def test_an_api_server_that_cannot_be_reached_is_one_line(stage: Stage, graphmail: Graphmail, tmp_path) -> None:
    nowhere = tmp_path / "kubeconfig"
    nowhere.write_text(
        stage.control_plane.kubeconfig.read_text().replace(stage.control_plane.url, "https://127.0.0.1:1")
    )
    ran = await graphmail("status", KUBECONFIG=str(nowhere))
    assert ran.code == 1
    [line] = ran.err.splitlines()
    assert line.startswith("graphmail: ")
    assert "https://127.0.0.1:1 cannot be reached" in line


async def test_a_wrong_setting_that_it_does_not_read_does_not_stop_it(stage: Stage, graphmail: Graphmail) -> None:
    ran = await graphmail("status", GRAPHMAIL_TICK_SECONDS="soon", GRAPHMAIL_DATABASE_URL="nonsense")
    assert ran.code == 0
    assert f"no mailbox in namespace {stage.namespace}" in ran.err
