"""What became of the subscriptions that died silently: pure, and built from the simulator's account and the operator's own word."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from graphsim.control_mail_models import SilenceView, SilentDeathView
from soak.plan import DAY, HOUR

FINDABLE = 36 * HOUR
"""So long after a message was lost its death is found: no mailbox is taken on trust for more than 24 hours, Graph tries a
notification again for four, and a look that finds nothing proved is repeated hours later. One of which no message was lost so long before
the end is not asked for."""


@dataclass(frozen=True, slots=True)
class Death:
    """One silent death, in simulated seconds since 1970."""

    mailbox: str
    began: float
    lost: float | None
    """When a message first came of which nobody was told."""
    shown: float | None
    """When a message came that proves it: one that may still be told of as late as the last notification was proves nothing."""
    ended: float | None
    how: str | None
    """How it ended, by the simulator's account; None: it lasts."""
    found: bool
    """The operator replaced the subscription, and said that it is silent."""

    def due(self, end: float) -> bool:
        """Whether it must have been found by the end, or was."""
        return self.found or (self.shown is not None and self.shown <= end - FINDABLE)

    @property
    def minutes(self) -> float:
        """From the death to the mended subscription; of one that lasts, none."""
        return 0.0 if self.ended is None else (self.ended - self.began) / 60

    @property
    def deaf_minutes(self) -> float:
        """Of these, those after the first message that was lost."""
        return 0.0 if self.ended is None or self.lost is None else max(0.0, self.ended - self.lost) / 60


@dataclass(frozen=True, slots=True)
class Deaths:
    """All of them."""

    due: tuple[Death, ...]
    """Those that must have been found, or were."""
    unseen: int
    """Those that no lost message proved in time."""
    blind: tuple[Death, ...]
    """Those that were replaced before any message was lost: nothing can have proved them."""

    @property
    def found(self) -> tuple[Death, ...]:
        """Those that the operator found and mended."""
        return tuple(death for death in self.due if death.found)

    @property
    def missed(self) -> tuple[Death, ...]:
        """Those that it did not find, also where something else has ended them."""
        return tuple(death for death in self.due if not death.found)

    def median_minutes(self) -> float:
        """From the death to the mended subscription; 0 where none was found."""
        return median([death.minutes for death in self.found] or [0.0])

    def deaf(self) -> tuple[float, float]:
        """Minutes from the first lost message to the mended subscription: the median, and the most."""
        minutes = [death.deaf_minutes for death in self.found] or [0.0]
        return median(minutes), max(minutes)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the account of deaths does not hold."""

    told: Mapping[str, int]
    """How often the operator said of each mailbox that it replaces a silent subscription: only so many are its finds."""
    heard: Mapping[str, float]
    """When a notification last arrived in each mailbox."""
    allowance: float
    """How late it may, in seconds."""

    def shown(self, death: SilentDeathView) -> float | None:
        """When a message came that proves a death: the first one that was lost, or else the last one."""
        lost, last = _seconds(death.first_undelivered_at), _seconds(death.last_undelivered_at)
        if death.how is not None or death.mailbox not in self.heard:
            return lost
        proves = self.heard[death.mailbox] + self.allowance
        return next((moment for moment in (lost, last) if moment is not None and moment > proves), None)


def deaths_of(account: SilenceView, evidence: Evidence, end: float) -> Deaths:
    """Put together who died and who was found."""
    left, deaths = Counter(evidence.told), []
    for one in account.deaths:
        found = one.how == "replaced" and left[one.mailbox] > 0
        left[one.mailbox] -= found
        began, lost, ended = one.began_at.timestamp(), _seconds(one.first_undelivered_at), _seconds(one.ended_at)
        deaths.append(Death(one.mailbox, began, lost, evidence.shown(one), ended, one.how, found))
    return Deaths(
        due=tuple(death for death in deaths if death.due(end)),
        unseen=sum(not death.due(end) for death in deaths),
        blind=tuple(death for death in deaths if death.found and death.lost is None),
    )


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def most_in_a_day(moments: Iterable[float]) -> int:
    """The most of these moments within 24 hours."""
    ordered: Sequence[float] = sorted(moments)
    return max((sum(first <= one < first + DAY for one in ordered) for first in ordered), default=0)
