"""The operator, as a process, with the chart's own ServiceAccount: all of its work, and then one right less at a time."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
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
from support.command import start
from support.hand import Hand
from support.rights import Account, Log, log_file, rendered, rights_of
from support.stage import Row, Stage, condition_reason
from support.waiting import eventually

QUICK = {
    "GRAPHMAIL_LOG_FORMAT": "json",
    "GRAPHMAIL_LEASE_SECONDS": "5",
    "GRAPHMAIL_TICK_SECONDS": "5",
    "GRAPHMAIL_MIRROR_COMPARE_SECONDS": "5",
    "GRAPHMAIL_MIRROR_POLL_SECONDS": "5",
    "GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES": "0.05",
}


@pytest.fixture
def account(stage: Stage) -> Account:
    """The chart's, which may read the Secrets `hand` and `late`."""
    return Account(
        stage.control_plane, stage.namespace, rendered(stage.namespace, 'rbac.credentialSecrets=["hand", "late"]')
    )


@asynccontextmanager
async def running(
    stage: Stage, account: Account, folder: Path
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Log]]:
    """The operator with that account's token."""
    with log_file(folder) as (log, descriptor):
        process = await start(stage, "run", stderr=descriptor, KUBECONFIG=account.kubeconfig, **QUICK)
        try:
            yield process, log
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            print(log.file.read_text())  # pytest shows it where a test fails


async def stopped(process: asyncio.subprocess.Process) -> int:
    """Told to stop; the exit code."""
    process.send_signal(signal.SIGTERM)
    return await asyncio.wait_for(process.wait(), 60)


def suspend(stage: Stage, name: str, *, suspended: bool) -> None:
    stage.kubectl("patch", PLURAL, name, "--type=merge", "-p", json.dumps({"spec": {"suspend": suspended}}))


async def suspended_and_resumed(stage: Stage, name: str) -> None:
    suspend(stage, name, suspended=True)
    await stage.status_of(name, lambda status: condition_reason(status, "Ready") == "Suspended", "suspended")
    suspend(stage, name, suspended=False)
    await stage.ready(name)


def suspensions(stage: Stage, name: str) -> int:
    """How often events tell that it was suspended."""
    return sum(event["count"] for event in stage.events(name) if event["reason"] == "Suspended")


async def renewed(stage: Stage, name: Row | str, value: str) -> None:
    stage.request_renewal(name, value)
    await stage.status_of(name, lambda status: status["lastHandledRenewal"] == value, f"{value} is handled")


async def test_the_charts_rights_suffice_for_the_whole_main_job(stage: Stage, account: Account, tmp_path: Path) -> None:
    row, hand = stage.add_delegated(), Hand(stage)
    hand.app_only_secret("hand")
    hand.write("hand")
    hand.app_only_secret("other")
    hand.write("other")
    async with running(stage, account, tmp_path) as (process, log):
        first = await stage.ready(row)
        await stage.ready("hand")
        await stage.status_of("other", lambda status: condition_reason(status, "Authorized"), "told")
        refused = stage.condition("other", "Authorized")["message"]
        assert "the operator may not read Secret other" in refused
        assert "rbac.credentialSecrets" in refused
        await renewed(stage, row, "asked")
        stage.simulator.world.end_subscription(stage.live(row)[0], "dropped")
        await stage.status_of(row, lambda status: status["subscriptionID"] != first["subscriptionID"], "made anew")
        stage.product.set_provider(row.id, inbound_paused_at=datetime.now(UTC), inbound_pause_reason="manual")
        await stage.status_of(row, lambda status: condition_reason(status, "Ready") == "Suspended", "suspended")
        stage.product.set_provider(row.id, inbound_paused_at=None, inbound_pause_reason=None)
        await stage.ready(row)
        for _ in range(2):
            await suspended_and_resumed(stage, "hand")
        await eventually(lambda: suspensions(stage, "hand") == 2, "the event is counted up")
        assert {"Created", "Renewed", "Recreated", "Suspended"} <= stage.event_reasons(row)
        lost = stage.add_delegated()
        await stage.ready(lost)
        stage.product.delete_provider(row.id)
        stage.kubectl("delete", PLURAL, "hand", "--wait=false")
        for name in (row.name, "hand"):
            await eventually(lambda name=name: stage.resource(name) is None, f"{name} is gone")
        assert (stage.live(row), hand.live("hand"), len(stage.live(lost))) == ([], [], 1)
        lease = stage.kubectl("get", "lease", "graphmail-operator", "-o", "jsonpath={.spec.holderIdentity}")
        assert lease
        assert await stopped(process) == 0
    assert log.tracebacks() == []
    assert [line for line in log.lines() if "forbidden" in str(line) and "Secret other" not in str(line)] == []


Breaks = Callable[[Stage, Hand, Account, Log, Right], Awaitable[None]]
RESOURCE = (PLURAL, GROUP)


async def without_create_no_row_is_mirrored(stage: Stage, hand: Hand, account: Account, log: Log, right: Right) -> None:
    since = log.size()
    await account.loses(right)
    row = stage.add_delegated()
    await log.says("the mirror could not do its work", f"the right to {right} ", since=since)
    assert stage.resource(row) is None
    await account.regains(right)
    await stage.ready(row)


async def without_patch_no_change_of_a_row_arrives(
    stage: Stage, hand: Hand, account: Account, log: Log, right: Right
) -> None:
    row = stage.add_delegated()
    await stage.ready(row)
    since = log.size()
    await account.loses(right)
    stage.product.set_provider(row.id, inbound_paused_at=datetime.now(UTC), inbound_pause_reason="manual")
    await log.says("the mirror could not do its work", f"the right to {right} ", since=since)
    assert stage.condition(row, "Ready")["status"] == "True"
    await account.regains(right)
    await stage.status_of(row, lambda status: condition_reason(status, "Ready") == "Suspended", "suspended")


async def without_delete_a_row_leaves_its_resource_behind(
    stage: Stage, hand: Hand, account: Account, log: Log, right: Right
) -> None:
    row = stage.add_delegated()
    await stage.ready(row)
    since = log.size()
    await account.loses(right)
    stage.product.delete_provider(row.id)
    await log.says("the mirror could not do its work", f"the right to {right} ", since=since)
    assert stage.resource(row) is not None
    await account.regains(right)
    await eventually(lambda: stage.resource(row) is None, "it goes after all")


async def without_patch_of_the_status_nothing_is_told(
    stage: Stage, hand: Hand, account: Account, log: Log, right: Right
) -> None:
    since = log.size()
    row = stage.add_delegated()
    await stage.ready(row)
    await account.loses(right)
    stage.request_renewal(row, "untold")
    await log.says("refuses the status", f"the right to {right} ", since=since)
    assert (stage.resource(row) or {})["status"].get("lastHandledRenewal") is None
    await account.regains(right)
    await stage.status_of(row, lambda status: status["lastHandledRenewal"] == "untold", "told after all")


async def without_get_a_resource_is_not_read_before_work(
    stage: Stage, hand: Hand, account: Account, log: Log, right: Right
) -> None:
    since = log.size()
    await account.loses(right)
    stage.request_renewal("hand", "unread")
    await log.says("cannot be read before work", f"the right to {right} ", since=since)
    await stage.status_of("hand", lambda status: status["lastHandledRenewal"] == "unread", "it is renewed anyway")
    await account.regains(right)


async def without_get_of_secrets_nobody_signs_in(
    stage: Stage, hand: Hand, account: Account, log: Log, right: Right
) -> None:
    since = log.size()
    await account.loses(right)
    hand.app_only_secret("late")
    hand.write("late")
    await stage.status_of("late", lambda status: condition_reason(status, "Authorized"), "told")
    assert f"the right to {right} " in stage.condition("late", "Authorized")["message"]
    await renewed(stage, "hand", "by the credential in memory")
    await log.says("the credential in memory carries on", f"the right to {right} ", since=since)
    await account.regains(right)
    await stage.ready("late")


async def without_create_of_events_nothing_is_announced(
    stage: Stage, hand: Hand, account: Account, log: Log, right: Right
) -> None:
    since = log.size()
    await account.loses(right)
    suspend(stage, "hand", suspended=True)
    await log.says("an event could not be posted", f"the right to {right} ", since=since)
    suspend(stage, "hand", suspended=False)
    await stage.ready("hand")
    assert suspensions(stage, "hand") == 0
    await account.regains(right)


async def without_patch_of_events_repeats_are_not_counted(
    stage: Stage, hand: Hand, account: Account, log: Log, right: Right
) -> None:
    since = log.size()
    await suspended_and_resumed(stage, "hand")
    await eventually(lambda: suspensions(stage, "hand") == 1, "told once")
    await account.loses(right)
    await suspended_and_resumed(stage, "hand")
    await log.says("an event could not be posted", f"the right to {right} ", since=since)
    assert suspensions(stage, "hand") == 1
    await account.regains(right)


async def without_patch_of_the_lease_it_is_lost(
    stage: Stage, hand: Hand, account: Account, log: Log, right: Right
) -> None:
    since = log.size()
    await account.loses(right)
    await log.says("refuses to renew the lease", f"the right to {right} ", since=since)
    await log.says("the lease is lost", since=since)
    await account.regains(right)


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
    hand = Hand(stage)
    hand.app_only_secret("hand")
    hand.write("hand")
    async with running(stage, account, tmp_path) as (process, log):
        await stage.ready("hand")
        for right, breaks in WHILE_IT_RUNS.items():
            print(breaks.__name__)  # so that a failure tells which
            await breaks(stage, hand, account, log, right)
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
