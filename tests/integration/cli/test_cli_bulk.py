"""`graphmail renew --all`: stopped, gone on with, and throttled."""

import signal
from pathlib import Path

from graphmail.resource.names import ANNOTATION_RENEW
from support.apiproxy import ApiProxy
from support.command import Graphmail, start
from support.stage import Row, Stage
from support.waiting import eventually


def asked(stage: Stage, row: Row) -> str:
    return (stage.resource(row) or {})["metadata"].get("annotations", {}).get(ANNOTATION_RENEW, "")


async def test_a_renewal_of_all_that_is_stopped_goes_on_and_renews_each_once(stage: Stage, tmp_path: Path) -> None:
    rows = [stage.add_delegated() for _ in range(3)]
    async with stage.operator():
        for row in rows:
            await stage.ready(row)
    # Nobody answers now: the command waits, and is stopped by Ctrl-C.
    async with ApiProxy(stage.control_plane) as proxy:
        process = await start(stage, "renew", "--all", KUBECONFIG=str(proxy.kubeconfig(tmp_path)))
        await eventually(lambda: proxy.calls["get"], "all are asked for, and it looks for answers")
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert process.returncode == 130
    assert "stopped: nothing was answered, 3 asked for; the same command goes on with the rest" in err.decode()
    values = {asked(stage, row) for row in rows}
    process = await start(stage, "renew", "--all")
    assert process.stderr is not None
    assert b"0 of 3 are renewed since, and left out" in await process.stderr.readline()
    async with stage.operator():
        out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"3 mailboxes: 3 renewed\n")
    assert sorted(line.split()[0] for line in out.decode().splitlines()) == sorted(row.address for row in rows)
    assert {asked(stage, row) for row in rows} == values, "nothing was asked for twice"
    assert len(values) == 1
    assert [stage.calls(row, "patch") for row in rows] == [1, 1, 1]


async def test_what_graph_asks_to_wait_for_is_no_failure(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated()
    async with stage.operator():
        await stage.ready(row)
        stage.fault("patch", answer="throttled", headers={"Retry-After": "600"})
        ran = await graphmail("renew", row.name, "--timeout", "30s")
        described = await graphmail("describe", row.name)
        shown = await graphmail("status", "--reason", "throttled")
    assert ran.code == 0, ran
    assert ran.out.startswith(f"{row.address}  waits for quota: the operator tries again by itself in ")
    assert "Waits               for Graph's quota: " in described.out
    assert "nothing: tried again in" in shown.out
