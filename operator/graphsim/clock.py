"""The simulated clock: Graph's `Date` header, every expiry and every interval of coverage read it.

Simulated time flows at `speed` simulated seconds a real second, can be paused, and jumps forward. It never runs
backwards. What happens between two machines (handshakes, time-outs, injected latency) stays in real time.
"""

import asyncio
from collections.abc import Callable


class SimulatedClock:
    """Maps a real monotonic clock onto simulated seconds since 1970 (UTC)."""

    def __init__(self, real: Callable[[], float], *, start: float, speed: float = 1.0) -> None:
        """`real` answers monotonic seconds; `start` is the first simulated moment; raises ValueError for a bad speed."""
        self._real = real
        self._speed = _checked_speed(speed)
        self._paused = False
        self._anchor_real = real()
        self._anchor_simulated = start
        self._changed = asyncio.Event()

    @property
    def speed(self) -> float:
        """Simulated seconds that pass in a real second while the clock runs."""
        return self._speed

    @property
    def paused(self) -> bool:
        """True while simulated time stands still."""
        return self._paused

    def now(self) -> float:
        """Answer the simulated moment in seconds since 1970."""
        if self._paused:
            return self._anchor_simulated
        return self._anchor_simulated + (self._real() - self._anchor_real) * self._speed

    def set_speed(self, speed: float) -> None:
        """Change the speed from this moment on; raises ValueError unless it is above zero."""
        checked = _checked_speed(speed)
        self._rebase(self.now())
        self._speed = checked

    def pause(self) -> None:
        """Let simulated time stand still."""
        self._rebase(self.now())
        self._paused = True

    def resume(self) -> None:
        """Let simulated time flow again, from where it stood."""
        self._rebase(self.now())
        self._paused = False

    def advance(self, seconds: float) -> None:
        """Jump forward by simulated seconds; raises ValueError for a step backwards."""
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"seconds={seconds!r}: the simulated clock only jumps forward")
        self._rebase(self.now() + seconds)

    async def wait_until(self, moment: float) -> None:
        """Return once simulated time has reached `moment`, whatever is done to the clock meanwhile."""
        while (left := moment - self.now()) > 0:
            changed = self._changed
            timeout = None if self._paused else left / self._speed
            try:
                await asyncio.wait_for(changed.wait(), timeout)
            except TimeoutError:
                continue

    def _rebase(self, simulated: float) -> None:
        self._anchor_real = self._real()
        self._anchor_simulated = simulated
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _checked_speed(speed: float) -> float:
    if not 0 < speed < float("inf"):
        raise ValueError(f"speed={speed!r}: must be a number above zero; pause the clock to stop it")
    return speed
