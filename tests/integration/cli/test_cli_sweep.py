"""`graphmail sweep`: shows what belongs to nobody, asks, and deletes what is due."""

import json
from functools import partial

import pytest

from support.command import Graphmail, run
from support.leftovers import NOBODY, OURS, Leftovers
from support.stage import Stage


@pytest.fixture
def leftovers(stage: Stage) -> Leftovers:
    return Leftovers(stage)


@pytest.fixture
def graphmail(stage: Stage) -> Graphmail:
    """Types a command of the installation whose mark the leftovers carry."""
    return partial(run, stage, **OURS)


async def test_a_rehearsal_shows_what_there_is_and_changes_nothing(
    stage: Stage, graphmail: Graphmail, leftovers: Leftovers
) -> None:
    row, user = stage.add_app_only(), stage.add_delegated()
    await leftovers.kept(row, user)
    assert "somebody owns each of them" in (await graphmail("sweep", "--dry-run")).check().out
    twin, gone = leftovers.left_of(user), leftovers.leave(row.mailbox)
    await leftovers.sweep()
    leftovers.age()
    late = leftovers.leave(row.mailbox, row.id, folder="archive")
    told = json.loads((await graphmail("sweep", "--dry-run", "-o", "json")).check().out)
    assert {one["subscription"]: (one["provider"], one["folder"], one["what"]) for one in told} == {
        twin.id: (user.id, "inbox", "delete"),
        gone.id: (NOBODY, "inbox", "delete"),
        late.id: (row.id, "archive", "wait"),
    }
    lines = {line.partition(" ")[0]: line for line in (await graphmail("sweep", "--dry-run")).check().out.splitlines()}
    assert f"users/{row.mailbox.user_id}/mailFolders('inbox')/messages" in lines[late.id]
    assert f"{user.address}: me/mailFolders('inbox')/messages" in lines[twin.id]
    assert "wait 60m" in lines[late.id]
    assert lines[gone.id].endswith(f"provider {NOBODY} has neither a resource nor a row")
    assert all(leftovers.lives(one) for one in (twin, gone, late))
    assert leftovers.seen() == {twin.id, gone.id}


async def test_beside_a_running_operator_what_is_due_goes_and_the_mailbox_stays_covered(
    stage: Stage, graphmail: Graphmail, leftovers: Leftovers
) -> None:
    row = stage.add_app_only()
    async with stage.operator(**OURS):
        covering = await stage.covered_once(row)
        twin = leftovers.left_of(row)
        (await graphmail("sweep", "--yes")).check()
        leftovers.age()
        refused = await graphmail("sweep")
        assert (refused.code, refused.err) == (
            1,
            "graphmail: nobody can be asked here: say --yes to delete what is due\n",
        )
        assert leftovers.lives(twin)
        assert (await graphmail("sweep", "--yes")).check().out.splitlines()[-1] == f"{twin.id}: deleted"
        assert await stage.covered_once(row) == covering


async def test_the_command_says_what_it_could_not_see(stage: Stage, graphmail: Graphmail, leftovers: Leftovers) -> None:
    row = stage.add_app_only()
    await leftovers.kept(row)
    stage.fault("list", answer="forbidden")
    ran = (await graphmail("sweep", "--dry-run")).check()
    assert ran.err == "not seen, since Microsoft refused: the lists of 1 app or user\n"
