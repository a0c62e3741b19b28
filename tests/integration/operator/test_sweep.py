"""The sweep: what carries our mark and belongs to nobody goes after a grace time, and nothing else does (design, rule 3)."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from graphmail.fleet import Fleet
from graphmail.observability.metrics import Store
from graphmail.resource.names import API_VERSION, KIND
from graphmail.stores import Stores
from graphmail.sweep import Fate
from graphsim.directory import Mailbox
from support.leftovers import NOBODY, OURS, Leftovers
from support.stage import Stage
from support.waiting import eventually

SOON = {"GRAPHMAIL_SWEEP_INTERVAL_HOURS": "0.001"}


@pytest.fixture
def leftovers(stage: Stage) -> Leftovers:
    return Leftovers(stage)


async def test_what_belongs_to_nobody_goes_when_it_is_seen_again_after_the_grace_time(
    stage: Stage, leftovers: Leftovers
) -> None:
    row, user = stage.add_app_only(), stage.add_delegated()
    await leftovers.kept(row, user)
    orphans = [
        leftovers.left_of(row),
        leftovers.leave(row.mailbox, row.id, folder="archive"),
        leftovers.leave(row.mailbox),
        leftovers.left_of(user),
    ]
    assert {fate for fate, _ in (await leftovers.sweep()).values()} == {Fate.YOUNG}
    leftovers.age(timedelta(minutes=50))
    assert {fate for fate, _ in (await leftovers.sweep()).values()} == {Fate.YOUNG}
    assert all(leftovers.lives(one) for one in orphans)
    leftovers.age(timedelta(minutes=11))
    swept = await leftovers.sweep()
    assert {found: fate for found, (fate, _) in swept.items()} == {one.id: Fate.DELETED for one in orphans}
    assert not any(leftovers.lives(one) for one in orphans)
    await asyncio.gather(stage.covered_once(row), stage.covered_once(user))


async def test_neighbours_are_never_touched(stage: Stage, leftovers: Leftovers) -> None:
    row = stage.add_app_only()
    await leftovers.kept(row)
    neighbours = [
        leftovers.leave_unmarked(row.mailbox),
        leftovers.leave(row.mailbox, installation="theirs"),
        leftovers.leave(row.mailbox, app=stage.simulator.world.add_app("stranger")),
    ]
    assert await leftovers.fates() == {}
    assert all(leftovers.lives(one) for one in neighbours)
    assert leftovers.seen() == set()


async def test_what_a_retained_resource_leaves_stays(stage: Stage, leftovers: Leftovers) -> None:
    row, other = stage.add_app_only(), stage.add_app_only()
    await leftovers.kept(row, other)
    stage.kubectl("patch", "gms", row.name, "--type=merge", "-p", '{"spec": {"deletionPolicy": "Retain"}}')
    stage.product.delete_provider(row.id)
    async with stage.operator(**OURS):
        await eventually(lambda: stage.resource(row) is None, "the mirror has deleted the resource")
    [retained] = stage.live(row)
    assert await leftovers.fates() == {retained.id: Fate.LEFT}
    assert leftovers.lives(retained)


async def test_what_a_removed_provider_left_goes(stage: Stage, leftovers: Leftovers) -> None:
    row, other = stage.add_app_only(), stage.add_app_only()
    await leftovers.kept(row, other)
    [left] = stage.live(row)
    stage.product.delete_provider(row.id)
    stage.kubectl("patch", "gms", row.name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    stage.kubectl("delete", "gms", row.name)
    assert await leftovers.fates() == {left.id: Fate.DELETED}
    await stage.covered_once(other)


async def test_what_could_not_be_deleted_for_want_of_a_credential_goes_once_there_is_one(
    stage: Stage, leftovers: Leftovers
) -> None:
    row = stage.add_app_only()
    await leftovers.kept(row)
    old, young = leftovers.leave(row.mailbox), leftovers.leave(row.mailbox)
    for one, age in ((old, "2 hours"), (young, "1 minute")):
        stage.product.run(
            "INSERT INTO graphmail.abandoned VALUES (%s, %s, %s, NULL, 'nobody can sign in', now() - %s::interval)",
            stage.tenant,
            NOBODY,
            one.id,
            age,
        )
    swept = await leftovers.sweep()
    assert (swept[old.id][0], swept[young.id][0]) == (Fate.DELETED, Fate.YOUNG)


@pytest.mark.parametrize(
    "under_way",
    [
        "UPDATE graphmail.claims SET until = now() + interval '1 hour' WHERE provider_id = %s",
        "UPDATE graphmail.claims SET unsettled = ARRAY['create'], unsettled_since = now() WHERE provider_id = %s",
    ],
    ids=["claimed", "unsettled"],
)
async def test_a_provider_that_is_being_worked_on_is_left_alone(
    stage: Stage, leftovers: Leftovers, under_way: str
) -> None:
    row = stage.add_app_only()
    await leftovers.kept(row)
    twin = leftovers.left_of(row)
    await leftovers.sweep()
    leftovers.age()
    async with leftovers.sweeper() as sweeping:
        look = await sweeping.look()
        assert [stray.fate for stray in look.strays] == [Fate.DUE]
        stage.product.run(under_way, row.id)
        assert [stray.fate async for stray in sweeping.carry_out(look)] == [Fate.BUSY]
        assert [stray.fate for stray in (await sweeping.look()).strays] == [Fate.BUSY]
    assert leftovers.lives(twin)


async def test_what_somebody_owns_by_the_time_it_would_be_deleted_stays(stage: Stage, leftovers: Leftovers) -> None:
    row, other = stage.add_app_only(), stage.add_app_only()
    await leftovers.kept(row, other)
    twin, gone = leftovers.left_of(row), leftovers.leave(other.mailbox)
    await leftovers.sweep()
    leftovers.age()
    async with leftovers.sweeper() as sweeping:
        look = await sweeping.look()
        stage.product.set_config(row.id, webhook_subscription_id=twin.id.upper())
        stage.product.set_config(other.id, webhook_subscription_id=gone.id)
        assert [stray.fate async for stray in sweeping.carry_out(look)] == [Fate.BUSY] * 2
    assert leftovers.lives(twin)
    assert leftovers.lives(gone)
    assert await leftovers.sweep() == {}
    assert leftovers.seen() == set()


async def test_a_claim_is_given_back_whatever_comes_of_it(stage: Stage, leftovers: Leftovers) -> None:
    row = stage.add_app_only()
    await leftovers.kept(row)
    leftovers.left_of(row)
    await leftovers.sweep()
    leftovers.age()
    stage.fault("delete", answer="forbidden", count=1)
    assert [fate for fate, _ in (await leftovers.sweep()).values()] == [Fate.FAILED]
    [claim] = stage.product.run("SELECT until, unsettled FROM graphmail.claims WHERE provider_id = %s", row.id)
    assert claim == {"until": None, "unsettled": []}
    assert [fate for fate, _ in (await leftovers.sweep()).values()] == [Fate.DELETED]


async def test_the_last_subscription_of_a_mailbox_is_never_taken_for_a_spare_one(
    stage: Stage, leftovers: Leftovers
) -> None:
    row = stage.add_app_only()
    await leftovers.kept(row)
    [covering] = stage.live(row)
    only = leftovers.left_of(row)
    await leftovers.sweep()
    leftovers.age()
    leftovers.lose(covering)
    gone = f"subscription {covering.id}, which covers the folder, is gone itself"
    assert await leftovers.sweep() == {only.id: (Fate.LEFT, gone)}
    assert leftovers.lives(only)


async def test_a_database_that_has_lost_its_rows_proves_nothing(stage: Stage, leftovers: Leftovers) -> None:
    row = stage.add_app_only()
    await leftovers.kept(row)
    left = leftovers.leave(row.mailbox)
    await leftovers.sweep()
    leftovers.age()
    async with leftovers.sweeper() as sweeping:
        look = await sweeping.look()
        stage.product.run("ALTER TABLE email_providers RENAME TO elsewhere")
        stage.product.run("CREATE TABLE email_providers (LIKE elsewhere INCLUDING ALL)")
        [(fate, why)] = [(stray.fate, stray.why) async for stray in sweeping.carry_out(look)]
    assert (fate, why) == (Fate.LEFT, f"provider {NOBODY} has no resource, and Postgres shows no provider at all")
    assert leftovers.lives(left)


async def test_nothing_is_deleted_while_a_store_is_away(stage: Stage, leftovers: Leftovers) -> None:
    row = stage.add_app_only()
    await leftovers.kept(row)
    twin = leftovers.left_of(row)
    await leftovers.sweep()
    leftovers.age()
    stores = Stores({Store.KUBERNETES: lambda: asyncio.sleep(0, result=False)})
    async with leftovers.sweeper(stores=stores) as sweeping:
        look = await sweeping.look()
        stores.lost(Store.KUBERNETES)
        assert [(stray.fate, stray.why) async for stray in sweeping.carry_out(look)] == [(Fate.BUSY, "a store is away")]
    assert leftovers.lives(twin)


async def test_what_this_process_is_working_on_is_left_alone(stage: Stage, leftovers: Leftovers) -> None:
    row = stage.add_app_only()
    await leftovers.kept(row)
    twin, fleet = leftovers.left_of(row), Fleet()
    entry, _ = fleet.observe(stage.resource(row) or {}, now=datetime.now(UTC))
    await leftovers.sweep()
    leftovers.age()
    async with leftovers.sweeper(fleet=fleet) as sweeping:
        look = await sweeping.look()
        async with entry.lock:
            assert [stray.fate async for stray in sweeping.carry_out(look)] == [Fate.BUSY]
        assert leftovers.lives(twin)
        assert [stray.fate async for stray in sweeping.carry_out(look)] == [Fate.DELETED]
        assert not entry.lock.locked()


async def test_a_resource_that_the_memory_does_not_know_owns_what_it_has(stage: Stage, leftovers: Leftovers) -> None:
    row, other = stage.add_app_only(), stage.add_app_only()
    await leftovers.kept(row, other)
    [owned] = stage.live(row)
    stage.product.delete_provider(row.id)
    fleet = Fleet()
    fleet.observe(stage.resource(other) or {}, now=datetime.now(UTC))
    async with leftovers.sweeper(fleet=fleet) as sweeping:
        assert {stray.found.id: stray.fate for stray in (await sweeping.look()).strays} == {owned.id: Fate.BUSY}


async def test_a_suspended_mailbox_is_not_called_for(stage: Stage, leftovers: Leftovers) -> None:
    row, other = stage.add_app_only(), stage.add_app_only()
    await leftovers.kept(row, other)
    twin = leftovers.left_of(row)
    stage.kubectl("patch", "gms", row.name, "--type=merge", "-p", '{"spec": {"suspend": true}}')
    assert await leftovers.fates() == {twin.id: Fate.BUSY}


async def test_one_list_serves_all_mailboxes_of_an_app_and_tenant(stage: Stage, leftovers: Leftovers) -> None:
    rows = [stage.add_app_only() for _ in range(3)]
    elsewhere = stage.add_app_only(entra=stage.add_entra("Fabrikam"))
    users = [stage.add_delegated() for _ in range(2)]
    await leftovers.kept(*rows, elsewhere, *users)
    before = lists(stage)
    await leftovers.sweep()
    assert lists(stage) - before == 2 + len(users)


def lists(stage: Stage) -> int:
    return sum(call.route == "list" for call in stage.simulator.log.newest_first())


async def test_tokens_that_had_to_be_fetched_are_kept_in_the_row(stage: Stage, leftovers: Leftovers) -> None:
    row = stage.add_delegated()
    await leftovers.kept(row)
    stage.product.set_config(row.id, access_token=None, token_expires_at=None)
    before = stage.product.config(row.id)["refresh_token"]
    await leftovers.sweep()
    kept = stage.product.config(row.id)
    assert kept["access_token"]
    assert kept["refresh_token"] != before


async def test_the_operator_sweeps_by_itself(stage: Stage, leftovers: Leftovers) -> None:
    row, other = stage.add_app_only(), stage.add_app_only()
    await leftovers.kept(row, other)
    orphans = [leftovers.left_of(row), leftovers.leave(row.mailbox)]
    await leftovers.sweep()
    leftovers.age()
    late = leftovers.leave(other.mailbox)
    async with stage.operator(**OURS, **SOON) as running:
        await eventually(lambda: not any(leftovers.lives(one) for one in orphans), "the orphans are gone")
        await running.metric_is(2, "graphmail_orphans_deleted_total")
        await running.metric_is(1, "graphmail_orphans_found_total")
        await stage.covered_once(row)
    assert leftovers.lives(late)


async def test_without_postgres_only_what_is_replaced_goes(stage: Stage, leftovers: Leftovers) -> None:
    """Nobody remembers there what a person wanted to stay."""
    mailbox = stage.simulator.world.add_mailbox(stage.entra.id, f"hand@{stage.entra.domain}")
    write_by_hand(stage, mailbox)
    stage.environment |= {"GRAPHMAIL_DATABASE_URL": "", "APPLICATION_URL": ""}
    async with stage.operator(**OURS):
        await stage.ready("hand")
    twin, gone = leftovers.leave(mailbox, "hand"), leftovers.leave(mailbox)
    async with leftovers.sweeper() as sweeping:
        first = [stray async for stray in sweeping.carry_out(await sweeping.look())]
        assert {stray.found.id: stray.fate for stray in first} == {twin.id: Fate.YOUNG, gone.id: Fate.LEFT}
        again = await sweeping.look()
        assert [stray.since for stray in again.strays if stray.found.id == twin.id] == [
            stray.since for stray in first if stray.found.id == twin.id
        ]


def write_by_hand(stage: Stage, mailbox: Mailbox) -> None:
    """A resource of that name for the mailbox, with a Secret."""
    metadata = {"name": "hand", "namespace": stage.namespace}
    app = {
        "directory-id": stage.entra.id,
        "client-id": stage.app.client_id,
        "client-secret": stage.app.secrets[0].value,
    }
    spec = {
        "tenant": "by-hand",
        "providerID": "hand",
        "mailbox": mailbox.upn,
        "notificationURL": stage.endpoint.url + stage.endpoint.path,
        "credentials": {"source": "Secret", "secretName": "hand"},
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": app}
    resource = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}
    stage.kubectl(
        "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [secret, resource]})
    )
