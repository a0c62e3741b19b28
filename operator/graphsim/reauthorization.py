"""When Graph asks for a reauthorization, and whether it got one.

Graph does not say when it asks, so the rules are settings: minutes before the expiry, a share of the life, minutes before
the access token ends that the subscription was last made, renewed or reauthorized with. Each expiry and each token is
asked for once. A PATCH of the expiry or a reauthorize satisfies it; whoever does both within ten minutes, which
Graph forbids, is noted.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from graphsim.agenda import Agenda
from graphsim.lifecycle import LifecycleEvent, LifecycleItem
from graphsim.settings import SimulatorSettings
from graphsim.subscriptions import EndReason, Subscription

Satisfaction = Literal["patch", "reauthorize", "ended"]
_NEVER_BOTH_WITHIN = 600.0
_LEAST_REST = 600.0
_KEPT = 20_000


@dataclass(slots=True)
class ReauthorizationRequest:
    """Graph asked for a reauthorization: when first, how often, and what satisfied it (`ended`: the subscription went first)."""

    subscription_id: str
    user_id: str
    asked_at: float
    times: int = 1
    satisfied_at: float | None = None
    by: Satisfaction | None = None


@dataclass(frozen=True, slots=True)
class Doubled:
    """A subscription that was both renewed and reauthorized within ten minutes; `at` is the moment of the second."""

    subscription_id: str
    user_id: str
    at: float


@dataclass(slots=True)
class _Asked:
    """For which expiry and for which end of a token Graph has asked, and when it looks again at the latest."""

    expiry: float | None = None
    token: float | None = None
    queued_at: float | None = None


class Reauthorizations:
    """Asks by the rules, and keeps the account. It watches the subscriptions that named a lifecycle URL."""

    def __init__(
        self,
        agenda: Agenda,
        settings: Callable[[], SimulatorSettings],
        tell: Callable[[Subscription, LifecycleEvent], LifecycleItem | None],
    ) -> None:
        """`tell` sends the notification; it answers None when there is nobody to tell."""
        self._agenda = agenda
        self._settings = settings
        self._tell = tell
        self._asked: dict[str, _Asked] = {}
        self._open: dict[str, ReauthorizationRequest] = {}
        self.requests: deque[ReauthorizationRequest] = deque(maxlen=_KEPT)
        self.doubled: deque[Doubled] = deque(maxlen=_KEPT)

    def began(self, subscription: Subscription, _at: float) -> None:
        """A subscription is live: it will be asked for by the rules."""
        if subscription.lifecycle_url:
            self._asked[subscription.id] = _Asked()
            self._plan(subscription)

    def ended(self, subscription: Subscription, at: float, _reason: EndReason) -> None:
        """A subscription is gone: nothing is asked of it any more."""
        self._asked.pop(subscription.id, None)
        self._satisfy(subscription, at, "ended")

    def asked(self, subscription: Subscription, at: float) -> None:
        """Note that Graph asks for a reauthorization at `at`."""
        request = self._open.get(subscription.id)
        if request is not None:
            request.times += 1
            return
        request = ReauthorizationRequest(subscription.id, subscription.user_id, at)
        self._open[subscription.id] = request
        self.requests.append(request)

    def renewed(self, subscription: Subscription, at: float) -> None:
        """A PATCH gave the subscription another expiry."""
        self._note_doubled(subscription, at, subscription.reauthorized_at)
        self._satisfy(subscription, at, "patch")
        self._plan(subscription)

    def reauthorized(self, subscription: Subscription, at: float) -> None:
        """The subscription was reauthorized."""
        self._note_doubled(subscription, at, subscription.renewed_at)
        self._satisfy(subscription, at, "reauthorize")
        self._plan(subscription)

    def plan_anew(self, subscriptions: Iterable[Subscription]) -> None:
        """Look at all of them again, since the rules have changed."""
        for subscription in subscriptions:
            self._plan(subscription)

    def _note_doubled(self, subscription: Subscription, at: float, other_at: float | None) -> None:
        if other_at is not None and at - other_at < _NEVER_BOTH_WITHIN:
            self.doubled.append(Doubled(subscription.id, subscription.user_id, at))

    def _satisfy(self, subscription: Subscription, at: float, by: Satisfaction) -> None:
        request = self._open.pop(subscription.id, None)
        if request is not None:
            request.satisfied_at, request.by = at, by

    def _plan(self, subscription: Subscription) -> None:
        """Queue a look, unless an earlier one is queued: that one will queue the next."""
        asked = self._asked.get(subscription.id)
        if asked is None:
            return
        due = due_at(subscription, self._settings(), asked.expiry, asked.token)
        if due is not None and (asked.queued_at is None or due < asked.queued_at):
            asked.queued_at = due
            self._agenda.add(due, partial(self._look, subscription, asked))

    def _look(self, subscription: Subscription, asked: _Asked, at: float) -> None:
        if self._asked.get(subscription.id) is not asked or asked.queued_at != at:
            return
        asked.queued_at = None
        due = due_at(subscription, self._settings(), asked.expiry, asked.token)
        if due is not None and due <= at:
            asked.expiry, asked.token = subscription.expires_at, subscription.token_expires_at
            if self._tell(subscription, "reauthorizationRequired") is not None:
                self.asked(subscription, at)
        self._plan(subscription)


def due_at(
    subscription: Subscription, settings: SimulatorSettings, asked_expiry: float | None, asked_token: float | None
) -> float | None:
    """Answer when Graph asks next by the rules; None when no rule asks within the life of the subscription.

    What is asked for already is not asked for again, and ten minutes pass after whatever satisfied it: a rule whose
    minutes are longer than the life would otherwise ask without end.
    """
    renewed_at = subscription.renewed_at or subscription.created_at
    moments: list[float] = []
    if asked_expiry != subscription.expires_at:
        if settings.reauthorize_before_minutes is not None:
            moments.append(subscription.expires_at - settings.reauthorize_before_minutes * 60)
        if settings.reauthorize_at_share is not None:
            moments.append(renewed_at + settings.reauthorize_at_share * (subscription.expires_at - renewed_at))
    token = subscription.token_expires_at
    if token is not None and token != asked_token and settings.reauthorize_token_minutes is not None:
        moments.append(token - settings.reauthorize_token_minutes * 60)
    if not moments:
        return None
    due = max(min(moments), max(renewed_at, subscription.reauthorized_at or 0.0) + _LEAST_REST)
    return due if due < subscription.expires_at else None
