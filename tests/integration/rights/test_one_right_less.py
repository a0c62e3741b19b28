"""One right of the chart's Role less at a time: what breaks, what the operator says of it, and that it recovers."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from graphmail.cli.check.kubernetes import Right
from graphmail.election import LOST
from graphmail.leading import LeaseRefused
from graphmail.resource.names import GROUP, PLURAL
from graphmail.runtime import StartError, serve
from graphmail.settings import Settings
from localstack.controlplane import ControlPlane
from support.hand import Hand
from support.rights import Account, Log, rendered, rights_of, running, stopped
from support.stage import Row, Stage, condition_reason
from support.waiting import eventually
from support.writing import renewed, suspend, suspended_and_resumed, suspensions


@dataclass(frozen=True)
class Scene:
    """An operator at work with the chart's account: a mailbox by hand, and one of a row."""

    stage: Stage
    hand: Hand
    row: Row
    account: Account
    log: Log

    async def complains(self, right: Right, *words: str, since: int) -> None:
        """The log names the right, with the remedy."""
        await self.log.says(*words, f"the right to {right} ", since=since)


Breaks = Callable[[Scene, Right], Awaitable[None]]
RESOURCE = (PLURAL, GROUP)


async def without_create_no_row_is_mirrored(scene: Scene, right: Right) -> None:
    since = scene.log.size()
    await scene.account.loses(right)
    row = scene.stage.add_delegated()
    await scene.complains(right, "the mirror could not do its work", since=since)
    assert scene.stage.resource(row) is None
    await scene.account.regains(right)
    await scene.stage.ready(row)


async def without_patch_no_change_of_a_row_arrives(scene: Scene, right: Right) -> None:
    row = scene.row
    since = scene.log.size()
    await scene.account.loses(right)
    scene.stage.product.set_provider(row.id, inbound_paused_at=datetime.now(UTC), inbound_pause_reason="manual")
    await scene.complains(right, "the mirror could not do its work", since=since)
    assert scene.stage.condition(row, "Ready")["status"] == "True"
    await scene.account.regains(right)
    await scene.stage.status_of(row, lambda status: condition_reason(status, "Ready") == "Suspended", "suspended")


async def without_delete_a_row_leaves_its_resource_behind(scene: Scene, right: Right) -> None:
    row = scene.row
    since = scene.log.size()
    await scene.account.loses(right)
    scene.stage.product.delete_provider(row.id)
    await scene.complains(right, "the mirror could not do its work", since=since)
    assert scene.stage.resource(row) is not None
    await scene.account.regains(right)
    await eventually(lambda: scene.stage.resource(row) is None, "it goes after all")


async def without_patch_of_the_status_nothing_is_told(scene: Scene, right: Right) -> None:
    since = scene.log.size()
    await scene.account.loses(right)
    scene.stage.request_renewal("hand", "untold")
    await scene.complains(right, "refuses the status", since=since)
    assert (scene.stage.resource("hand") or {})["status"].get("lastHandledRenewal") is None
    await scene.account.regains(right)
    await scene.stage.status_of("hand", lambda status: status["lastHandledRenewal"] == "untold", "told after all")


async def without_get_a_resource_is_not_read_before_work(scene: Scene, right: Right) -> None:
    since = scene.log.size()
    await scene.account.loses(right)
    scene.stage.request_renewal("hand", "unread")
    await scene.complains(right, "cannot be read before work", since=since)
    await scene.stage.status_of("hand", lambda status: status["lastHandledRenewal"] == "unread", "it is renewed anyway")
    await scene.account.regains(right)


async def without_get_of_secrets_nobody_signs_in(scene: Scene, right: Right) -> None:
    since = scene.log.size()
    await scene.account.loses(right)
    scene.hand.app_only_secret("late")
    scene.hand.write("late")
    await scene.stage.status_of("late", lambda status: condition_reason(status, "Authorized"), "told")
    assert f"the right to {right} " in scene.stage.condition("late", "Authorized")["message"]
    await renewed(scene.stage, "hand", "by the credential in memory")
    await scene.complains(right, "the credential in memory carries on", since=since)
    await scene.account.regains(right)
    await scene.stage.ready("late")


async def without_create_of_events_nothing_is_announced(scene: Scene, right: Right) -> None:
    since = scene.log.size()
    await scene.account.loses(right)
    suspend(scene.stage, "hand", suspended=True)
    await scene.complains(right, "an event could not be posted", since=since)
    suspend(scene.stage, "hand", suspended=False)
    await scene.stage.ready("hand")
    assert suspensions(scene.stage, "hand") == 0
    await scene.account.regains(right)


async def without_patch_of_events_repeats_are_not_counted(scene: Scene, right: Right) -> None:
    since = scene.log.size()
    await suspended_and_resumed(scene.stage, "hand")
    await eventually(lambda: suspensions(scene.stage, "hand") == 1, "told once")
    await scene.account.loses(right)
    await suspended_and_resumed(scene.stage, "hand")
    await scene.complains(right, "an event could not be posted", since=since)
    assert suspensions(scene.stage, "hand") == 1
    await scene.account.regains(right)


async def without_patch_of_the_lease_it_is_lost(scene: Scene, right: Right) -> None:
    since = scene.log.size()
    await scene.account.loses(right)
    await scene.complains(right, "refuses to renew the lease", since=since)
    await scene.log.says("the lease is lost", since=since)
    await scene.account.regains(right)


WATCH = Right("watch", *RESOURCE)
LEASES = ("leases", "coordination.k8s.io")
WHILE_IT_RUNS: dict[Right, Breaks] = {
    Right("create", *RESOURCE): without_create_no_row_is_mirrored,
    Right("patch", *RESOURCE): without_patch_no_change_of_a_row_arrives,
    Right("delete", *RESOURCE): without_delete_a_row_leaves_its_resource_behind,
    Right("patch", *RESOURCE, "status"): without_patch_of_the_status_nothing_is_told,
    Right("get", *RESOURCE): without_get_a_resource_is_not_read_before_work,
    Right("get", "secrets"): without_get_of_secrets_nobody_signs_in,
    Right("create", "events"): without_create_of_events_nothing_is_announced,
    Right("patch", "events"): without_patch_of_events_repeats_are_not_counted,
    Right("patch", *LEASES): without_patch_of_the_lease_it_is_lost,  # the last: it ends the process
}
AT_THE_START = (Right("list", *RESOURCE), Right("get", "namespaces"), Right("get", *LEASES), Right("create", *LEASES))


async def test_each_right_that_is_taken_away_breaks_something_and_is_named(
    stage: Stage, account: Account, tmp_path: Path
) -> None:
    hand, row = Hand(stage), stage.add_delegated()
    hand.app_only_secret("hand")
    hand.write("hand")
    async with running(stage, account, tmp_path) as (process, log):
        scene = Scene(stage, hand, row, account, log)
        await stage.ready("hand")
        await stage.ready(row)
        for right, breaks in WHILE_IT_RUNS.items():
            print(breaks.__name__)  # so that a failure tells which
            await breaks(scene, right)
        assert await asyncio.wait_for(process.wait(), 60) == LOST
    assert log.tracebacks() == []


async def test_without_watch_what_people_write_is_not_noticed(stage: Stage, account: Account, tmp_path: Path) -> None:
    hand = Hand(stage)
    hand.app_only_secret("hand")
    await account.loses(WATCH)
    async with running(stage, account, tmp_path) as (process, log):
        await log.says(f"cannot {WATCH.verb} resource")
        hand.write("hand")
        row = stage.add_delegated()
        await stage.ready(row)
        assert "status" not in (stage.resource("hand") or {})
        await account.regains(WATCH)
        await stage.ready("hand")
        assert await stopped(process) == 0
    assert log.tracebacks() == []


@pytest.mark.parametrize("right", AT_THE_START, ids=str)
async def test_without_a_right_that_the_start_needs_it_ends_and_says_which(
    right: Right, control_plane: ControlPlane, crd: None, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(control_plane, namespace, rendered(namespace))
    monkeypatch.setenv("KUBECONFIG", account.kubeconfig)
    await account.loses(right)
    settings = Settings.load({"GRAPHMAIL_NAMESPACE": namespace, "GRAPHMAIL_METRICS_URL": "http://127.0.0.1:0/metrics"})
    with pytest.raises((StartError, LeaseRefused), match=f'cannot {right.verb} resource "{right.resource}"'):
        await asyncio.wait_for(serve(settings, asyncio.Event()), 60)


def test_each_right_of_the_chart_is_taken_away_by_one_of_these_tests(account: Account) -> None:
    assert {right for right, _ in rights_of(account.rules)} == {*WHILE_IT_RUNS, *AT_THE_START, WATCH}
