"""One acts, others stand by: candidates for a real Lease. The clocks are the tests' own, so that no slow machine decides anything."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from graphmail.cli.check.kubernetes import ELECTING
from graphmail.cluster import ClusterError
from graphmail.election import Election, LeadershipLost, Standing, Terms
from graphmail.observability.health import Heartbeat
from localstack.controlplane import ControlPlane
from support.gate import ClusterGate
from support.rights import given
from support.voting import TERMS, Polls, Voter
from support.waiting import eventually

LEFT_BEHIND = {"holderIdentity": "killed", "leaseDurationSeconds": 15, "leaseTransitions": 4}
"""As a process leaves the Lease that was killed."""


@pytest.fixture
def polls(control_plane: ControlPlane, namespace: str) -> Polls:
    return Polls(control_plane, namespace)


async def test_the_first_one_acts_and_the_second_one_stands_by_for_it(polls: Polls) -> None:
    async with polls.voter("first") as first:
        await first.leads()
        async with polls.voter("second") as second:
            await second.stands_by("first")
            assert second.election.standing() is Standing.OUT
        assert not second.working.is_set()
        assert first.election.holds()
        assert polls.spec()["holderIdentity"] == "first"


async def test_after_an_orderly_stop_a_standby_takes_over_without_waiting_for_the_lease_to_run_out(
    polls: Polls,
) -> None:
    async with polls.voter("one") as one, polls.voter("other") as other:
        leader, standby = await _sorted(one, other)
        leader.stop.set()
        await standby.leads()
        assert polls.spec()["leaseTransitions"] == 1


async def test_who_stops_leaves_a_lease_of_nobody(polls: Polls) -> None:
    async with polls.voter("first") as first:
        await first.leads()
    assert "holderIdentity" not in polls.spec()
    assert not first.election.holds()


async def test_who_is_told_to_stop_while_it_stands_by_leaves_the_lease_alone(polls: Polls) -> None:
    polls.write(**LEFT_BEHIND)
    async with polls.voter("us") as us:
        await us.stands_by("killed")
    assert not us.outcome
    assert polls.spec() == LEFT_BEHIND


async def test_the_lease_of_a_killed_process_is_taken_when_it_has_run_out_and_not_before(polls: Polls) -> None:
    polls.write(**LEFT_BEHIND)
    async with polls.voter("us") as us:
        await us.stands_by("killed")
        us.now = 14.9
        await us.looks_again()
        assert not us.working.is_set()
        us.now = 15.0
        await us.leads()
        assert polls.spec()["leaseTransitions"] == 5


async def test_a_wall_clock_that_is_wrong_by_years_changes_nothing(polls: Polls) -> None:
    past, future = datetime(1999, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)
    wall = [past]
    async with (
        polls.voter("first", wall=lambda: wall[0]) as first,
        polls.voter("second", wall=lambda: future) as second,
    ):
        leader, standby = await _sorted(first, second)
        wall[0] = future
        await standby.looks_again()
        wall[0] = past
        await standby.looks_again()
        assert leader.election.holds()
        assert not standby.working.is_set()


async def test_who_comes_second_to_a_free_lease_stands_by(polls: Polls) -> None:
    polls.write(leaseTransitions=4)
    both_have_seen_it = threading.Barrier(2)
    async with polls.voter("first") as first, polls.voter("second") as second:
        for voter in (first, second):
            voter.client.before_taking = both_have_seen_it.wait
        leader, standby = await _sorted(first, second)
        assert leader.election.holds()
        assert not standby.working.is_set()
        assert polls.spec()["leaseTransitions"] == 5


async def test_who_finds_that_somebody_wrote_a_note_on_its_lease_goes_on(polls: Polls) -> None:
    async with polls.voter("us") as us:
        await us.leads()
        polls.kubectl("annotate", "lease", "seat", "a-note=by-a-person")
        await us.renews_at(0.9 * TERMS.renew_within)
        assert polls.spec()["holderIdentity"] == "us"


async def test_a_note_that_comes_between_two_looks_is_seen_within_the_second(polls: Polls) -> None:
    async with polls.voter("us") as us:
        await us.leads()
        renewals_of_looks: list[int] = []

        def note() -> None:
            renewals_of_looks.append(us.looks)
            if len(renewals_of_looks) == 1:
                polls.kubectl("annotate", "lease", "seat", "a-note=by-a-person")

        us.client.before_renewing = note
        await us.renews_at(0.9 * TERMS.renew_within)
        assert us.client.conflicts == 1
        assert renewals_of_looks[0] == renewals_of_looks[1]


async def test_who_finds_another_name_in_its_lease_stops_at_once(polls: Polls) -> None:
    async with polls.voter("us") as us:
        await us.leads()
        polls.kubectl("patch", "lease", "seat", "--type=merge", "-p", '{"spec":{"holderIdentity":"them"}}')
        assert await us.loses() == "the lease is lost: it is held by them"
        assert us.abandoned.is_set()
    assert not us.ended.is_set()
    assert polls.spec()["holderIdentity"] == "them"


async def test_who_finds_its_lease_deleted_stops_at_once(polls: Polls) -> None:
    async with polls.voter("us") as us:
        await us.leads()
        polls.kubectl("delete", "lease", "seat")
        assert await us.loses() == "the lease is lost: it is held by nobody"
        assert us.abandoned.is_set()


async def test_a_busy_event_loop_keeps_the_lease_and_one_that_hangs_loses_it(polls: Polls) -> None:
    async with polls.voter("us") as us:
        await us.leads()
        us.silence = TERMS.silence
        await us.renews_at(0.9 * TERMS.renew_within)
        us.silence = TERMS.silence + 0.01
        await us.looks_again()
        us.now = 1.9 * TERMS.renew_within
        assert await us.loses() == "the lease is lost: the event loop did not move"


async def test_a_process_whose_event_loop_hangs_for_good_is_ended_by_force(polls: Polls) -> None:
    """With the operator's own heartbeat, terms and clock: the thread of the event loop itself stands still until the end comes."""
    heartbeat, ended = Heartbeat(), threading.Event()

    async def hang() -> None:
        ended.wait(240)
        await asyncio.Event().wait()

    with polls.client() as client:
        beating = asyncio.create_task(heartbeat.run(every=0.05))
        async with Election(
            client, "us", Terms(), silent_for=heartbeat.age, stands_by=lambda _: None, end=ended.set
        ) as election:
            assert await election.won(asyncio.Event())
            with pytest.raises(LeadershipLost):
                await election.guard(hang())
            assert ended.is_set()
        beating.cancel()
    assert polls.spec()["holderIdentity"] == "us"


async def test_a_holder_stops_when_the_api_server_is_away_and_nothing_stands_in_for_the_lease(
    polls: Polls, tmp_path: Path
) -> None:
    async with (
        ClusterGate(polls.control_plane) as gate,
        polls.voter("us", kubeconfig=gate.kubeconfig(tmp_path)) as us,
    ):
        await us.leads()
        gate.shut()
        us.now = 0.99 * TERMS.renew_within
        await us.looks_again()
        assert us.election.holds()
        us.now = TERMS.renew_within
        assert await us.loses() == "the lease is lost: the API server did not answer"
        assert us.abandoned.is_set()


@asynccontextmanager
async def cut_off(polls: Polls, folder: Path) -> AsyncIterator[tuple[ClusterGate, Voter]]:
    """One that leads, with claims to stand in for the lease, and has lost the API server."""
    async with (
        ClusterGate(polls.control_plane) as gate,
        polls.voter("us", kubeconfig=gate.kubeconfig(folder), stand_in=True) as us,
    ):
        await us.leads()
        gate.shut()
        await us.looks_again()
        yield gate, us


async def _outlasts_the_outage(us: Voter, gate: ClusterGate) -> None:
    """Claims stand in for an hour, and then the lease is held on."""
    us.now = 3_600.0
    await us.looks_again()
    assert us.election.standing() is Standing.STOOD_IN_FOR
    gate.open()
    await us.leads()
    assert not us.abandoned.is_set()


async def test_claims_stand_in_for_the_lease_while_the_api_server_is_away(polls: Polls, tmp_path: Path) -> None:
    async with cut_off(polls, tmp_path) as (gate, us):
        await _outlasts_the_outage(us, gate)
        assert polls.spec()["leaseTransitions"] == 0


async def test_who_does_not_know_whether_it_has_renewed_reads_the_lease_when_the_api_server_is_back(
    polls: Polls, tmp_path: Path
) -> None:
    async with (
        ClusterGate(polls.control_plane) as gate,
        polls.voter("us", kubeconfig=gate.kubeconfig(tmp_path), stand_in=True) as us,
    ):
        await us.leads()
        us.client.loses_answers = True
        await us.looks_again()
        gate.shut()
        us.client.loses_answers = False
        await _outlasts_the_outage(us, gate)
    assert us.client.conflicts == 0


@pytest.mark.parametrize("lasts", [False, True], ids=["for a moment", "for good"])
async def test_an_api_server_that_refuses_everybody_after_an_outage_may_just_be_starting(
    polls: Polls, tmp_path: Path, *, lasts: bool
) -> None:
    account = await _account_with_rights(polls)
    async with (
        ClusterGate(polls.control_plane) as gate,
        polls.voter("us", kubeconfig=gate.kubeconfig(tmp_path, account), stand_in=True) as us,
    ):
        await us.leads()
        gate.shut()
        us.now = 3_600.0
        await us.looks_again()
        _take_rights(polls)
        await eventually(lambda: not _may_read(polls), "the API server knows of it")
        gate.open()
        await eventually(lambda: us.election._refused_since is not None, "it is refused")
        us.now += 0.9 * TERMS.renew_within
        await us.looks_again()
        assert us.election.standing() is Standing.STOOD_IN_FOR
        if lasts:
            us.now += 0.1 * TERMS.renew_within
            assert await us.loses() == "the lease is lost: it was not renewed in time"
        else:
            _give_rights(polls)
            await us.leads()
            assert not us.abandoned.is_set()


async def test_who_comes_back_to_a_lease_that_another_one_has_taken_meanwhile_stops(
    polls: Polls, tmp_path: Path
) -> None:
    async with ClusterGate(polls.control_plane) as gate, polls.voter("them") as them:
        await them.leads()
        async with polls.voter("us", kubeconfig=gate.kubeconfig(tmp_path), stand_in=True) as us:
            await us.stands_by("them")
            them.stop.set()
            await us.leads()
            async with polls.voter("third") as third:
                await third.stands_by("us")
                gate.shut()
                await us.looks_again()
                us.now = third.now = 100.0
                await third.leads()
                assert not us.election.holds()
                assert not us.outcome
                gate.open()
                assert await us.loses() == "the lease is lost: it is held by third"


async def test_an_event_loop_that_hangs_while_the_api_server_is_away_loses_too(polls: Polls, tmp_path: Path) -> None:
    async with cut_off(polls, tmp_path) as (_, us):
        us.now = 100.0
        us.silence = TERMS.seconds
        assert await us.loses() == "the lease is lost: the event loop did not move"


async def test_a_lease_that_is_refused_to_a_holder_is_lost_whatever_stands_in_for_it(polls: Polls) -> None:
    async with polls.voter("us", kubeconfig=await _account_with_rights(polls), stand_in=True) as us:
        await us.leads()
        _take_rights(polls)
        await eventually(lambda: us.election._outdated, "it is refused")
        us.now = TERMS.renew_within
        assert await us.loses() == "the lease is lost: it was not renewed in time"


async def test_a_standby_without_rights_says_so_at_once(polls: Polls) -> None:
    polls.kubectl("create", "serviceaccount", "nobody")
    kubeconfig = polls.control_plane.service_account_kubeconfig(polls.namespace, "nobody")
    async with polls.voter("us", kubeconfig=kubeconfig) as us:
        await eventually(lambda: us.outcome, "it ends")
        assert isinstance(us.outcome, ClusterError)
        assert us.outcome.status == 403


async def _sorted(one: Voter, other: Voter) -> tuple[Voter, Voter]:
    """Who leads, and who stands by for it."""
    await eventually(lambda: one.working.is_set() or other.working.is_set(), "somebody leads")
    leader, standby = (one, other) if one.working.is_set() else (other, one)
    await standby.stands_by(leader.name)
    return leader, standby


async def _account_with_rights(polls: Polls) -> Path:
    """A kubeconfig of a service account that may have the lease."""
    polls.kubectl("create", "serviceaccount", "us")
    polls.kubectl("create", "role", "us", "--verb=get,create,patch", "--resource=leases.coordination.k8s.io")
    _give_rights(polls)
    await given(polls.control_plane, polls.namespace, "us", ELECTING[0])
    return polls.control_plane.service_account_kubeconfig(polls.namespace, "us")


def _give_rights(polls: Polls) -> None:
    polls.kubectl("create", "rolebinding", "us", "--role=us", f"--serviceaccount={polls.namespace}:us")


def _take_rights(polls: Polls) -> None:
    polls.kubectl("delete", "rolebinding", "us")


def _may_read(polls: Polls) -> bool:
    """As the API server answers that service account."""
    with polls.client(polls.control_plane.service_account_kubeconfig(polls.namespace, "us")) as client:
        try:
            client.read()
        except ClusterError:
            return False
        return True
