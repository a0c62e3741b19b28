"""Events about providers, with the whole operator: told when a trouble begins and when it ends, by the statements of docs/automation.md."""

import asyncio
import contextlib
import json
import re
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from graphmail.database import Database
from graphmail.provider import ProviderKey
from support.happened import Listener, event_of, listening, state_of
from support.stage import Row, Stage
from support.statements import DOCS, bound, statements
from support.waiting import eventually

SQL = statements("automation.md")
BEGUN, ENDED = ["sign_in_required", "error_entered"], ["sign_in_restored", "error_left"]


class Automation:
    """A part of the product that acts upon events, under a role that has the document's rights and no others."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]], listener: Listener) -> None:
        self._connection = connection
        self._listener = listener
        self._heard: list[dict[str, Any]] = []

    def run(self, name: str, **values: Any) -> list[dict[str, Any]]:
        """Run a statement of the document."""
        return self._connection.execute(bound(SQL[name]).encode(), values).fetchall()

    def execute(self, statement: str) -> None:
        """Run any other statement, with the same rights."""
        self._connection.execute(statement.encode())

    def history(self, row: Row) -> list[str]:
        """The kinds of all that happened to a provider."""
        return [found["kind"] for found in self.run("history", tenant=row.tenant, provider=row.id)]

    def heard(self, row: Row) -> list[str]:
        """The kinds of all that was told of a provider on the channel."""
        self._heard += map(json.loads, self._listener.heard())
        return [told["kind"] for told in self._heard if told["provider_id"] == row.id]

    async def hears(self, row: Row, kinds: list[str]) -> None:
        """Return once these were told, and stand in the table; no others."""
        await eventually(lambda: len(self.heard(row)) >= len(kinds), f"{row.address}: {kinds}")
        assert self.heard(row) == self.history(row) == kinds


@pytest.fixture
def automation(stage: Stage) -> Iterator[Automation]:
    role = f"automation_{uuid.uuid4().hex[:12]}"
    with (
        psycopg.connect(stage.product.url, autocommit=True, row_factory=dict_row) as connection,
        listening(stage.product.url) as listener,
    ):
        connection.execute(f"CREATE ROLE {role}".encode())
        connection.execute(SQL["grants"].replace("desk_automation", role).encode())
        connection.execute(f"SET ROLE {role}".encode())
        yield Automation(connection, listener)


async def revoked(stage: Stage, row: Row) -> None:
    """The person withdraws the consent, and the operator finds out."""
    rule = stage.withdraw_consent(row)
    stage.request_renewal(row, str(uuid.uuid4()))
    await stage.status_of(row, lambda status: "Stalled" in str(status["conditions"]), "Stalled")
    stage.simulator.faults.clear([rule.id])


async def test_a_revoked_consent_is_told_and_so_is_the_new_one(stage: Stage, automation: Automation) -> None:
    row = stage.add_delegated()
    async with stage.operator():
        await stage.ready(row)
        await revoked(stage, row)
        await automation.hears(row, BEGUN)
        await eventually(lambda: "ReauthorizationRequired" in stage.event_reasons(row), "people are told as well")
        stage.consent_anew(row)
        await automation.hears(row, BEGUN + ENDED)
    told = automation.run("since", position=0)[0]
    assert (told["reason"], told["mailbox"]) == ("ReauthorizationRequired", row.address)
    assert told["what_to_do"] == "The mailbox's owner signs in again in the product, and consents."
    assert [found["kind"] for found in automation.run("errors")] == ["error_left"]


async def test_an_operator_that_begins_tells_what_happened_meanwhile_and_nothing_twice(
    stage: Stage, automation: Automation
) -> None:
    row, other = stage.add_delegated(), stage.add_delegated()
    assert row.grant is not None
    stage.simulator.world.revoke(row.grant)
    async with stage.operator():
        await automation.hears(row, BEGUN)
        await stage.ready(other)
    async with stage.operator():
        await revoked(stage, other)
        await automation.hears(other, BEGUN)
        assert automation.heard(row) == BEGUN
    stage.consent_anew(row)
    async with stage.operator():
        await automation.hears(row, BEGUN + ENDED)
    assert automation.heard(other) == BEGUN


async def test_two_operators_that_both_act_tell_each_event_once(stage: Stage, automation: Automation) -> None:
    row = stage.add_delegated()
    both_act = {"GRAPHMAIL_LEADER_ELECTION": "false", "GRAPHMAIL_PAUSE_INBOUND": "true"}
    async with stage.operator(**both_act), stage.operator(**both_act):
        await stage.ready(row)
        await revoked(stage, row)
        await automation.hears(row, BEGUN)
        stage.consent_anew(row)
        await automation.hears(row, BEGUN + ENDED)
        await eventually(lambda: not stage.product.provider(row.id)["inbound_paused_at"], "resumed")
    async with stage.operator(**both_act):
        await revoked(stage, row)
        await automation.hears(row, BEGUN + ENDED + BEGUN)


async def test_what_happens_while_postgres_takes_nothing_is_told_when_it_does(
    stage: Stage, automation: Automation
) -> None:
    row = stage.add_app_only()
    async with stage.operator():
        await stage.ready(row)
        with stage.product.locked("graphmail.mailbox_states"):
            stage.fault("patch", answer="mailbox-not-enabled", mailbox=row.address)
            stage.request_renewal(row, "now")
            await stage.status_of(row, lambda status: "Stalled" in str(status["conditions"]), "Stalled")
            assert automation.heard(row) == []
        await automation.hears(row, ["error_entered"])


async def test_inbound_mail_is_paused_until_somebody_signs_in_and_only_where_nobody_else_has_paused_it(
    stage: Stage, automation: Automation
) -> None:
    row, manual = stage.add_delegated(), stage.add_delegated()
    async with stage.operator(GRAPHMAIL_PAUSE_INBOUND="true"):
        await stage.ready(row)
        await stage.ready(manual)
        await revoked(stage, row)
        await automation.hears(row, BEGUN)
        assert stage.product.provider(row.id)["inbound_pause_reason"] == "auth_failure"
        stage.consent_anew(row)
        await automation.hears(row, BEGUN + ENDED)
        assert stage.product.provider(row.id)["inbound_paused_at"] is None
        await revoked(stage, manual)
        await automation.hears(manual, BEGUN)
        stage.product.set_provider(manual.id, inbound_paused_at=datetime.now(UTC), inbound_pause_reason="auth_failure")
        stage.consent_anew(manual)
        await automation.hears(manual, BEGUN + ENDED)
    assert stage.product.provider(manual.id)["inbound_pause_reason"] == "auth_failure"


async def test_unless_it_is_asked_for_nothing_is_paused(stage: Stage, automation: Automation) -> None:
    row = stage.add_delegated()
    assert row.grant is not None
    stage.simulator.world.revoke(row.grant)
    async with stage.operator():
        await automation.hears(row, BEGUN)
    assert stage.product.provider(row.id)["inbound_paused_at"] is None


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM graphmail.mailbox_states",
        "SELECT * FROM graphmail.inbound_pauses",
        "DELETE FROM graphmail.provider_events",
        "INSERT INTO graphmail.provider_events (id) VALUES (gen_random_uuid())",
    ],
)
async def test_whoever_reads_events_may_do_nothing_else(automation: Automation, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        automation.execute(statement)


# --- the listener of the document ------------------------------------------------------------------------------------


def listener_of_the_document(folder: Path) -> Path:
    text = (DOCS / "automation.md").read_text(encoding="utf-8")
    [code] = re.findall(r"<!-- listener -->\n```python\n(.*?)```", text, re.DOTALL)
    path = folder / "listener.py"
    path.write_text(code, encoding="utf-8")
    return path


@asynccontextmanager
async def printing(script: Path, *arguments: str) -> AsyncIterator[asyncio.StreamReader]:
    """What the script prints while it runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_the_documents_listener_prints_what_was_told_before_and_what_is_told_now_each_once(
    stage: Stage, automation: Automation, tmp_path: Path
) -> None:
    row = stage.add_app_only()
    key = ProviderKey(row.tenant, row.id)
    kinds = ["sign_in_required", "sign_in_restored", "silent"]
    async with (
        Database.open(stage.product.url, holder="test") as database,
        printing(listener_of_the_document(tmp_path), stage.product.url, "0") as printed,
    ):
        for kind in kinds:
            await database.tell_mailbox_states([state_of(key)], [event_of(key, kind=kind)])
            line = (await asyncio.wait_for(printed.readline(), 240)).decode().split()
            assert line[1:3] == [kind, row.id]
    assert automation.heard(row) == kinds
