"""Resources come back from a backup without their status: row and Graph together rebuild it (design, "The custom resource")."""

import json

from graphmail.resource.names import PLURAL
from support.gate import PostgresGate
from support.hand import Hand
from support.stage import Stage


async def test_resources_that_are_restored_without_their_status_make_no_twins(stage: Stage) -> None:
    """The mirror, which would mark them for adoption, is late: its question waits while the resources are looked at already."""
    rows = [stage.add_app_only(), stage.add_delegated()]
    async with stage.operator():
        before = [await stage.covered_once(row) for row in rows]
    for row in rows:
        wiped = json.dumps([{"op": "remove", "path": "/status"}])
        stage.kubectl("patch", PLURAL, row.name, "--subresource=status", "--type=json", "-p", wiped)
    hand = Hand(stage)
    hand.app_only_secret("own")
    hand.write("own")
    async with PostgresGate(stage.product.url) as gate:
        gate.keep_back("SELECT clock.as_of")
        async with stage.operator(GRAPHMAIL_DATABASE_URL=gate.url):
            await stage.ready("own")
            gate.release()
            assert [await stage.covered_once(row) for row in rows] == before
    assert [stage.calls(row, "create") for row in rows] == [1, 1]
