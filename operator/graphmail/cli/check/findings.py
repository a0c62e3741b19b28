"""What a check has found."""

from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """How it stands."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not tried: it needs something that is not there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    check: str
    verdict: Verdict
    found: str
    remedy: str = ""
    """What to do about it; empty when there is nothing to be done."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


Findings = AsyncGenerator[Finding, None]
"""Findings as they come. Whoever loops over them closes them (`aclosing`): somebody may stop to read in their midst."""


def ok(check: str, found: str) -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, found)


def warning(check: str, found: str, remedy: str) -> Finding:
    """It works, or may work; somebody should look at it."""
    return Finding(check, Verdict.WARNING, found, remedy)


def failed(check: str, found: str, remedy: str = "") -> Finding:
    """The operator cannot do its work like this."""
    return Finding(check, Verdict.FAILED, found, remedy)


def skipped(check: str, found: str, remedy: str = "") -> Finding:
    """It was not tried."""
    return Finding(check, Verdict.SKIPPED, found, remedy)
