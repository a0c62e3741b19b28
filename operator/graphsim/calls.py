"""One call of the simulated Graph or sign-in, as fault rules, quotas and the request log see it.

The log is a ring in memory, with counters that never forget; it holds no token, no secret and no body.
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class Call:
    """What is known of a call; the empty string means unknown. `mailbox` is a UPN, `at` a simulated moment."""

    route: str
    method: str
    at: float = 0.0
    tenant: str = ""
    client: str = ""
    mailbox: str = ""
    subscription: str = ""
    request_id: str = ""
    client_request_id: str = ""
    status: int = 0
    code: str = ""
    fault: str = ""
    milliseconds: float = 0.0
    number: int = 0

    def set_mailbox(self, upn: str, tenant_id: str) -> None:
        """Note which mailbox the call is about."""
        self.mailbox = upn
        self.tenant = self.tenant or tenant_id


class CallLog:
    """The last calls, and how many there ever were of each route, method and status (0: the connection was cut)."""

    def __init__(self, kept: int = 50_000) -> None:
        self._calls: deque[Call] = deque(maxlen=kept)
        self.counts: Counter[tuple[str, str, int]] = Counter()
        self.total = 0

    def add(self, call: Call) -> None:
        """Write a finished call down."""
        self.total += 1
        call.number = self.total
        self._calls.append(call)
        self.counts[call.route, call.method, call.status] += 1

    def clear(self) -> None:
        """Forget the calls and the counters."""
        self._calls.clear()
        self.counts.clear()
        self.total = 0

    def newest_first(self) -> Iterator[Call]:
        """Answer the calls that are still kept, the newest first."""
        return reversed(self._calls)
