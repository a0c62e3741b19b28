"""What the simulated Graph tells of a run: its writes, the first and the last of them, what it refused, and what it holds twice."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from graphsim.client import SimulatorControl
from graphsim.control_run_models import CallView

WRITES = frozenset({"create", "patch", "delete"})


@dataclass(frozen=True, slots=True)
class Account:
    """The writes of a run, by the simulator's log."""

    renewals: int
    """Successful PATCHes."""
    other_writes: int
    """POSTs, DELETEs and PATCHes without success: none is wanted."""
    http_429: int
    began: float
    """When the first write arrived, in seconds since 1970."""
    ended: float
    """When the last one was answered."""
    curve: tuple[int, ...]
    """How many renewals were granted after each second from the first write on."""

    @property
    def seconds(self) -> float:
        """From the arrival of the first write to the answer to the last."""
        return self.ended - self.began

    @property
    def per_second(self) -> float:
        """Renewals a second."""
        return self.renewals / self.seconds if self.seconds > 0 else 0.0


def account_of(calls: Sequence[CallView]) -> Account:
    """The account of these calls; all zeros when there was no write."""
    writes = [call for call in calls if call.route in WRITES]
    granted = [_answered(call) for call in writes if call.route == "patch" and call.status == 200]
    began = min((call.at.timestamp() for call in writes), default=0.0)
    ended = max(map(_answered, writes), default=0.0)
    return Account(
        renewals=len(granted),
        other_writes=len(writes) - len(granted),
        http_429=sum(call.status == 429 for call in calls),
        began=began,
        ended=ended,
        curve=_curve(granted, began, ended),
    )


def _answered(call: CallView) -> float:
    return call.at.timestamp() + call.milliseconds / 1000


def _curve(moments: Sequence[float], began: float, ended: float) -> tuple[int, ...]:
    ordered = sorted(moments)
    return tuple(bisect_right(ordered, began + second) for second in range(math.ceil(ended - began) + 1))


def urgency(calls: Sequence[CallView], earliest_first: Sequence[str]) -> float:
    """How late the tenth of the subscriptions that expires first was written: their mean place in the order of writes, from 0 to 1.

    0.05 if the earliest expiry always goes first, about 0.5 if chance decides.
    """
    places = {call.subscription: place for place, call in enumerate(_in_order(calls))}
    tenth = [places[name] for name in earliest_first[: max(1, len(earliest_first) // 10)] if name in places]
    return sum(tenth) / len(tenth) / len(places) if tenth else 1.0


def _in_order(calls: Sequence[CallView]) -> list[CallView]:
    return sorted((call for call in calls if call.route in WRITES), key=lambda call: call.at)


def read_calls(control: SimulatorControl) -> list[CallView]:
    """All calls since the log was cleared (the log keeps the last 50,000)."""
    return control.requests(limit=50_000).calls


def read_account(control: SimulatorControl) -> Account:
    """The account of all calls since the log was cleared."""
    return account_of(read_calls(control))


def renewed(control: SimulatorControl) -> int:
    """How many renewals Graph has granted so far."""
    return control.requests(limit=0).count("patch", 200)


def duplicates(control: SimulatorControl) -> int:
    """Mailboxes that were ever covered twice since the accounts were opened."""
    return sum(bool(account.duplicates) for account in control.coverage())
