"""Outlook's own limit: four calls at once for an app and mailbox, and what it says about one mailbox alone."""

import asyncio
from collections.abc import Callable

from graphmail.graph.spending import Spender

Key = tuple[str, str]


class Mailboxes:
    """Lets a mailbox's calls pass, or keeps them until one of them is over. It is seldom that one must be kept."""

    def __init__(self, at_once: int, clock: Callable[[], float]) -> None:
        self._at_once = at_once
        self._clock = clock
        self._inside: dict[Key, int] = {}
        self._held: dict[Key, float] = {}
        self._kept: dict[Key, list[Callable[[], None]]] = {}

    def enter(self, spender: Spender, now: float, *, on_leave: Callable[[], None]) -> bool:
        """Whether the call may pass now; if not, `on_leave` is called when it may try again."""
        key = self._key(spender)
        inside = self._inside.get(key, 0)
        held = self._held.get(key, 0.0) > now
        if inside >= self._at_once or held:
            self._kept.setdefault(key, []).append(on_leave)
            return False
        self._inside[key] = inside + 1
        return True

    def leave(self, spender: Spender) -> None:
        """A call that passed is over."""
        key = self._key(spender)
        inside = self._inside.pop(key) - 1
        if inside:
            self._inside[key] = inside
        self._release(key)

    def hold(self, spender: Spender, until: float) -> None:
        """Graph told this mailbox to wait, until then by the budget's clock."""
        key = self._key(spender)
        if until > self._held.get(key, 0.0):
            self._held[key] = until
            asyncio.get_running_loop().call_later(until - self._clock(), self._end_hold, key)

    def held_until(self, spender: Spender) -> float:
        """Until when this mailbox must wait; 0 if it need not."""
        return self._held.get(self._key(spender), 0.0)

    def _end_hold(self, key: Key) -> None:
        left = self._held.get(key, 0.0) - self._clock()
        if left > 0:  # it was prolonged, or the timer rang early
            asyncio.get_running_loop().call_later(left, self._end_hold, key)
            return
        self._held.pop(key, None)
        self._release(key)

    def _release(self, key: Key) -> None:
        for on_leave in self._kept.pop(key, ()):
            on_leave()

    @staticmethod
    def _key(spender: Spender) -> Key:
        return (spender.app, spender.mailbox.casefold())
