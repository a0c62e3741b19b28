"""Events about providers: a row and a notification in one statement, each once."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from graphmail.database import Database, StatementFailed
from graphmail.provider import ProviderKey
from support.happened import OCCURRED, Listener, event_of, listening, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def listener(product: Any) -> Iterator[Listener]:
    with listening(product.url) as opened:
        yield opened


def rows(product: Any, key: ProviderKey) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = product.run(
        "SELECT * FROM graphmail.provider_events WHERE provider_id = %s ORDER BY position", key.provider_id
    )
    return found


async def test_an_event_is_a_row_and_a_notification_with_what_the_document_says(
    product: Any, database: Database, listener: Listener
) -> None:
    key = product.provider()
    event = event_of(key)
    await database.tell_mailbox_states([state_of(key)], [event])
    [row] = rows(product, key)
    [payload] = listener.heard()
    assert json.loads(payload) == {
        "version": 1,
        "position": row["position"],
        "id": event.id,
        "kind": "error_entered",
        "tenant": key.tenant,
        "provider_id": key.provider_id,
        "reason": "MailboxNotEnabled",
        "occurred_at": "2026-11-24T12:00:00Z",
        "subscription_id": "subscription-1",
        "resource": "box-1",
    }
    assert (str(row["id"]), row["message"], row["what_to_do"]) == (event.id, event.message, event.what_to_do)
    assert row["occurred_at"] == OCCURRED


async def test_what_is_told_again_is_told_once(product: Any, database: Database, listener: Listener) -> None:
    key = product.provider()
    first, second = event_of(key), event_of(key, kind="error_left")
    await database.tell_mailbox_states([state_of(key)], [first])
    await database.tell_mailbox_states([state_of(key)], [first, second])
    assert [row["kind"] for row in rows(product, key)] == ["error_entered", "error_left"]
    assert [json.loads(payload)["kind"] for payload in listener.heard()] == ["error_entered", "error_left"]


async def test_what_postgres_refuses_leaves_neither_row_nor_notification(
    product: Any, database: Database, listener: Listener
) -> None:
    key = product.provider()
    states = [state_of(key), state_of(key)]  # a mailbox twice in one statement is refused
    with pytest.raises(StatementFailed):
        await database.tell_mailbox_states(states, [event_of(key)])
    assert rows(product, key) == []
    assert listener.heard() == []


async def test_events_of_one_statement_are_told_in_their_order(
    product: Any, database: Database, listener: Listener
) -> None:
    key = product.provider()
    kinds = ["sign_in_required", "error_entered", "silent", "recovered"] * 100
    await database.tell_mailbox_states([state_of(key)], [event_of(key, kind=kind) for kind in kinds])
    assert [row["kind"] for row in rows(product, key)] == kinds
    told = [json.loads(payload) for payload in listener.heard()]
    assert [one["kind"] for one in told] == kinds
    assert [one["position"] for one in told] == sorted(one["position"] for one in told)


@pytest.mark.parametrize("character", ["x", '"', "\x01", "\U0001f4ec", "\x00"])
async def test_no_text_makes_a_payload_longer_than_postgres_allows(
    product: Any, database: Database, listener: Listener, character: str
) -> None:
    key = product.provider()
    long = character * 20_000
    event = event_of(key, reason=long, message=long, what_to_do=long, subscription_id=long, resource=long)
    await database.tell_mailbox_states([state_of(key, message=long)], [event])
    [payload] = listener.heard()
    assert len(payload.encode()) < 8000
    assert json.loads(payload)["id"] == event.id
    assert rows(product, key)[0]["message"] == long.replace("\x00", "")


async def test_no_address_and_no_text_of_microsofts_is_in_the_payload(
    product: Any, database: Database, listener: Listener
) -> None:
    key = product.provider()
    event = event_of(key, message="a text of Microsoft's")
    await database.tell_mailbox_states([state_of(key)], [event])
    [payload] = listener.heard()
    assert event.mailbox not in payload
    assert event.message not in payload


async def test_old_events_are_forgotten_and_the_others_kept(product: Any, database: Database) -> None:
    key = product.provider()
    await database.tell_mailbox_states([state_of(key)], [event_of(key), event_of(key, kind="error_left")])
    product.run(
        "UPDATE graphmail.provider_events SET told_at = now() - interval '91 days' WHERE provider_id = %s AND kind = 'error_entered'",
        key.provider_id,
    )
    assert await database.forget_provider_events(timedelta(days=90)) >= 1
    assert [row["kind"] for row in rows(product, key)] == ["error_left"]


async def test_what_was_told_is_read_back_of_mailboxes_that_are_removed_too(product: Any, database: Database) -> None:
    key = product.provider()
    told = state_of(key, namespace=key.tenant, troubles="error", events=7, events_as_of=OCCURRED, missed_at=OCCURRED)
    told = dataclasses.replace(told, state="removed")
    await database.tell_mailbox_states([told])
    assert await database.mailbox_states(key.tenant) == [told]


async def test_the_number_of_events_never_falls_whoever_writes_it(product: Any, database: Database) -> None:
    key = product.provider()
    newer = state_of(key, namespace=key.tenant, events=7, events_as_of=OCCURRED)
    older = state_of(key, namespace=key.tenant, events=2, events_as_of=None)
    for state in (newer, older):
        await database.tell_mailbox_states([state])
    [found] = await database.mailbox_states(key.tenant)
    assert (found.events, found.events_as_of) == (7, OCCURRED)
