"""What a sweep has found, and what becomes of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from graphmail.graph import Marker, Subscription, read_marker
from graphmail.sweep.judgement import Judgement
from graphmail.sweep.walk import Holder, Listed


class Fate(StrEnum):
    """What becomes of a subscription that carries our mark and that nobody knows."""

    DUE = "delete"
    """An orphan, and old enough."""
    YOUNG = "wait"
    """An orphan, seen as one for less than the grace time."""
    BUSY = "not now"
    """Its provider is being worked on; the next sweep looks again."""
    LEFT = "leave"
    """It is left to expire."""
    DELETED = "deleted"
    GONE = "gone"
    """Graph had it no more when it was to be deleted."""
    FAILED = "failed"
    """Microsoft refused, or did not answer; the next sweep tries again."""


@dataclass(frozen=True, slots=True)
class Stray:
    """A subscription that carries our mark and that nobody knows."""

    listed: Listed
    judgement: Judgement
    fate: Fate
    since: datetime | None = None
    """Since when it is known as one that belongs to nobody."""
    note: str = ""
    """What stood in the way, for people."""

    @property
    def found(self) -> Subscription:
        """As Graph listed it."""
        return self.listed.found

    @property
    def holder(self) -> Holder:
        """Who saw it."""
        return self.listed.holder

    @property
    def marker(self) -> Marker:
        """Whose it was."""
        marker = read_marker(self.found.notification_url)
        if marker is None:
            raise ValueError(f"subscription {self.found.id} carries no mark, and so is no stray")
        return marker

    @property
    def why(self) -> str:
        """Why it stands as it does, for people."""
        return self.note or self.judgement.why
