"""Postgres is there, and refuses: a privilege is taken away while the operator runs, or a row offends a constraint (design, rule 5)."""

import time
import uuid
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from structlog.testing import capture_logs

from graphmail.database import migrate
from support.due import BY_TICKS, renewed_again
from support.stage import Row, Stage, condition_reason, condition_status
from support.waiting import eventually


@pytest.fixture
async def role(stage: Stage) -> AsyncIterator[str]:
    """The operator's own, with what it needs and nothing else."""
    name = f"operator_{uuid.uuid4().hex[:12]}"
    stage.product.run(f"CREATE ROLE {name} LOGIN")
    await migrate(stage.product.url, grant_to=name)
    yield name
    stage.product.run(f"DROP OWNED BY {name}")
    stage.product.run(f"DROP ROLE {name}")


def as_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))


TAKEN_AWAY = ("UPDATE ON graphmail.claims", "SELECT ON email_providers", "UPDATE ON email_provider_health")
"""What keeps from claiming, from reading the row, and from telling it what came of the work."""

REFUSES = ("Postgres refuses the work", "Postgres refuses an outcome")


@pytest.mark.parametrize("privilege", TAKEN_AWAY)
async def test_without_a_privilege_renewals_go_on_and_the_row_is_told_once_it_is_granted_again(
    stage: Stage, role: str, privilege: str
) -> None:
    rows = [stage.add_app_only(), stage.add_delegated()]
    with capture_logs() as lines:
        async with stage.operator(**BY_TICKS, GRAPHMAIL_DATABASE_URL=as_role(stage.product.url, role)) as operator:
            for row in rows:
                await stage.ready(row)
            stage.product.run(f"REVOKE {privilege} FROM {role}")
            for _ in range(2):
                await renewed_again(stage, *rows)
            for row in rows:
                await unsynced(stage, row)
            told = [line for line in lines if line["log_level"] == "error" and line["event"].startswith(REFUSES)]
            assert len(told) == 1
            assert "permission denied" in told[0]["error"]
            assert "GRANT statements in docs/database.md" in told[0]["error"]
            assert await operator.metric("graphmail_reconcile_errors_total", reason="Defect") in {None, 0}
            stage.product.run(f"GRANT {privilege.replace(' ON', ' ON TABLE')} TO {role}")
            for row in rows:
                await stage.status_of(row, lambda status: condition_status(status, "Synced") == "True", "told")
                await stage.covered_once(row)
    assert [stage.calls(row, "create") for row in rows] == [1, 1]


async def unsynced(stage: Stage, row: Row) -> None:
    status = await stage.status_of(row, lambda status: condition_status(status, "Synced") == "False", "not told")
    assert condition_reason(status, "Synced") == "PostgresUnavailable"
    assert condition_status(status, "Ready") == "True"


async def test_what_graph_has_lost_is_not_made_anew_while_it_could_not_be_written_down(stage: Stage, role: str) -> None:
    row = stage.add_delegated()
    async with stage.operator(**BY_TICKS, GRAPHMAIL_DATABASE_URL=as_role(stage.product.url, role)):
        await stage.ready(row)
        stage.product.run(f"REVOKE UPDATE ON graphmail.claims FROM {role}")
        stage.simulator.world.end_subscription(stage.live(row)[0], "dropped")
        await eventually(lambda: any(call.status == 404 for call in stage.log(row, "get")), "the loss is seen")
        await stage.status_of(row, lambda status: "subscriptionID" not in status, "it is told")
        assert stage.calls(row, "create") == 1
        stage.product.run(f"GRANT UPDATE ON graphmail.claims TO {role}")
        await stage.ready(row)
        await stage.covered_once(row)
    assert stage.calls(row, "create") == 2


async def test_an_outcome_that_one_row_refuses_leaves_its_provider_free_and_is_tried_seldom(stage: Stage) -> None:
    refused, other = stage.add_app_only(), stage.add_app_only()
    async with stage.operator(**BY_TICKS):
        await stage.ready(refused)
        claims, begun = stage.product.work_done(refused.id), time.monotonic()
        stage.product.run(
            f"ALTER TABLE email_provider_health ADD CONSTRAINT not_this CHECK (provider_id <> '{refused.id}') NOT VALID"
        )
        await renewed_again(stage, refused)
        await unsynced(stage, refused)
        held = "SELECT * FROM graphmail.claims WHERE until IS NOT NULL AND provider_id = %s"
        await eventually(lambda: not stage.product.run(held, refused.id), "the claim is given back")
        await renewed_again(stage, other)
        await renewed_again(stage, refused)
        # Beside them each look at Graph takes one, every few seconds.
        assert stage.product.work_done(refused.id) - claims < 12 + time.monotonic() - begun
        stage.product.run("ALTER TABLE email_provider_health DROP CONSTRAINT not_this")
        await stage.status_of(refused, lambda status: condition_status(status, "Synced") == "True", "told")
