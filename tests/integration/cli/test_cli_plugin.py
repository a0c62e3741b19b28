"""`kubectl graphmail`: found by the real kubectl, with its completion; and what is shown live."""

import asyncio
import os
import shutil
import sys
from itertools import pairwise
from pathlib import Path

from support.command import Graphmail, start
from support.stage import Stage, condition_reason
from support.waiting import eventually

BIN = Path(sys.executable).parent


async def kubectl(stage: Stage, *arguments: str, **variables: str) -> tuple[int, str, str]:
    environment = {
        **os.environ,
        **stage.environment,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(stage.control_plane.state_dir),
    }
    process = await asyncio.create_subprocess_exec(
        str(stage.control_plane.kubectl),
        *arguments,
        env=environment | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def offered(stage: Stage, words: set[str], *typed: str) -> None:
    """Return once these words are offered. A cluster that takes two seconds to answer is not waited for: the key is pressed again."""

    async def shown() -> bool:
        _, out, _ = await kubectl(stage, "__complete", "graphmail", *typed)
        return set(out.split()) == words | {":4"}

    await eventually(shown, f"{typed} is completed by {words}")


async def test_kubectl_finds_the_plugin_and_completes_it(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated()
    (await graphmail("backfill")).check()
    _, plugins, _ = await kubectl(stage, "plugin", "list", "--name-only")
    assert "kubectl-graphmail" in plugins.split()

    code, out, err = await kubectl(stage, "graphmail", "status", "-o", "wide")
    assert (code, err) == (0, "")
    assert row.name in out

    config = ("--kubeconfig", str(stage.control_plane.kubeconfig), "--namespace", stage.namespace)
    nowhere = {"KUBECONFIG": "/nowhere", "GRAPHMAIL_NAMESPACE": "elsewhere"}
    code, out, _ = await kubectl(stage, "graphmail", "describe", row.name, *config, **nowhere)
    assert code == 0
    assert out.startswith(row.address)
    stage.kubectl("patch", "gms", row.name, "--type=merge", "-p", '{"spec":{"suspend":true}}')
    code, out, _ = await kubectl(stage, "graphmail", *config, "status", **nowhere)
    assert code == 0, "where to look may stand before the command"
    step = f"`kubectl graphmail resume {row.name} -n {stage.namespace} --kubeconfig {config[1]}`"
    assert step in out, "what is advised can be copied"
    code, _, err = await kubectl(stage, "graphmail", "status", "--context", "nowhere")
    assert code == 1
    assert "there is no context nowhere" in err

    ours = Path(config[1]).with_name(f"kubeconfig-{stage.namespace}")
    shutil.copy(config[1], ours)
    stage.control_plane.run_kubectl(
        "config", "set-context", "--current", "--namespace", stage.namespace, "--kubeconfig", str(ours)
    )
    code, out, _ = await kubectl(
        stage, "graphmail", "status", "-o", "wide", KUBECONFIG=str(ours), GRAPHMAIL_NAMESPACE=""
    )
    assert code == 0
    assert row.name in out, "the context's namespace counts, as for kubectl"

    _, out, _ = await kubectl(stage, "__complete", "graphmail", "sus")
    assert out.split() == ["suspend", ":4"]
    await offered(stage, {row.name, row.address}, "describe", row.name[:4])
    await offered(stage, {row.tenant}, "status", "--tenant", "")
    _, out, _ = await kubectl(stage, "__complete", "graphmail", "describe", "", KUBECONFIG="/nowhere")
    assert out.split() == [":0"], "a cluster that does not answer offers nothing, and no error"


async def test_what_kubectl_is_told_to_do_is_done_and_told_of(stage: Stage) -> None:
    row = stage.add_delegated()

    async def told(*arguments: str) -> str:
        code, out, err = await kubectl(stage, "graphmail", *arguments)
        assert (code, err) == (0, "")
        return out

    async with stage.operator():
        before = await stage.ready(row)
        assert (await told("renew", row.name)).startswith(f"{row.address}  renewed: expires in 6d22h")
        assert await told("suspend", row.name) == f"{row.address}  suspended\n"
        await stage.status_of(row, lambda status: condition_reason(status, "Ready") == "Suspended", "suspended")
        assert await told("resume", row.name) == f"{row.address}  resumed\n"
        after = await stage.ready(row)
        wanted = {"Created", "Renewed", "Suspended", "Resumed"}
        await eventually(lambda: stage.event_reasons(row) >= wanted, "events tell of it")
        shown = await told("events", row.name)
    assert wanted <= set(shown.split())
    assert after["subscriptionID"] == before["subscriptionID"]
    assert (stage.calls(row, "create"), stage.calls(row, "patch")) == (1, 1)


async def test_a_pipe_gets_a_line_for_each_change_of_a_mailbox_and_each_event(
    stage: Stage, graphmail: Graphmail
) -> None:
    row = stage.add_delegated()
    (await graphmail("backfill")).check()
    watching = await start(stage, "status", "--watch")
    happening = await start(stage, "events", row.name, "--watch")
    assert watching.stdout is not None
    assert happening.stdout is not None
    try:
        first = (await asyncio.wait_for(watching.stdout.readline(), 60)).decode()
        async with stage.operator():
            await stage.ready(row)
            await eventually(lambda: stage.event_reasons(row), "an event tells of it")
            lines = [first]
            while "ready=yes" not in lines[-1]:
                lines.append((await asyncio.wait_for(watching.stdout.readline(), 60)).decode())
            event = (await asyncio.wait_for(happening.stdout.readline(), 60)).decode()
        stage.kubectl("patch", "gms", row.name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        stage.kubectl("delete", "gms", row.name)
        while not lines[-1].endswith("  gone\n"):
            lines.append((await asyncio.wait_for(watching.stdout.readline(), 60)).decode())
    finally:
        for process in (watching, happening):
            process.kill()
            await process.communicate()
    assert "ready=unknown" in first
    assert "  Normal  Created  " in event
    words = [line.partition("  ")[2] for line in lines]
    assert all(before != after for before, after in pairwise(words)), "nothing is told twice"
