"""What the status answers to whoever asked for a renewal. Pure."""

from graphmail.resource.conditions import ConditionType
from graphmail.resource.model import Condition, Status

SUBSCRIBED = "Subscribed"
"""The reason of a Ready condition that needs no explanation."""
THROTTLED = "Throttled"
"""The reason of a Ready condition while Graph, or the budget for it, asks to wait."""


def went_well(status: Status) -> bool:
    """A subscription lives, and no other attempt is planned."""
    ready = status.condition(ConditionType.READY)
    return (
        ready is not None and (ready.reason, ready.status) == (SUBSCRIBED, "True") and status.next_attempt_time is None
    )


def speaks(status: Status) -> Condition | None:
    """The condition that says why it did not go well; None: nothing does."""
    return status.condition(ConditionType.STALLED) or status.condition(ConditionType.READY)


def is_throttled(status: Status) -> bool:
    """Graph, or the budget for it, asks to wait."""
    said = speaks(status)
    return said is not None and said.reason == THROTTLED


def complaint(status: Status) -> str:
    """Why it did not go well, in the condition's words."""
    said = speaks(status)
    return f"{said.reason}: {said.message}" if said is not None else "the status does not say why"
