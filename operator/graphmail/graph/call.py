"""A call to Graph, before it is made."""

from dataclasses import dataclass, field
from typing import Any

from graphmail.graph.quota import Turn
from graphmail.graph.spending import CallKind, Spender
from graphmail.graph.table import Operation


@dataclass(frozen=True, slots=True)
class Shape:
    """How an operation looks on the wire, and what it is counted as."""

    method: str
    route: str
    kind: CallKind
    done: str
    """How the log tells that it succeeded."""


SHAPES = {
    Operation.CREATE: Shape("POST", "subscriptions", CallKind.WRITE, "subscription registered"),
    Operation.GET: Shape("GET", "subscriptions/{id}", CallKind.READ, "subscription read"),
    Operation.RENEW: Shape("PATCH", "subscriptions/{id}", CallKind.WRITE, "subscription renewed"),
    Operation.DELETE: Shape("DELETE", "subscriptions/{id}", CallKind.WRITE, "subscription deleted"),
    Operation.LIST: Shape("GET", "subscriptions", CallKind.LIST, "subscriptions listed"),
    Operation.REAUTHORIZE: Shape(
        "POST", "subscriptions/{id}/reauthorize", CallKind.REAUTHORIZE, "subscription reauthorized"
    ),
    Operation.NEWEST_MESSAGE: Shape("GET", "mailFolders/{id}/messages", CallKind.MAIL, "newest message looked for"),
}


@dataclass(frozen=True, slots=True)
class Call:
    """What to ask of Graph, on whose behalf."""

    operation: Operation
    url: str
    token: str = field(repr=False)
    spender: Spender
    turn: Turn | None = None
    """A turn that the caller waited for already; it counts if it is for this kind of call."""
    subscription_id: str | None = None
    body: dict[str, Any] | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def shape(self) -> Shape:
        """How it looks on the wire."""
        return SHAPES[self.operation]
