"""What happened to a mailbox that others act upon, from how it stood and how it stands. Pure.

A status says of each trouble that it is there, that it is not, or nothing: a mailbox that is suspended, waits for a consent, or was not
looked at yet tells neither that a trouble began nor that it ended.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from graphmail.resource import GraphMailSubscription, Status
from graphmail.resource.conditions import ConditionType
from graphmail.resource.model import Condition

NOTIFICATIONS_MISSED = "NotificationsMissed"
"""The reason of a condition Delivering that is False since Graph itself says that it could not deliver some. All others say: silent."""


class Trouble(StrEnum):
    """What can be wrong with a mailbox, beside another trouble or alone."""

    SIGN_IN = "sign_in"
    ERROR = "error"
    SILENT = "silent"
    MISSED = "missed"


class Kind(StrEnum):
    """What happened."""

    SIGN_IN_REQUIRED = "sign_in_required"
    SIGN_IN_RESTORED = "sign_in_restored"
    ERROR_ENTERED = "error_entered"
    ERROR_LEFT = "error_left"
    SILENT = "silent"
    NOTIFICATIONS_MISSED = "notifications_missed"
    RECOVERED = "recovered"


_NEVER = datetime.fromtimestamp(0, UTC)
_SILENCES = frozenset({Trouble.SILENT, Trouble.MISSED})
_BEGINS = {
    Trouble.SIGN_IN: Kind.SIGN_IN_REQUIRED,
    Trouble.ERROR: Kind.ERROR_ENTERED,
    Trouble.SILENT: Kind.SILENT,
}
_ENDS = {Trouble.SIGN_IN: Kind.SIGN_IN_RESTORED, Trouble.ERROR: Kind.ERROR_LEFT}


@dataclass(frozen=True, slots=True)
class Standing:
    """What was told of a mailbox."""

    troubles: frozenset[Trouble] = frozenset()
    """Those that were told and are not over."""
    events: int = 0
    """How many events were told."""
    as_of: datetime | None = None
    """The last attempt that the last of them knew of."""
    missed_at: datetime | None = None
    """Of the missed notifications that were told last: when Graph said so."""

    @classmethod
    def read(cls, troubles: str, events: int, as_of: datetime | None, missed_at: datetime | None) -> Self:
        """As Postgres keeps it. A word of another version is passed over."""
        known = {trouble.value: trouble for trouble in Trouble}
        return cls(frozenset(known[word] for word in troubles.split() if word in known), events, as_of, missed_at)

    @property
    def words(self) -> str:
        """The troubles, as Postgres keeps them."""
        return " ".join(trouble.value for trouble in Trouble if trouble in self.troubles)


@dataclass(frozen=True, slots=True)
class Transition:
    """One thing that happened."""

    kind: Kind
    number: int
    """Of the mailbox's events, from 1: the same for whoever finds it again from the same standing."""
    reason: str
    message: str
    occurred_at: datetime


def transitions(
    resource: GraphMailSubscription, before: Standing, *, failures: int
) -> tuple[Standing, tuple[Transition, ...]]:
    """What happened since that standing, in the order of `Kind`.

    A status older than what was told last tells nothing: it came back with a backup, or ours was lost before the API server had it.

    Args:
        failures: after more than these in a row a provider is in error.
    """
    status = resource.status
    attempt = status.last_attempt_time
    moment = None if attempt is None else attempt.replace(microsecond=0)
    if before.as_of is not None and (moment is None or moment < before.as_of):
        return before, ()
    missed = _missed_since(status, before.missed_at)
    troubles = frozenset(_troubles(status, before.troubles, failures, missed=missed is not None))
    found = tuple(_found(status, before, troubles, missed))
    if not found:
        return before, ()
    events = before.events + len(found)
    return Standing(troubles, events, moment or before.as_of, missed or before.missed_at), found


def _missed_since(status: Status, told: datetime | None) -> datetime | None:
    """When Graph said that notifications were missed, if that was not told yet. The status keeps it also when others have arrived since."""
    if status.missed_time is None:
        return None
    missed = status.missed_time.replace(microsecond=0)
    return missed if told is None or missed > told else None


def _troubles(status: Status, before: frozenset[Trouble], failures: int, *, missed: bool) -> Iterator[Trouble]:
    for trouble, stands in ((Trouble.SIGN_IN, _needs_sign_in(status)), (Trouble.ERROR, _in_error(status, failures))):
        if stands or (stands is None and trouble in before):
            yield trouble
    delivering = status.condition(ConditionType.DELIVERING)
    if delivering is not None and delivering.status == "False":
        yield Trouble.MISSED if delivering.reason == NOTIFICATIONS_MISSED else Trouble.SILENT
    elif delivering is None or delivering.status != "True":
        yield from before & _SILENCES or ({Trouble.MISSED} if missed else set())


def _needs_sign_in(status: Status) -> bool | None:
    """The credential fails for good, and only a person can mend it; over when Microsoft accepts one."""
    authorized = status.condition(ConditionType.AUTHORIZED)
    if authorized is None or authorized.status == "Unknown":
        return None
    if authorized.status == "True":
        return False
    return True if status.condition(ConditionType.STALLED) is not None else None


def _in_error(status: Status, failures: int) -> bool | None:
    """As the product's own column has it: only a person can mend it, or too many attempts failed; over at the first success."""
    failed = max(status.consecutive_failures, *(row.consecutive_failures or 0 for row in status.subscriptions), 0)
    if status.condition(ConditionType.STALLED) is not None or failed > failures:
        return True
    return False if failed == 0 and status.says(ConditionType.READY, "True") else None


def _found(
    status: Status, before: Standing, after: frozenset[Trouble], missed: datetime | None
) -> Iterator[Transition]:
    kinds = _kinds(before.troubles, after, missed=missed is not None)
    for number, kind in enumerate((kind for kind in Kind if kind in kinds), start=before.events + 1):
        said = _said(status, kind)
        reason, message = (said.reason, said.message) if said is not None else ("", "")
        if kind is Kind.NOTIFICATIONS_MISSED and reason != NOTIFICATIONS_MISSED:
            reason, message = NOTIFICATIONS_MISSED, "Graph said that notifications were missed"
        moment = missed if missed is not None and kind is Kind.NOTIFICATIONS_MISSED else _moment(status, kind)
        yield Transition(kind, number, reason, message, moment.replace(microsecond=0))


def _kinds(before: frozenset[Trouble], after: frozenset[Trouble], *, missed: bool) -> set[Kind]:
    kinds = {_BEGINS[trouble] for trouble in after - before if trouble in _BEGINS}
    kinds |= {_ENDS[trouble] for trouble in before - after if trouble in _ENDS}
    if missed or (Trouble.MISSED in after and not before & _SILENCES):
        kinds.add(Kind.NOTIFICATIONS_MISSED)
    if (before & _SILENCES or missed) and not after & _SILENCES:
        kinds.add(Kind.RECOVERED)
    return kinds


def _said(status: Status, kind: Kind) -> Condition | None:
    """The condition whose words tell of it."""
    if kind in {Kind.SIGN_IN_REQUIRED, Kind.SIGN_IN_RESTORED}:
        return status.condition(ConditionType.AUTHORIZED)
    if kind in {Kind.ERROR_ENTERED, Kind.ERROR_LEFT}:
        return status.condition(ConditionType.STALLED) or status.condition(ConditionType.READY)
    return status.condition(ConditionType.DELIVERING)


def _moment(status: Status, kind: Kind) -> datetime:
    """When it happened: when its condition changed, or at the attempt that was one too many, or the first that succeeded."""
    said, stalled = _said(status, kind), status.condition(ConditionType.STALLED)
    changed = said.last_transition_time if said is not None else _NEVER
    if kind is Kind.SIGN_IN_REQUIRED and stalled is not None:
        return max(changed, stalled.last_transition_time)
    if kind in {Kind.ERROR_ENTERED, Kind.ERROR_LEFT} and said is not stalled:
        return status.last_attempt_time or changed
    return changed
