"""The one writer of conditions: an unchanged status keeps its transition time, whatever else changes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from graphmail.resource.model import Condition


class ConditionType(StrEnum):
    """The conditions of a subscription. `Stalled` is present only while a person must act, as kstatus expects."""

    READY = "Ready"
    AUTHORIZED = "Authorized"
    SYNCED = "Synced"
    DELIVERING = "Delivering"
    STALLED = "Stalled"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A condition as it should be; `status` None takes the condition away."""

    type: ConditionType
    status: bool | str | None
    reason: str = ""
    message: str = ""

    @property
    def status_text(self) -> str:
        """`True`, `False` or `Unknown`."""
        return str(self.status) if isinstance(self.status, bool) else (self.status or "Unknown")


def set_conditions(
    present: Iterable[Condition], wanted: Iterable[Wanted], *, now: datetime, generation: int
) -> list[Condition]:
    """The conditions after `wanted` was applied to `present`.

    The transition time moves only when the status changes; reason, message and observed generation follow always
    (Kubernetes API conventions, typical status properties).
    """
    result = {condition.type: condition for condition in present}
    for new in wanted:
        old = result.pop(new.type.value, None)
        if new.status is None:
            continue
        unchanged = old is not None and old.status == new.status_text
        result[new.type.value] = Condition(
            type=new.type.value,
            status=new.status_text,
            reason=new.reason,
            message=new.message,
            last_transition_time=old.last_transition_time if old is not None and unchanged else now,
            observed_generation=generation,
        )
    order = {kind.value: position for position, kind in enumerate(ConditionType)}
    return sorted(result.values(), key=lambda condition: (order.get(condition.type, len(order)), condition.type))
