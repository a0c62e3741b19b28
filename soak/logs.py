"""What the replicas logged as errors, and whether a trouble explains it."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from soak.oracle import Span

AFTERWARDS = 15.0
"""Real seconds for which a trouble that is over still explains an error: what was tried before may give up that late."""

AT_A_STOP = ("closing of asynchronous generator <async_generator object infinite_watch",)
"""Tracebacks that a stop explains, by their text: Kopf 1.45 leaves its watch to the event loop to close, after all work has ended."""

SILENT = "a mailbox is silent"
REPLACED = frozenset({"SilentSubscription", "StillSilent"})
"""Why, where that is answered by another subscription."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """An error in a log."""

    log: str
    at: float | None
    """Real seconds since 1970; None: the line does not say."""
    text: str
    mailbox: str
    trace: bool
    """It has a traceback, or is none of ours: no trouble explains that."""


def complaints(logs: Iterable[Path]) -> Iterator[Complaint]:
    """All lines that are errors, have a traceback, or are not in the form of the log."""
    for log in logs:
        for line in log.read_text(errors="replace").splitlines():
            complaint = _complaint(log.name, line)
            if complaint is not None:
                yield complaint


def told_silent(logs: Iterable[Path]) -> Counter[str]:
    """How often the replicas told of each mailbox that its subscription is replaced because it delivers nothing."""
    told: Counter[str] = Counter()
    for log in logs:
        for line in log.read_text(errors="replace").splitlines():
            fields = _fields(line)
            if fields.get("event") == SILENT and fields.get("reason") in REPLACED:
                told[str(fields.get("mailbox"))] += 1
    return told


def _complaint(log: str, line: str) -> Complaint | None:
    fields = _fields(line)
    if not fields:
        return Complaint(log, None, line[:300], "", trace=True) if line.strip() else None
    text = str(fields.get("event", ""))
    known = any(stop in text for stop in AT_A_STOP)
    trace = ("exception" in fields and not known) or "never retrieved" in text
    if not trace and fields.get("level") not in {"error", "critical"}:
        return None
    return Complaint(log, _moment(fields.get("ts")), line[:2_000], str(fields.get("mailbox", "")), trace)


def _fields(line: str) -> dict[str, Any]:
    """What a line says; nothing where it is not in the form of the log."""
    try:
        fields = json.loads(line)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _moment(text: object) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Trouble:
    """What explains errors."""

    real: Span
    """In seconds since 1970."""
    mailbox: str
    """Of which; empty: of all."""

    def explains(self, complaint: Complaint) -> bool:
        """Whether the error may come from it. A traceback may not."""
        if complaint.trace or complaint.at is None or self.mailbox not in {"", complaint.mailbox}:
            return False
        return self.real.start <= complaint.at <= self.real.end + AFTERWARDS


def unexplained(found: Iterable[Complaint], troubles: Sequence[Trouble]) -> list[Complaint]:
    """Those that no trouble explains."""
    return [one for one in found if not any(trouble.explains(one) for trouble in troubles)]
