"""The product's own renewal loop was left on: it is reported, nothing loops, and the mailboxes stay covered (design, rules 7 and 15)."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from graphsim.grants import Grant, Grants, RefreshToken
from support.rival import Rival, rival
from support.stage import Row, Running, Stage, condition_status
from support.waiting import eventually

OFTEN = {
    "GRAPHMAIL_TICK_SECONDS": "1",
    "GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES": "0.02",
    "GRAPHMAIL_MIRROR_POLL_SECONDS": "4",
    "GRAPHMAIL_MIRROR_COMPARE_SECONDS": "5",
}
WRITES = ("create", "patch", "delete", "reauthorize")


async def one_each(stage: Stage, rows: list[Row]) -> None:
    """Return once each mailbox has one subscription, which Graph, the row and the status know alike."""
    for row in rows:
        await eventually(lambda row=row: agreed(stage, row), f"{row.address} has one subscription, known to all")


def agreed(stage: Stage, row: Row) -> bool:
    return len(stage.live(row)) == 1 and known_alike(stage, row)


def known_alike(stage: Stage, row: Row) -> bool:
    """The row and the status name the same subscription, which lives."""
    live = {one.id for one in stage.live(row)}
    status = (stage.resource(row) or {}).get("status", {})
    known = {status.get("subscriptionID"), stage.product.config(row.id)["webhook_subscription_id"]}
    return len(known) == 1 and known <= live and condition_status(status, "Ready") == "True"


def writes(stage: Stage, rival: Rival) -> int:
    """What the operator changed at Graph: all that was changed, less what the rival did."""
    everything = sum(call.route in WRITES for call in stage.simulator.log.newest_first())
    theirs = sum(count for method, count in rival.asked.items() if method in {"PATCH", "DELETE"}) + rival.created
    return everything - theirs


async def test_a_rival_is_reported_and_beside_it_every_mailbox_keeps_one_subscription(stage: Stage) -> None:
    rows = [stage.add_delegated() for _ in range(4)]
    kept, lost = rows[0], rows[1:]
    async with stage.operator(**OFTEN) as operator:
        await one_each(stage, rows)
        begun = stage.simulator.clock.now()
        async with rival(stage) as running:
            for row in lost:
                await running.has_swept()
                stage.simulator.world.end_subscription(stage.live(row)[0], "dropped")
                await eventually(lambda row=row: stage.live(row), "one of both has made another one")
                await one_each(stage, rows)
            await running.has_swept()
            await one_each(stage, rows)
            ours = writes(stage, running)
            # While it goes on: what it wrote may be written over before the mirror looks, and its next sweep writes again.
            for row in rows:
                await eventually(lambda row=row: "PeerActive" in stage.event_reasons(row), "a PeerActive event")
        await reported(operator, at_least=len(rows))
    coverage = stage.simulator.world.coverage.accounts()
    gaps = {row.id: [gap for gap in ledger(coverage, row).gaps(begun + 1e9) if gap.start > begun] for row in rows}
    assert gaps[kept.id] == []
    assert [len(gaps[row.id]) for row in lost] == [1] * len(lost)
    assert {gap.until is None for row in lost for gap in gaps[row.id]} == {False}
    # Four are made at first; a loss costs a create and, where the rival made one as well, one deletion.
    assert ours <= len(rows) + 3 * len(lost)
    assert max((twin.most for row in rows for twin in ledger(coverage, row).duplicates(begun + 1e9)), default=0) <= 1


def ledger(accounts: dict[str, Any], row: Row) -> Any:
    return accounts[row.mailbox.user_id].mailbox


async def reported(operator: Running, *, at_least: int) -> None:
    async def enough() -> bool:
        return (await operator.metric("graphmail_peer_changes_total") or 0) >= at_least

    await eventually(enough, "the metric tells of it")


async def test_where_the_rival_gives_a_shorter_life_than_we_want_each_of_its_renewals_costs_one_of_ours(
    stage: Stage,
) -> None:
    """Its 60 hours are within a lookahead of 72: each of its renewals makes one of ours due, and none makes two."""
    rows = [stage.add_delegated() for _ in range(3)]
    async with stage.operator(**OFTEN, MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD_MINUTES="4320"):
        await one_each(stage, rows)
        async with rival(stage, pause_seconds=1.0) as running:
            for _ in range(4):
                await running.has_swept()
            ours = writes(stage, running)
        await one_each(stage, rows)
    assert len(rows) < ours <= len(rows) + running.asked["PATCH"]


async def test_what_the_rival_deletes_of_a_neighbour_is_made_anew_with_our_mark_which_it_leaves_alone(
    stage: Stage,
) -> None:
    """Its clean-up takes every subscription of the app with the same URL and another id for an orphan.

    It has no neighbour to do that to the last one, which it makes anew itself as often as it deletes it. Where both make one at the same
    moment, its own is the spare one, and its next sweep deletes that.
    """
    rows = [stage.add_app_only() for _ in range(3)]
    theirs = {stage.subscribe(row).id for row in rows}
    async with stage.operator(**OFTEN), rival(stage, pause_seconds=3600) as running:
        await eventually(lambda: running.sweeps, "it has swept once")
        await eventually(lambda: all(stage.live(row) for row in rows), "all are covered again")
        await running.sweep()
        await eventually(lambda: len(ours(stage, rows)) >= len(rows) - 1, "all but one bear our mark")
        before = ours(stage, rows)
        await running.sweep()
        assert before <= {one.id for one in every(stage)}
        for row in rows:
            await eventually(lambda row=row: known_alike(stage, row), f"{row.address} is covered, and known alike")
    assert before.isdisjoint(theirs)


def ours(stage: Stage, rows: list[Row]) -> set[str]:
    """The subscriptions with our mark that all know as a mailbox's only one."""
    return {one.id for row in rows if agreed(stage, row) for one in stage.live(row) if "?gms=" in one.notification_url}


def every(stage: Stage) -> list[Any]:
    stage.simulator.world.settle()
    return stage.simulator.world.subscriptions.all()


async def test_the_error_that_a_rival_makes_of_one_throttled_call_stops_nothing_and_is_left_to_it(stage: Stage) -> None:
    row = stage.add_delegated()
    subscription = stage.subscribe(row, hours=5)
    stage.fault("list", answer="throttled", count=1)
    async with rival(stage, pause_seconds=3600) as running:
        await eventually(lambda: running.sweeps, "it has swept once")
    assert stage.product.provider(row.id)["status"] == "error"
    async with stage.operator():
        await stage.status_of(row, lambda status: status["lastRenewalTime"], "renewed all the same")
    assert [one.id for one in stage.live(row)] == [subscription.id]
    told = stage.product.provider(row.id)
    assert (told["status"], told["error_message"]) == ("error", "Graph answered 429")


# --- both rotate the tokens of one row ---------------------------------------------------------------------------------


class Lineage:
    """Which refresh token came of which; the simulator reads one and hands out the next in one go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parents: dict[str, str] = {}
        self._used = ""
        read, hand_out = Grants.read, Grants.refresh_token

        def reading(grants: Grants, token: str) -> RefreshToken | None:
            self._used = token
            return read(grants, token)

        def handing_out(grants: Grants, grant: Grant, at: float) -> str:
            made = hand_out(grants, grant, at)
            self.parents[made] = self._used
            return made

        monkeypatch.setattr(Grants, "read", reading)
        monkeypatch.setattr(Grants, "refresh_token", handing_out)


@pytest.fixture
def lineage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lineage]:
    return Lineage(monkeypatch)


def keep_history(stage: Stage) -> None:
    """From now on Postgres remembers who put which refresh token in the place of which."""
    stage.product.run(
        "CREATE TABLE history (id bigserial PRIMARY KEY, provider uuid, ours boolean, before text, after text)"
    )
    stage.product.run(
        "CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO history (provider, ours, before, after) VALUES (NEW.email_provider_id, "
        "current_setting('application_name') = 'graphmail', OLD.refresh_token, NEW.refresh_token); RETURN NEW; END $$"
    )
    stage.product.run(
        "CREATE TRIGGER remember AFTER UPDATE ON microsoft_email_provider_config FOR EACH ROW "
        "WHEN (OLD.refresh_token IS DISTINCT FROM NEW.refresh_token) EXECUTE FUNCTION remember()"
    )


def history(stage: Stage, row: Row) -> list[dict[str, Any]]:
    return stage.product.run("SELECT * FROM history WHERE provider = %s ORDER BY id", row.id)


async def test_while_both_rotate_the_tokens_none_is_lost_and_a_fresh_consent_is_never_overwritten(
    stage: Stage, lineage: Lineage
) -> None:
    rows = [stage.add_delegated() for _ in range(3)]
    stage.simulator.world.settings.access_token_minutes = 4  # too short for anybody to use one that another one fetched
    keep_history(stage)
    read = stage.simulator.world.grants.read
    async with stage.operator(**OFTEN), rival(stage, rotates=True) as running:
        await eventually(lambda: all(both_write(stage, row, 3) for row in rows), "both have rotated, again and again")
        fresh = {}
        for row in rows:
            async with running.resting:
                assert row.grant is not None
                stage.simulator.world.revoke(row.grant)
                stage.consent_anew(row)
                fresh[row.id] = stage.product.config(row.id)["refresh_token"]
        before = {row.id: len(history(stage, row)) for row in rows}
        await eventually(
            lambda: all(both_write(stage, row, 2, since=before[row.id]) for row in rows), "both rotate the new ones"
        )
        await one_each(stage, rows)
    for row in rows:
        written = history(stage, row)
        assert [one for one in written if one["ours"] and lineage.parents[one["after"]] != one["before"]] == []
        [consented] = [place for place, one in enumerate(written) if one["after"] == fresh[row.id]]
        assert all((token := read(one["after"])) is not None and token.current for one in written[consented:])
        last = read(stage.product.config(row.id)["refresh_token"])
        assert last is not None
        assert last.current
        assert stage.product.config(row.id)["token_expires_at"] > datetime.now(UTC)
        assert "ReauthorizationRequired" not in stage.event_reasons(row)


def both_write(stage: Stage, row: Row, times: int, *, since: int = 0) -> bool:
    ours = [one["ours"] for one in history(stage, row)[since:]]
    return min(ours.count(True), ours.count(False)) >= times
