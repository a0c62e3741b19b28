"""The operator, as a process, with the rights of the Role that is shipped and no others."""

import asyncio
import signal
from pathlib import Path

from support.command import Graphmail, start
from support.stage import Stage
from support.waiting import eventually

MANIFEST = Path(__file__).parents[3] / "hack" / "kind" / "operator.yaml"
ACCOUNT = "graphmail-operator"


def account_with_the_role(stage: Stage) -> str:
    """A kubeconfig for the manifest's service account, moved to the stage's namespace."""
    text = MANIFEST.read_text().partition("apiVersion: apps/v1")[0]
    for there in ("namespace: graphmail\n", "resourceNames: [graphmail]"):
        assert there in text
        text = text.replace(there, there.replace("graphmail", stage.namespace))
    stage.control_plane.run_kubectl("apply", "-f", "-", stdin=text)
    return str(stage.control_plane.service_account_kubeconfig(stage.namespace, ACCOUNT))


async def test_the_roles_rights_suffice_from_a_new_row_to_its_end(stage: Stage, graphmail: Graphmail) -> None:
    kubeconfig = account_with_the_role(stage)
    row = stage.add_delegated()
    (await graphmail("check", KUBECONFIG=kubeconfig)).check()
    process = await start(stage, "run", KUBECONFIG=kubeconfig)
    try:
        await stage.ready(row)
        await eventually(lambda: "Created" in stage.event_reasons(row), "an event tells of it")
        stage.product.delete_provider(row.id)
        (await graphmail("mirror", "--confirm-deletions", "--yes", KUBECONFIG=kubeconfig)).check()
        await eventually(lambda: stage.resource(row) is None, "the resource goes with its row")
        process.send_signal(signal.SIGTERM)
        _, log = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
    assert stage.live(row) == []
    assert "Forbidden" not in log.decode()
