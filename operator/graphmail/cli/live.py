"""Mailboxes as they change: on a terminal the table, drawn again; in a pipe a line for each mailbox whose words change."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from graphmail.cli.output import Screen
from graphmail.cli.situation import Situation, situation, sorted_situations
from graphmail.cluster import Cluster
from graphmail.resource import GraphMailSubscription
from graphmail.resource.moments import write_time
from graphmail.watching import SUBSCRIPTIONS, Change, changes

GATHER_SECONDS = 0.5
"""Changes within this time are drawn together."""
REDRAW_SECONDS = 15.0
"""The table is drawn again after this time without a change, since its spans count from now."""

Draw = Callable[[Sequence[Situation], datetime], None]


async def live(cluster: Cluster, screen: Screen, draw: Draw, wants: Callable[[Situation], bool]) -> None:
    """Show the mailboxes until somebody stops it.

    Args:
        draw: prints the whole page; on a terminal alone.
        wants: which mailboxes are shown.

    Raises:
        ClusterError: the API server refuses.
    """
    book = Book(wants)
    async with aclosing(changes(cluster, SUBSCRIPTIONS)) as feed:
        if screen.terminal:
            await _redraw(book, feed, screen, draw)
            return
        async for news in feed:
            for text in book.take(news, datetime.now(UTC)):
                screen.say(text)


class Book:
    """The mailboxes as they were last told.

    Args:
        wants: which of them are told at all; one that is wanted no more is told once, as it stands then.
    """

    def __init__(self, wants: Callable[[Situation], bool]) -> None:
        self.resources: dict[str, GraphMailSubscription] = {}
        self._wants = wants
        self._told: dict[str, str] = {}

    def take(self, news: Sequence[Change], now: datetime) -> list[str]:
        """Note the changes; a line for each mailbox whose words are others than those that were told."""
        return [text for change in news if (text := self._one(change, now)) is not None]

    def _one(self, change: Change, now: datetime) -> str | None:
        before = self._told.get(change.name)
        resource = _parsed(change)
        if resource is None:
            gone = self.resources.pop(change.name, None)
            self._told.pop(change.name, None)
            return f"{write_time(now)}  {gone.spec.mailbox}  gone" if gone is not None and before is not None else None
        self.resources[change.name] = resource
        one = situation(resource, now)
        words = told(one)
        if not self._wants(one):
            self._told.pop(change.name, None)
            return f"{write_time(now)}  {words}" if before is not None else None
        self._told[change.name] = words
        return f"{write_time(now)}  {words}" if words != before else None


def told(one: Situation) -> str:
    """How a mailbox stands, in one line without a span: it is only told again when it changes."""
    expiry = one.resource.status.expiration_time
    parts = [
        one.resource.spec.mailbox,
        f"ready={one.ready.value}",
        f"expires={write_time(expiry) if expiry else '-'}",
        f"failures={one.resource.status.consecutive_failures}",
    ]
    return "  ".join([*parts, *([f"{one.reason}: {one.message}"] if one.reason else [])])


def _parsed(change: Change) -> GraphMailSubscription | None:
    if change.body is None:
        return None
    try:
        return GraphMailSubscription.parse(change.body)
    except ValidationError:
        return None


async def _redraw(book: Book, feed: AsyncIterator[list[Change]], screen: Screen, draw: Draw) -> None:
    changed = asyncio.Event()

    async def take() -> None:
        async for news in feed:
            book.take(news, datetime.now(UTC))
            changed.set()

    taking = asyncio.ensure_future(take())
    try:
        await _first(changed, taking)
        while not taking.done():
            changed.clear()
            now = datetime.now(UTC)
            found = sorted_situations(book.resources.values(), now)
            screen.clear()
            draw(found, now)
            screen.say(f"{now.astimezone():%H:%M:%S}, as it changes; Ctrl-C ends it")
            await asyncio.sleep(GATHER_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(_first(changed, taking), REDRAW_SECONDS)
        await taking
    finally:
        taking.cancel()
        await asyncio.wait({taking})  # the feed can only be closed when nobody waits for it


async def _first(changed: asyncio.Event, taking: asyncio.Future[None]) -> None:
    """Wait for a change, or for the end of the watch."""
    waiting = asyncio.ensure_future(changed.wait())
    either: set[asyncio.Future[Any]] = {waiting, taking}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
