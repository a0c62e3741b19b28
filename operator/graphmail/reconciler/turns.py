"""Whose turn it is, before anything is claimed: a claim that waited for quota would keep others out, and run out itself.

Graph counts for the Entra tenant of the token, which is only known after the first sign-in where a row says `common`. Until then the
domain of the mailbox stands for it: mailboxes of one domain are in one tenant.
"""

import asyncio
from datetime import datetime

from graphmail.decision import Action, Step
from graphmail.fleet import Entry
from graphmail.graph import Budget, CallKind, NoTurn, Priority, Spender, Turn
from graphmail.provider import SHARED_DIRECTORIES
from graphmail.resource import GraphMailSubscription

LONGEST_WAIT = 60.0
"""Seconds; whoever waits longer lines up again, and keeps the place that urgency gives."""

_KINDS = {Action.VERIFY: CallKind.READ, Action.ADOPT: CallKind.READ, Action.CHECK_DELIVERY: CallKind.MAIL}


class Hurried(Exception):
    """The wait was ended, since something has changed meanwhile: decide again."""


class Turns:
    """Waits for turns, and remembers which Entra tenant a domain belongs to."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._directories: dict[str, str] = {}

    def spender(
        self, resource: GraphMailSubscription, spends_as: tuple[str, str], priority: Priority, until: datetime | None
    ) -> Spender:
        """On whose behalf work on that mailbox spends, as far as it is known before the sign-in.

        Args:
            spends_as: the app, and the directory as the credential names it.
            until: how long the mailbox is covered; None: it is not.
        """
        app, directory = spends_as
        key = _key(resource, directory)
        return Spender(
            app=app,
            directory=self._directories.get(key, key),
            mailbox=resource.spec.mailbox,
            expires_at=until,
            priority=priority,
        )

    def learn(self, resource: GraphMailSubscription, named: str, directory: str) -> None:
        """The sign-in has told the Entra tenant of a directory's name."""
        self._directories[_key(resource, named)] = directory

    async def wait(self, entry: Entry, step: Step, spender: Spender) -> Turn:
        """Wait for the turn of a step's first call. A change of the resource ends the wait.

        Raises:
            NoTurn: it did not come in time, or the tenant or the mailbox is on hold for longer than that.
            Hurried: decide again.
        """
        kind = _KINDS.get(step.decision.action, CallKind.WRITE)
        wait = asyncio.ensure_future(self._budget.acquire(kind, spender, give_up=LONGEST_WAIT))
        entry.waiting = wait
        try:
            return await wait
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise Hurried from None
        finally:
            entry.waiting = None


def told_to_wait(error: NoTurn) -> bool:
    """Graph said for how long: that is told in the status. To stand in line is nobody's concern."""
    return error.retry_after is not None


def _key(resource: GraphMailSubscription, directory: str) -> str:
    return resource.spec.mailbox.rpartition("@")[2].lower() if directory in SHARED_DIRECTORIES else directory
