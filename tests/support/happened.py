"""What is told of a mailbox, for tests to whom the rest does not matter; and somebody who listens."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg

from graphmail.database import MailboxState, ProviderEvent
from graphmail.provider import ProviderKey
from support.statements import statements

OCCURRED = datetime(2026, 11, 24, 12, tzinfo=UTC)


def state_of(key: ProviderKey, **fields: Any) -> MailboxState:
    """How a provider's mailbox stands."""
    given: dict[str, Any] = {
        "tenant": key.tenant,
        "provider_id": key.provider_id,
        "mailbox": f"box-{key.provider_id}@example.com",
        "namespace": "mail",
        "resource": "box-1",
        "subscription_id": "subscription-1",
        "expires_at": OCCURRED,
        "state": "covered",
        "reason": "Subscribed",
        "message": "covered",
        "what_to_do": "",
    }
    return MailboxState(**given | fields)


def event_of(key: ProviderKey, **fields: Any) -> ProviderEvent:
    """Something that happened to it."""
    given: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "tenant": key.tenant,
        "provider_id": key.provider_id,
        "mailbox": f"box-{key.provider_id}@example.com",
        "kind": "error_entered",
        "reason": "MailboxNotEnabled",
        "message": "the mailbox has no licence",
        "what_to_do": "Give it one.",
        "subscription_id": "subscription-1",
        "resource": "box-1",
        "occurred_at": OCCURRED,
    }
    return ProviderEvent(**given | fields)


class Listener:
    """Somebody who listens on the channel of docs/automation.md."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        connection.execute(statements("automation.md")["listen"].encode())

    def heard(self) -> list[str]:
        """The payloads since the last time. Postgres delivers what was committed before it answers the next statement."""
        self._connection.execute("SELECT 1")
        return [notification.payload for notification in self._connection.notifies(timeout=0)]


@contextmanager
def listening(url: str) -> Iterator[Listener]:
    """Somebody who listens, from now on."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield Listener(connection)
