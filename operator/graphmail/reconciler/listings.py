"""What the list of a credential's subscriptions shows of ours, read once for all who look for a lost answer.

Graph allows 25 pages in 20 seconds for an app in one tenant (Graph's contract), so a long list takes longer than a piece of work may. The
reading goes on when whoever began it gives up, and the next one who asks finds it further, or done.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from graphmail.graph import Marker, Subscription, read_marker
from graphmail.graph.flights import take_note

KEPT = timedelta(minutes=30)
"""After this a list counts for nothing any more, and is forgotten."""
_CLOCK_MOVES = timedelta(seconds=2)
"""The time at Graph is known to about a second, by the `Date` of its answers; before the first one it is the clock of this machine."""

Read = Callable[[], Awaitable[list[Subscription]]]


@dataclass(frozen=True, slots=True)
class _Listing:
    started_at: datetime
    task: "asyncio.Task[dict[Marker, list[Subscription]]]"


class Listings:
    """One list for each credential.

    Args:
        installation: only subscriptions that carry its mark are kept.
    """

    def __init__(self, installation: str) -> None:
        self._installation = installation
        self._listings: dict[str, _Listing] = {}

    async def marked(
        self, key: str, marker: Marker, read: Read, *, now: datetime, since: datetime
    ) -> list[Subscription]:
        """The subscriptions with that marker. Absence from a list proves nothing.

        Args:
            key: whose list it is.
            read: reads it.
            now: when it would be begun.
            since: a list that was begun before this does not show what is looked for. Nor does one that seems to begin in the
                future: the clock has been set back since, and nobody can tell when it was.

        Raises:
            MicrosoftError: the list could not be read.
        """
        self._forget(now)
        listing = self._listings.get(key)
        if listing is None or _failed(listing.task) or not since <= listing.started_at <= now + _CLOCK_MOVES:
            task = asyncio.create_task(self._collect(read), name=f"list of {key}")
            task.add_done_callback(take_note)
            listing = self._listings[key] = _Listing(now, task)
        found = await asyncio.shield(listing.task)
        return found.get(marker, [])

    async def _collect(self, read: Read) -> dict[Marker, list[Subscription]]:
        found: dict[Marker, list[Subscription]] = {}
        for subscription in await read():
            marker = read_marker(subscription.notification_url)
            if marker is not None and marker.installation == self._installation:
                found.setdefault(marker, []).append(subscription)
        return found

    def _forget(self, now: datetime) -> None:
        for key, listing in list(self._listings.items()):
            if listing.task.done() and now - listing.started_at > KEPT:
                del self._listings[key]


def _failed(task: "asyncio.Task[dict[Marker, list[Subscription]]]") -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
