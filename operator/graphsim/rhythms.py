"""How mail arrives over a week: office hours, evenings, nights, weekends. Pure arithmetic on a seeded chance.

Arrivals are a Poisson process whose rate changes with the hour of the week, so a mailbox is quiet at night because few mails are
written then, and quiet for hours at noon because that happens, too.
"""

import random
from dataclasses import dataclass
from typing import Literal

Profile = Literal["office", "service", "evening", "machine"]

_HOUR = 3_600
_HOURS_OF_WEEK = 168
_FIRST_MONDAY = 96
"""Hours from the first hour of 1970, on a Thursday, to its first Monday."""
_LEAST_A_WEEK, _MOST_A_WEEK = 2.0, 120.0
_PROFILE_SHARES: dict[Profile, float] = {"office": 0.6, "service": 0.2, "evening": 0.1, "machine": 0.1}
_OFFSETS = (-8, -5, 0, 1, 1, 1, 2, 9)


def _week(hours: dict[range, float], *, night: float, weekend: float) -> tuple[float, ...]:
    """Spread one mail a week over its hours, Monday first: weights by the hour of the day, `weekend` as a share of them."""
    day = [next((weight for span, weight in hours.items() if hour in span), night) for hour in range(24)]
    weights = day * 5 + [weight * weekend for weight in day] * 2
    total = sum(weights)
    return tuple(weight / total for weight in weights)


_WEEKS: dict[Profile, tuple[float, ...]] = {
    "office": _week({range(8, 18): 1.0, range(7, 8): 0.4, range(18, 22): 0.1}, night=0.005, weekend=0.03),
    "service": _week({range(6, 22): 1.0}, night=0.1, weekend=0.6),
    "evening": _week({range(17, 23): 1.0, range(8, 17): 0.2}, night=0.02, weekend=1.5),
    "machine": _week({}, night=1.0, weekend=1.0),
}


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What a mailbox gets: mails a week on average, spread as its profile says, by the clock of its place."""

    profile: Profile
    per_week: float
    utc_offset_hours: float = 0.0

    def next_after(self, moment: float, chance: random.Random) -> float | None:
        """Draw the next arrival after a simulated moment; None when nothing ever arrives."""
        if self.per_week <= 0:
            return None
        left = chance.expovariate(self.per_week)
        week, shift = _WEEKS[self.profile], self.utc_offset_hours * _HOUR
        local = moment + shift
        hour = int(local // _HOUR)
        while True:
            share = week[(hour - _FIRST_MONDAY) % _HOURS_OF_WEEK]
            rest = share * ((hour + 1) * _HOUR - local) / _HOUR
            if left < rest:
                return local + left / share * _HOUR - shift
            left -= rest
            hour += 1
            local = float(hour * _HOUR)


def drawn(
    chance: random.Random,
    *,
    profile: Profile | None = None,
    per_week: float | None = None,
    utc_offset_hours: float | None = None,
) -> Rhythm:
    """Draw what is not given: most are offices, a few mails a week are as likely as a few a day, in several time zones."""
    profiles, shares = list(_PROFILE_SHARES), list(_PROFILE_SHARES.values())
    some_profile = chance.choices(profiles, shares)[0]
    some_volume = _LEAST_A_WEEK * (_MOST_A_WEEK / _LEAST_A_WEEK) ** chance.random()
    some_offset = float(chance.choice(_OFFSETS))
    return Rhythm(
        profile or some_profile,
        some_volume if per_week is None else per_week,
        some_offset if utc_offset_hours is None else utc_offset_hours,
    )
