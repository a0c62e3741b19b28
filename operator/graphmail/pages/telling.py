"""What the product's pages show is kept as the resources have it: written when something changes, never when nothing does.

What happened to a mailbox is found by the same looks, and told in the same statement.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from graphmail.database import REMOVED, Database, DatabaseError, DatabaseUnavailable, MailboxState, StateKey
from graphmail.fleet import Fleet
from graphmail.observability.metrics import Store
from graphmail.pages.account import account
from graphmail.pages.happenings import Happenings
from graphmail.pages.pausing import Pausing
from graphmail.resource import GraphMailSubscription
from graphmail.stores import Stores

_log = structlog.get_logger("graphmail.pages")

LOOK_SECONDS = 1.0
"""Between two looks at the memory, which ask nobody where nothing has changed."""
READ_AGAIN_SECONDS = 15 * 60.0
"""What somebody else has changed there is found out and mended after this."""
REFUSED_SECONDS = 15.0
AT_ONCE = 500
"""Mailboxes in one statement."""


class Telling:
    """Tells Postgres how the mailboxes of the memory stand. Begun once the memory is complete: what is not in it counts as removed.

    Args:
        happenings: what happened to them and is to be told.
        pausing: pauses inbound mail; None: nothing is written to the product's tables.
        events_kept: older events are deleted; None: never.
    """

    def __init__(
        self,
        database: Database,
        fleet: Fleet,
        stores: Stores,
        namespace: str,
        *,
        happenings: Happenings,
        pausing: Pausing | None,
        events_kept: timedelta | None,
    ) -> None:
        self._database = database
        self._fleet = fleet
        self._stores = stores
        self._namespace = namespace
        self._happenings = happenings
        self._pausing = pausing
        self._events_kept = events_kept
        self._read_at: float | None = None
        self._written: dict[StateKey, MailboxState] = {}
        """As Postgres has it."""
        self._seen: dict[str, tuple[GraphMailSubscription, StateKey | None]] = {}
        """The resources of the last look, by name, and the mailbox that each is about."""
        self._unwritten: dict[StateKey, MailboxState] = {}

    async def run(self, *, look_seconds: float = LOOK_SECONDS) -> None:
        """Tell until cancelled. While a store is away, or the lease is not ours, nothing is lost: what is missed is written afterwards."""
        while True:
            pause = look_seconds
            if not self._stores.away:
                try:
                    await self.tell()
                except DatabaseUnavailable:
                    self._stores.lost(Store.POSTGRES)
                except DatabaseError as error:
                    _log.error("Postgres refuses what the product's pages show, and is asked again", error=str(error))
                    pause = REFUSED_SECONDS
            elif self._read_at is not None:
                await self._look()
            await asyncio.sleep(pause)

    async def tell(self) -> int:
        """Write what has changed. Returns for how many mailboxes.

        Raises:
            DatabaseError: Postgres could not be asked, or refused.
        """
        if self._read_at is None or time.monotonic() - self._read_at >= READ_AGAIN_SECONDS:
            await self._read()
        await self._look()
        count = len(self._unwritten)
        while self._unwritten:
            await self._write(list(self._unwritten.values())[:AT_ONCE])
        return count

    async def _read(self) -> None:
        """All that was told is compared anew, and what is old is let go."""
        told = await self._database.mailbox_states(self._namespace)
        self._read_at = time.monotonic()
        self._written = {state.key: state for state in told if state.state != REMOVED}
        self._happenings.read(told)
        self._seen, self._unwritten = {}, {}
        await self._look()
        standing = {key for _, key in self._seen.values()}
        for key in self._written.keys() - standing:
            self._remove(key)
        await self._tidy()

    async def _tidy(self) -> None:
        if self._pausing is not None:
            seen = self._seen.values()
            await self._pausing.mend(
                resource for resource, key in seen if key is not None and not self._happenings.needs_sign_in(key)
            )
        if self._events_kept is not None:
            await self._database.forget_provider_events(self._events_kept)

    async def _look(self) -> None:
        """A resource that is the very one of the last look has nothing new to tell."""
        looked = 0
        for entry in self._fleet:
            name, resource = entry.resource.metadata.name, entry.resource
            before = self._seen.get(name)
            if before is not None and before[0] is resource:
                continue
            self._note(name, resource)
            looked += 1
            if looked % AT_ONCE == 0:
                await asyncio.sleep(0)
        if len(self._seen) > len(self._fleet):
            self._let_go([name for name in self._seen if self._fleet.get(name) is None])

    def _note(self, name: str, resource: GraphMailSubscription) -> None:
        state = account(resource)
        self._seen[name] = (resource, None if state is None else state.key)
        if state is None:
            return
        state = self._happenings.note(resource, state)
        if self._written.get(state.key) == state:
            self._unwritten.pop(state.key, None)
        else:
            self._unwritten[state.key] = state

    def _let_go(self, names: Sequence[str]) -> None:
        for name in names:
            _, key = self._seen.pop(name)
            if key is not None:
                self._remove(key)

    def _remove(self, key: StateKey) -> None:
        self._happenings.forget(key)
        told = self._written.get(key)
        if told is None:
            self._unwritten.pop(key, None)
        else:
            self._unwritten[key] = replace(told, state=REMOVED, what_to_do="", next_renewal_at=None)

    async def _write(self, states: Sequence[MailboxState]) -> None:
        events = self._happenings.kept(states)
        if self._pausing is not None:
            await self._pausing.act(events)
        try:
            await self._database.tell_mailbox_states(states, events)
        except DatabaseError:
            self._read_at = float("-inf")  # it may have been done all the same
            raise
        self._happenings.told(states)
        for state in states:
            if self._unwritten.get(state.key) is state:
                del self._unwritten[state.key]
            if state.state == REMOVED:
                self._written.pop(state.key, None)
            else:
                self._written[state.key] = state
