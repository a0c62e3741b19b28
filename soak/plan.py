"""The plan of trouble: read from plan.yaml, and dealt out by its seed, the same way at every run."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import yaml

HOUR = 3_600.0
DAY = 24 * HOUR
PLAN = Path(__file__).with_name("plan.yaml")


class What(StrEnum):
    """What may happen."""

    GRAPH_OUTAGE = "graph-outage"
    POSTGRES_OUTAGE = "postgres-outage"
    API_SERVER_OUTAGE = "api-server-outage"
    PRODUCT_OUTAGE = "product-outage"
    THROTTLING_STORM = "throttling-storm"
    SECRET_ROTATED = "secret-rotated"  # noqa: S105  # what happens, no secret
    SECRET_REPLACED = "secret-replaced"  # noqa: S105  # as above
    CEILING_LOWERED = "ceiling-lowered"
    SUBSCRIPTION_LOST = "subscription-lost"
    CONSENT_REVOKED = "consent-revoked"
    PROVIDER_PAUSED = "provider-paused"
    PROVIDER_ADDED = "provider-added"
    PROVIDER_DELETED = "provider-deleted"
    REPLICA_KILLED = "replica-killed"
    REPLICA_RESTARTED = "replica-restarted"
    SUBSCRIPTION_SILENCED = "subscription-silenced"


LASTING = frozenset({What.CONSENT_REVOKED, What.PROVIDER_PAUSED})
"""These end after a time that the seed chooses."""
RESTARTS = frozenset({What.REPLICA_KILLED, What.REPLICA_RESTARTED})
"""These end early, so that a process lives long enough in the end to tell of its memory."""
CHANGES_ROWS = frozenset(
    {
        What.SECRET_ROTATED,
        What.SECRET_REPLACED,
        What.CONSENT_REVOKED,
        What.PROVIDER_PAUSED,
        What.PROVIDER_ADDED,
        What.PROVIDER_DELETED,
    }
)
"""These wait while the product's database is away: the product cannot do them either."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that begins at a moment, in simulated seconds after the start, and may end."""

    at: float
    what: What
    seconds: float = 0.0
    minutes: int = 0
    """Of a lowered ceiling."""
    number: int = 0
    """Which one of its kind; with the seed it chooses the victim."""


@dataclass(frozen=True, slots=True)
class Mail:
    """Messages arrive, and notifications of them."""

    delay_seconds: tuple[float, float]
    """Simulated: from a message to its notification, at least and at most."""
    allowance_minutes: float
    """Simulated: how late the operator lets a notification be. As many as here is a moment of real time in which a row can be written."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole run."""

    seed: int
    days: float
    rate: float
    handling_seconds: float
    """Real: what a look may take from being due to being done, on a machine that all the parts share."""
    mailboxes: int
    customers: int
    happenings: tuple[Happening, ...]
    mail: Mail | None = None
    """None: nobody writes to anybody."""

    @property
    def seconds(self) -> float:
        """Simulated."""
        return self.days * DAY

    @classmethod
    def read(cls, name: str, path: Path = PLAN, *, seed: int | None = None) -> Self:
        """The plan of that name; `seed` replaces its own.

        Raises:
            KeyError, ValueError: the file does not say what is needed.
        """
        fields: dict[str, Any] = yaml.safe_load(path.read_text())[name]
        fields["seed"] = fields["seed"] if seed is None else seed
        happenings = sorted([*_fixed(fields), *_dealt(fields)], key=lambda one: one.at)
        return cls(
            seed=fields["seed"],
            days=fields["days"],
            rate=fields["rate"],
            handling_seconds=fields["handling_seconds"],
            mailboxes=fields["mailboxes"],
            customers=fields["customers"],
            happenings=tuple(happenings),
            mail=_mail(fields["mail"]) if "mail" in fields else None,
        )


def _mail(fields: Mapping[str, Any]) -> Mail:
    least, most = fields["delay_seconds"]
    return Mail((least, most), fields["allowance_minutes"])


def _fixed(fields: Mapping[str, Any]) -> Iterator[Happening]:
    for number, trouble in enumerate(fields["troubles"]):
        seconds = trouble.get("hours", 0) * HOUR
        yield Happening(trouble["day"] * DAY, What(trouble["what"]), seconds, trouble.get("minutes", 0), number)


def _dealt(fields: Mapping[str, Any]) -> Iterator[Happening]:
    """One stream of chance a kind: more of one kind moves no other."""
    for name, count in fields["often"].items():
        chance = random.Random(f"{fields['seed']}/{name}")  # noqa: S311  # a plan, no secret
        what = What(name)
        earliest, latest = _bounds(fields, what)
        for number in range(count):
            seconds = 0.0
            if what in LASTING:
                bounds = fields["revoked_hours" if what is What.CONSENT_REVOKED else "paused_hours"]
                seconds = min(chance.uniform(*bounds) * HOUR, latest - earliest)
            yield Happening(chance.uniform(earliest, latest - seconds), what, seconds, number=number)


def _bounds(fields: Mapping[str, Any], what: What) -> tuple[float, float]:
    """Between which moments it happens."""
    if what is What.SUBSCRIPTION_SILENCED:
        first, last = fields["silenced_days"]
        return first * DAY, last * DAY
    quiet = fields["quiet_hours"] * HOUR
    return quiet, fields["restarts_until_day" if what in RESTARTS else "days"] * DAY - quiet
