"""What the product's pages show is kept as the resources have it: written when something changes, never when nothing does."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import structlog

from graphmail.database import REMOVED, Database, DatabaseError, DatabaseUnavailable, MailboxState, StateKey
from graphmail.fleet import Fleet
from graphmail.observability.metrics import Store
from graphmail.pages.account import account
from graphmail.resource import GraphMailSubscription
from graphmail.stores import Stores

_log = structlog.get_logger("graphmail.pages")

LOOK_SECONDS = 1.0
"""Between two looks at the memory, which ask nobody where nothing has changed."""
READ_AGAIN_SECONDS = 15 * 60.0
"""What somebody else has changed there is found out and mended after this."""
AT_ONCE = 500
"""Mailboxes in one statement."""


class Telling:
    """Tells Postgres how the mailboxes of the memory stand. Begun once the memory is complete: what is not in it counts as removed."""

    def __init__(self, database: Database, fleet: Fleet, stores: Stores, namespace: str) -> None:
        self._database = database
        self._fleet = fleet
        self._stores = stores
        self._namespace = namespace
        self._written: dict[StateKey, MailboxState] = {}
        self._read_at: float | None = None
        self._seen: dict[str, tuple[GraphMailSubscription, MailboxState | None]] = {}

    async def run(self, *, look_seconds: float = LOOK_SECONDS) -> None:
        """Tell until cancelled. While Postgres is away nothing is lost: what it holds is compared again."""
        while True:
            if self._stores.up(Store.POSTGRES):
                try:
                    await self.tell()
                except DatabaseUnavailable:
                    self._stores.lost(Store.POSTGRES)
                except DatabaseError as error:
                    _log.error("Postgres refuses what the product's pages show", error=str(error))
                    await asyncio.sleep(READ_AGAIN_SECONDS / 60)
            await asyncio.sleep(look_seconds)

    async def tell(self) -> int:
        """Write what has changed. Returns for how many mailboxes.

        Raises:
            DatabaseError: Postgres could not be asked, or refused.
        """
        if self._read_at is None or time.monotonic() - self._read_at >= READ_AGAIN_SECONDS:
            self._written = {state.key: state for state in await self._database.mailbox_states(self._namespace)}
            self._read_at = time.monotonic()
        changed = self._changed()
        for start in range(0, len(changed), AT_ONCE):
            await self._write(changed[start : start + AT_ONCE])
        return len(changed)

    async def _write(self, states: Sequence[MailboxState]) -> None:
        await self._database.tell_mailbox_states(states)
        for state in states:
            if state.state == REMOVED:
                self._written.pop(state.key, None)
            else:
                self._written[state.key] = state

    def _changed(self) -> list[MailboxState]:
        standing = self._standing()
        changed = [state for key, state in standing.items() if self._written.get(key) != state]
        gone = [state for key, state in self._written.items() if key not in standing]
        return changed + [replace(state, state=REMOVED, what_to_do="", next_renewal_at=None) for state in gone]

    def _standing(self) -> dict[StateKey, MailboxState]:
        """Of each mailbox. A resource that is the very one of the last look is not read again."""
        seen, standing = {}, {}
        for entry in self._fleet:
            name, resource = entry.resource.metadata.name, entry.resource
            before = self._seen.get(name)
            told = before if before is not None and before[0] is resource else (resource, account(resource))
            seen[name] = told
            if told[1] is not None:
                standing[told[1].key] = told[1]
        self._seen = seen
        return standing
