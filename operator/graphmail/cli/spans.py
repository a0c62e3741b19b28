"""Spans of time as people read them, in the manner of kubectl: `46h`, `5m30s`, `6d22h`."""

import re
from datetime import UTC, datetime, timedelta

import typer

from graphmail.resource.duration import parse_duration

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3_600, 86_400, 365 * 86_400
_UNITS = {"y": _YEAR, "d": _DAY, "h": _HOUR, "m": _MINUTE, "s": 1}
_SHOWN = (
    (2 * _MINUTE, "s"),
    (10 * _MINUTE, "ms"),
    (3 * _HOUR, "m"),
    (8 * _HOUR, "hm"),
    (2 * _DAY, "h"),
    (8 * _DAY, "dh"),
    (2 * _YEAR, "d"),
)
"""Below so many seconds, these units are shown (as kubectl has it: k8s.io/apimachinery, util/duration, HumanDuration)."""


def human(span: timedelta) -> str:
    """A span with one or two units, the coarser the longer it is; without its sign."""
    rest = int(abs(span).total_seconds())
    units = next((units for below, units in _SHOWN if rest < below), "y")
    parts: list[str] = []
    for unit in units:
        amount, rest = divmod(rest, _UNITS[unit])
        if amount or not parts:
            parts.append(f"{amount}{unit}")
    return "".join(parts)


def when(moment: datetime | None, now: datetime) -> str:
    """`in 46h` or `3m ago`; `-` where there is no moment."""
    if moment is None:
        return "-"
    return f"in {human(moment - now)}" if moment > now else f"{human(now - moment)} ago"


def read_span(text: str) -> timedelta:
    """A time span of the command line: `90s`, `2m`, `1h30m`, or a number of seconds.

    Raises:
        typer.BadParameter: it is none, or not longer than nothing.
    """
    try:
        span = parse_duration(f"{text}s" if text.isdigit() else text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if not span:
        raise typer.BadParameter("must be longer than 0")
    return span


_DAYS = re.compile(r"(?:(?P<years>\d{1,3})y)?(?:(?P<days>\d{1,5})d)?(?P<rest>.*)")


def read_moment(text: str, now: datetime) -> datetime:
    """A moment of the command line: a span from now, also with days as `human` writes it (`90m`, `6d22h`), or an ISO 8601 moment.

    An ISO moment without a zone is one of this machine's own zone, a date alone its midnight.

    Raises:
        typer.BadParameter: it is neither.
    """
    if text[:1].isdigit() and not re.match(r"\d{4}-", text):
        found = _DAYS.fullmatch(text)
        parts = found.groupdict(default="") if found else {}
        days = timedelta(days=365 * int(parts.get("years") or 0) + int(parts.get("days") or 0))
        return now + (days + read_span(parts["rest"]) if parts.get("rest") else days)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no moment: write a span from now such as 24h or 6d22h, or a moment such as 2026-03-01T03:00:00Z"
        ) from None
