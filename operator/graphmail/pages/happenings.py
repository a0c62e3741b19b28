"""What happened to the mailboxes and Postgres has not been told yet.

What was told stands in Postgres, beside how each mailbox stands. So a process that begins tells of what is different from that, and of
nothing twice; what came and went while none ran, or none could see it, it cannot know.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace

from graphmail.database import MailboxState, ProviderEvent, StateKey
from graphmail.pages.transitions import Kind, Standing, Transition, Trouble, transitions
from graphmail.resource import GraphMailSubscription

_NAMESPACE = uuid.UUID("0d2c6c3e-6c0a-4d5c-9a3f-6a2f6c1b0e77")
"""Of the ids of events."""
MOST_KEPT = 20
"""Events of one mailbox while Postgres is away. Beyond that only what is different when it is back is told."""

_AGAIN = "Read once what is in the mailbox since the last notification"
_REMEDIES = {
    Kind.SILENT: f"{_AGAIN}; the message says what the operator does.",
    Kind.NOTIFICATIONS_MISSED: f"{_AGAIN}: Graph will not deliver again what it could not.",
}
_OF_A_PERSON = frozenset({Kind.SIGN_IN_REQUIRED, Kind.ERROR_ENTERED})


class Happenings:
    """Events that are found, and kept until they are told.

    Args:
        failures: after more than these in a row a provider is in error.
    """

    def __init__(self, failures: int) -> None:
        self._failures = failures
        self._told: dict[StateKey, Standing] = {}
        """As Postgres has it."""
        self._now: dict[StateKey, Standing] = {}
        """After the events that it does not have."""
        self._kept: dict[StateKey, list[tuple[int, ProviderEvent]]] = {}

    def read(self, states: Iterable[MailboxState]) -> None:
        """Take in what was told, of mailboxes that are gone too: one that comes back goes on from there."""
        self._told = {state.key: _told(state) for state in states}
        for key, kept in list(self._kept.items()):
            told = self._told.get(key, Standing()).events
            # An answer of Postgres may have been lost: what it has is not told again.
            left = [(number, event) for number, event in kept if number > told]
            if left and left[0][0] == told + 1:
                self._kept[key] = left
            else:
                self.forget(key)
        self._now = {key: self._now[key] for key in self._kept}

    def note(self, resource: GraphMailSubscription, state: MailboxState) -> MailboxState:
        """Find out what happened to that mailbox. Returns its state, with what Postgres will then have told."""
        key = state.key
        standing, found = transitions(resource, self._standing(key), failures=self._failures)
        if found and len(self._kept.get(key, ())) + len(found) > MOST_KEPT:
            self.forget(key)
            standing, found = transitions(resource, self._standing(key), failures=self._failures)
        if found:
            self._now[key] = standing
            self._kept.setdefault(key, []).extend((one.number, _event(one, resource, state)) for one in found)
        return replace(
            state,
            troubles=standing.words,
            events=standing.events,
            events_as_of=standing.as_of,
            missed_at=standing.missed_at,
        )

    def forget(self, key: StateKey) -> None:
        """Nothing more is told of what happened to that mailbox so far."""
        self._kept.pop(key, None)
        self._now.pop(key, None)

    def needs_sign_in(self, key: StateKey) -> bool:
        """Whether somebody must sign in for that mailbox, as the last event about it says."""
        return Trouble.SIGN_IN in self._standing(key).troubles

    def kept(self, states: Sequence[MailboxState]) -> list[ProviderEvent]:
        """What is to be told with these states."""
        return [event for state in states for _, event in self._kept.get(state.key, ())]

    def told(self, states: Sequence[MailboxState]) -> None:
        """Postgres has these states, and their events."""
        for state in states:
            self._told[state.key] = _told(state)
            self.forget(state.key)

    def _standing(self, key: StateKey) -> Standing:
        return self._now.get(key) or self._told.get(key, Standing())


def _told(state: MailboxState) -> Standing:
    return Standing.read(state.troubles, state.events, state.events_as_of, state.missed_at)


def _event(found: Transition, resource: GraphMailSubscription, state: MailboxState) -> ProviderEvent:
    said = f"{resource.metadata.uid}/{state.mailbox}/{found.number}/{found.kind}"
    todo = state.what_to_do if found.kind in _OF_A_PERSON else _REMEDIES.get(found.kind, "")
    return ProviderEvent(
        id=str(uuid.uuid5(_NAMESPACE, said)),
        tenant=state.tenant,
        provider_id=state.provider_id,
        mailbox=state.mailbox,
        kind=found.kind.value,
        reason=found.reason,
        message=found.message,
        what_to_do=todo,
        subscription_id=state.subscription_id,
        resource=state.resource,
        occurred_at=found.occurred_at,
    )
