"""`graphmail backfill` and `graphmail mirror`: rows and resources compared, by hand."""

from graphmail.cli.clusters import Target
from graphmail.cli.comparison import Wish, compare
from graphmail.resource.names import ANNOTATION_ADOPT
from graphmail.settings import Settings
from support.command import Graphmail
from support.stage import Stage


def names(stage: Stage) -> set[str]:
    return {item["metadata"]["name"] for item in stage.resources() if "deletionTimestamp" not in item["metadata"]}


async def test_a_backfill_makes_every_resource_and_marks_what_is_to_be_adopted(
    stage: Stage, graphmail: Graphmail
) -> None:
    known, new = stage.add_delegated(), stage.add_delegated()
    subscription = stage.subscribe(known)
    ran = (await graphmail("backfill")).check()
    assert ran.out.splitlines() == [
        "2 provider rows",
        "2 created",
        "0 brought up to date",
        "1 marked for adoption",
        f"  {known.address}: {subscription.id}",
    ]
    assert names(stage) == {known.name, new.name}
    assert stage.resource(known)["metadata"]["annotations"][ANNOTATION_ADOPT] == subscription.id
    again = (await graphmail("backfill")).check()
    assert again.out.splitlines()[1:] == ["0 created", "0 brought up to date", "0 marked for adoption"]


async def test_a_dry_run_tells_the_same_and_changes_nothing(stage: Stage, graphmail: Graphmail) -> None:
    row = stage.add_delegated(config={"delivery_mode": "polling"})
    stage.subscribe(row)
    ran = (await graphmail("backfill", "--dry-run")).check()
    assert ran.out.splitlines()[:4] == [
        "1 provider row",
        "1 would be created",
        "0 would be brought up to date",
        "1 would be marked for adoption",
    ]
    assert names(stage) == set()


async def test_a_backfill_deletes_nothing(stage: Stage, graphmail: Graphmail) -> None:
    kept, lost = stage.add_delegated(), stage.add_delegated()
    (await graphmail("backfill")).check()
    stage.product.delete_provider(lost.id)
    ran = (await graphmail("backfill")).check()
    assert ran.out.splitlines()[-1] == "1 resource without a row: see `graphmail mirror`"
    assert names(stage) == {kept.name, lost.name}


async def test_a_row_that_the_api_server_refuses_is_told_and_fails(stage: Stage, graphmail: Graphmail) -> None:
    good = stage.add_delegated()
    bad = stage.product.add_provider(stage.tenant, "not an address", {"client_id": "c"})
    ran = await graphmail("backfill")
    assert ran.code == 1
    assert "refused by the API server: not an address: " in ran.out
    assert names(stage) == {good.name}
    assert bad


async def test_a_single_vanished_row_takes_its_resource_along(stage: Stage, graphmail: Graphmail) -> None:
    rows = [stage.add_delegated() for _ in range(3)]
    (await graphmail("backfill")).check()
    stage.product.delete_provider(rows[0].id)
    ran = (await graphmail("mirror")).check()
    assert ran.out == "2 provider rows: 0 resources created, 0 brought up to date, 1 deleted\n"
    assert names(stage) == {row.name for row in rows[1:]}


async def test_many_deletions_at_once_wait_for_a_persons_word(stage: Stage, graphmail: Graphmail) -> None:
    rows = [stage.add_delegated() for _ in range(4)]
    (await graphmail("backfill")).check()
    for row in rows[:3]:
        stage.product.delete_provider(row.id)
    ran = await graphmail("mirror")
    assert ran.code == 1
    assert "withheld, since so many rows are gone at once: 3 deletions" in ran.out
    assert all(row.name in ran.out for row in rows[:3])
    assert ran.err.splitlines() == [
        "graphmail: if these mailboxes are really gone, run: graphmail mirror --confirm-deletions"
    ]
    assert names(stage) == {row.name for row in rows}


async def test_nobody_to_ask_means_no(stage: Stage, graphmail: Graphmail) -> None:
    rows = [stage.add_delegated() for _ in range(2)]
    (await graphmail("backfill")).check()
    for row in rows:
        stage.product.delete_provider(row.id)
    ran = await graphmail("mirror", "--confirm-deletions")
    assert ran.code == 1
    assert ran.err == "graphmail: nobody can be asked here: say --yes to delete them\n"
    assert names(stage) == {row.name for row in rows}
    (await graphmail("mirror", "--confirm-deletions", "--yes")).check()
    assert names(stage) == set()


async def test_a_missing_database_url_is_one_line(stage: Stage, graphmail: Graphmail) -> None:
    ran = await graphmail("backfill", GRAPHMAIL_DATABASE_URL=None)
    assert ran.code == 1
    assert ran.err.splitlines() == [
        "graphmail: GRAPHMAIL_DATABASE_URL is not set: this command needs the product's Postgres, as a URL postgresql://..."
    ]


async def test_what_was_not_shown_is_not_deleted(stage: Stage, graphmail: Graphmail) -> None:
    rows = [stage.add_delegated() for _ in range(3)]
    (await graphmail("backfill")).check()
    for row in rows[:2]:
        stage.product.delete_provider(row.id)
    wish = Wish(confirm_deletions=True, deletable=[rows[0].name])
    report = await compare(Settings.load(stage.environment), Target(stage.namespace), wish)
    assert [one.metadata.name for one in report.deleted] == [rows[0].name]
    assert [one.metadata.name for one in report.spared] == [rows[1].name]
    assert names(stage) == {rows[1].name, rows[2].name}
