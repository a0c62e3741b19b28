"""What becomes of a process over the days: memory and tasks that grow for ever end it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from soak.plan import DAY
from soak.replicas import Replica

WARM_UP = 0.5
"""Of its life: for so long a process fills its pools and caches, meets each outage for the first time, and its book of events fills."""


@dataclass(frozen=True, slots=True)
class LongLife:
    """What became of a process over the days."""

    days: float
    """Simulated, after it has warmed up."""
    slope: float
    """Of its resident memory: MiB a simulated day."""
    more_tasks: int
    """The least number of tasks of its event loop on its last day, less that of the first day."""


def long_life(replicas: Iterable[Replica]) -> LongLife:
    """How the process fared that ran the longest, once it had warmed up."""
    longest = max(replicas, key=lambda one: one.memory[-1][0] - one.memory[0][0] if one.memory else 0.0)
    if not longest.memory:
        return LongLife(0.0, 0.0, 0)
    begun, end = longest.memory[0][0], longest.memory[-1][0]
    warm = begun + WARM_UP * (end - begun)
    points = [(at / DAY, rss / 2**20) for at, rss in longest.memory if at >= warm]
    first = [tasks for at, tasks in longest.tasks if warm <= at < warm + DAY]
    last = [tasks for at, tasks in longest.tasks if at >= end - DAY]
    more = min(last) - min(first) if first and last else 0
    return LongLife(points[-1][0] - points[0][0] if points else 0.0, slope(points), more)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the line that fits best (least squares); 0 for fewer than two moments."""
    if len({x for x, _ in points}) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
