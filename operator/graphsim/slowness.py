"""Graph's patience with slow endpoints: where too many answers were slow, notifications are dropped for a while, and are gone.

Whether an answer was slow is measured in real time, as every call between two machines; the window and the time of dropping
are simulated, as the retries are.
"""

from collections import deque
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from graphsim.settings import SimulatorSettings


@dataclass(slots=True)
class EndpointState:
    """What is known of one endpoint: its answers within the window, and until when notifications to it are dropped."""

    endpoint: str
    answers: deque[tuple[float, bool]] = field(default_factory=deque)
    slow: int = 0
    dropping_until: float = 0.0
    dropped: int = 0

    def note(self, at: float, *, slow: bool, settings: SimulatorSettings) -> bool:
        """Note an answer at `at`; True when notifications are dropped from now on because of it."""
        self.answers.append((at, slow))
        self.slow += slow
        while self.answers[0][0] <= at - settings.slow_window_minutes * 60:
            self.slow -= self.answers.popleft()[1]
        enough = len(self.answers) >= settings.slow_least_answers
        if not enough or self.slow <= settings.slow_share * len(self.answers) or at < self.dropping_until:
            return False
        self.dropping_until = at + settings.drop_minutes * 60
        self.answers.clear()
        self.slow = 0
        return True


class SlowEndpoints:
    """The state of every endpoint that was called, by scheme, host and port: Graph judges a host, not a path."""

    def __init__(self) -> None:
        self._states: dict[str, EndpointState] = {}

    def of(self, url: str) -> EndpointState:
        """Answer the state of the endpoint that a URL belongs to."""
        parts = urlsplit(url)
        endpoint = f"{parts.scheme}://{parts.netloc}"
        return self._states.setdefault(endpoint, EndpointState(endpoint))

    def all(self) -> list[EndpointState]:
        """Answer every state, in the order of the first call."""
        return list(self._states.values())

    def clear(self) -> None:
        """Forget everything."""
        self._states.clear()
