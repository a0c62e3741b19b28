"""Graph's service limits as sliding windows.

The limits per app, and per app and tenant, are those of Microsoft's page of throttling limits for change
notifications. Windows run in real time: they protect a real service from a real client.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Scope = Literal["app", "app+tenant", "app+mailbox"]


class QuotaLimit(BaseModel):
    """At most `count` calls of the named routes in `seconds` real seconds, counted for each member of `scope`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    routes: frozenset[str] = Field(description="Names of routes that share this window")
    scope: Scope = Field(description="What the window is counted for")
    count: int = Field(ge=1, description="Calls within the window")
    seconds: float = Field(default=20.0, gt=0, description="Length of the window, in real seconds")


_WRITES = frozenset({"create", "patch", "delete"})
_MAIL = frozenset({"messages", "folder-messages", "folders", "folder"})

DEFAULT_LIMITS: tuple[QuotaLimit, ...] = (
    QuotaLimit(routes=_WRITES, scope="app", count=2_000),
    QuotaLimit(routes=_WRITES, scope="app+tenant", count=500),
    QuotaLimit(routes=frozenset({"reauthorize"}), scope="app", count=4_000),
    QuotaLimit(routes=frozenset({"reauthorize"}), scope="app+tenant", count=1_000),
    QuotaLimit(routes=frozenset({"get"}), scope="app", count=2_000),
    QuotaLimit(routes=frozenset({"get"}), scope="app+tenant", count=500),
    QuotaLimit(routes=frozenset({"list"}), scope="app", count=40),
    QuotaLimit(routes=frozenset({"list"}), scope="app+tenant", count=25),
    QuotaLimit(routes=_MAIL, scope="app+mailbox", count=10_000, seconds=600),
)


class QuotaWindows:
    """Counts calls against limits. Refused calls count too, as at Graph: who hammers stays refused."""

    def __init__(self, real: Callable[[], float]) -> None:
        """`real` answers monotonic seconds."""
        self._real = real
        self._calls: dict[tuple[QuotaLimit, str], deque[float]] = {}

    def clear(self) -> None:
        """Forget every call."""
        self._calls.clear()

    def refusal(self, limits: Iterable[QuotaLimit], route: str, client: str, tenant: str, mailbox: str) -> int | None:
        """Count one call; answer the seconds of Retry-After (whole, at least 1) when it is above a limit, else None."""
        now = self._real()
        waits = [
            self._count(limit, _member(limit.scope, client, tenant, mailbox), now)
            for limit in limits
            if route in limit.routes
        ]
        longest = max(waits, default=0.0)
        return max(1, math.ceil(longest)) if longest > 0 else None

    def _count(self, limit: QuotaLimit, member: str, now: float) -> float:
        calls = self._calls.get((limit, member))
        if calls is None:
            calls = self._calls[limit, member] = deque(maxlen=limit.count)
        full = len(calls) == limit.count and calls[0] > now - limit.seconds
        wait = calls[0] + limit.seconds - now if full else 0.0
        calls.append(now)
        return wait


def _member(scope: Scope, client: str, tenant: str, mailbox: str) -> str:
    if scope == "app":
        return client
    return f"{client}/{tenant}" if scope == "app+tenant" else f"{client}/{mailbox}"
