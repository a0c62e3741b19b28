"""Silent death: a subscription that is alive in every answer of Graph, and delivers nothing.

The account says when each one began and when it ended, and of every subscription that a client put another one in place of
whether it had been dead or healthy. So a test can tell how long a mailbox was deaf, and whether the cure was given to the
healthy.
"""

from collections import deque
from dataclasses import dataclass
from typing import Literal

from graphsim.subscriptions import EndReason, Subscription

SilenceEnd = Literal["replaced", "mended", "expired", "deleted", "dropped", "removed"]
_KEPT = 20_000


@dataclass(slots=True)
class SilentDeath:
    """One silent death. It ends when another subscription of the app delivers in its place, or when it is mended.

    Until one of these, the end of the subscription itself counts. `undelivered` are the messages that its app did not hear of.
    """

    subscription_id: str
    user_id: str
    client_id: str
    folder: str
    began_at: float
    ended_at: float | None = None
    how: SilenceEnd | None = None
    replaced_by: str | None = None
    gone_at: float | None = None
    undelivered: int = 0
    first_undelivered_at: float | None = None
    last_undelivered_at: float | None = None


@dataclass(frozen=True, slots=True)
class Replacement:
    """A client put a subscription in place of another one that it deleted; `healthy` is what the old one was."""

    old_id: str
    new_id: str
    user_id: str
    client_id: str
    folder: str
    at: float
    healthy: bool


_Watch = tuple[str, str, str]
"""User, app and folder: what one subscription stands in for another in."""


class SilenceAccount:
    """Hears of every birth and death of a subscription, and of every one that falls silent."""

    def __init__(self) -> None:
        self._live: dict[_Watch, dict[str, Subscription]] = {}
        self._last_deleted: dict[_Watch, Subscription] = {}
        self._waiting: dict[_Watch, list[SilentDeath]] = {}
        self._silent: dict[str, SilentDeath] = {}
        self.deaths: deque[SilentDeath] = deque(maxlen=_KEPT)
        self.replacements: deque[Replacement] = deque(maxlen=_KEPT)

    def silence(self, subscription: Subscription, at: float) -> None:
        """A live subscription delivers nothing from `at` on; one that is silent already stays as it is."""
        if not subscription.delivers:
            return
        subscription.delivers = False
        death = SilentDeath(
            subscription.id, subscription.user_id, subscription.client_id, subscription.folder, began_at=at
        )
        self.deaths.append(death)
        self._silent[subscription.id] = death
        self._waiting.setdefault(_watch(subscription), []).append(death)

    def mend(self, subscription: Subscription, at: float) -> None:
        """A silent subscription delivers again from `at` on."""
        if subscription.delivers:
            return
        subscription.delivers = True
        death = self._silent.pop(subscription.id)
        if death.how is None:
            death.ended_at, death.how = at, "mended"
        waiting = self._waiting.get(_watch(subscription), [])
        self._waiting[_watch(subscription)] = [one for one in waiting if one is not death]

    def missed(self, subscription: Subscription, at: float) -> None:
        """A message arrived at `at`, and the app of a silent subscription was not told."""
        death = self._silent[subscription.id]
        death.undelivered += 1
        if death.first_undelivered_at is None:
            death.first_undelivered_at = at
        death.last_undelivered_at = at

    def began(self, subscription: Subscription, at: float) -> None:
        """A subscription is live from `at` on: what was deaf in its place hears again."""
        watch = _watch(subscription)
        live = self._live.setdefault(watch, {})
        predecessor = self._last_deleted.pop(watch, None)
        if predecessor is not None and not live:
            self._note_replacement(predecessor, subscription, at)
        live[subscription.id] = subscription
        if subscription.delivers:
            for death in self._waiting.pop(watch, ()):
                death.ended_at, death.how, death.replaced_by = at, "replaced", subscription.id

    def ended(self, subscription: Subscription, at: float, reason: EndReason) -> None:
        """A subscription is gone from `at` on."""
        watch = _watch(subscription)
        live = self._live[watch]
        del live[subscription.id]
        death = self._silent.pop(subscription.id, None)
        if death is not None:
            death.gone_at = at
            if death.how is None:
                death.ended_at, death.how = at, reason
        if reason == "deleted":
            successor = next((one for one in live.values() if one.serial > subscription.serial), None)
            if successor is not None:
                self._note_replacement(subscription, successor, at)
            else:
                self._last_deleted[watch] = subscription
        if not live:
            del self._live[watch]

    def _note_replacement(self, old: Subscription, new: Subscription, at: float) -> None:
        self.replacements.append(
            Replacement(old.id, new.id, old.user_id, old.client_id, old.folder, at, healthy=old.delivers)
        )


def _watch(subscription: Subscription) -> _Watch:
    return subscription.user_id, subscription.client_id, subscription.folder
