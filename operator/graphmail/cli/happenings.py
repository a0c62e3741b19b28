"""Events about mailboxes, as the API server keeps them for an hour."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from graphmail.resource.names import KIND
from graphmail.watching import Collection

WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Happening:
    """One event."""

    resource: str
    type: str
    reason: str
    message: str
    count: int
    first: datetime
    last: datetime


def about(name: str | None = None) -> Collection:
    """The events about all mailboxes, or about the one whose resource has that name."""
    fields = f"involvedObject.kind={KIND}" + (f",involvedObject.name={name}" if name is not None else "")
    return Collection("/api/v1", "events", fields)


def read_happening(body: dict[str, Any]) -> Happening:
    """An event of the API server, whoever wrote it."""
    made = body["metadata"]["creationTimestamp"]
    last = body.get("lastTimestamp") or body.get("eventTime") or made
    return Happening(
        resource=body["involvedObject"].get("name", ""),
        type=body.get("type") or "Normal",
        reason=body.get("reason") or "",
        message=body.get("message") or "",
        count=body.get("count") or 1,
        first=_moment(body.get("eventTime") or body.get("firstTimestamp") or made),
        last=_moment(last),
    )


def in_order(bodies: Iterable[dict[str, Any]]) -> list[Happening]:
    """Newest last; what was told within one second, in the order in which it was told."""
    return sorted(map(read_happening, bodies), key=lambda one: (one.last, one.first))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
