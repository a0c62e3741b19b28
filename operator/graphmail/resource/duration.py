"""Durations as Kubernetes writes them: `24h`, `90m`, `166h40m`."""

import re
from datetime import timedelta

PATTERN = r"^([0-9]{1,6}(h|m|s)){1,3}$"
"""A subset of Go's syntax that CEL's `duration()` reads as well; the Gateway API restricts its durations in the same way."""

_PART = re.compile(r"([0-9]+)(h|m|s)")
_UNITS = {"h": "hours", "m": "minutes", "s": "seconds"}


def parse_duration(text: str) -> timedelta:
    """Read a duration such as `1h30m`.

    Raises:
        ValueError: the text is not a duration; the message names it and shows the form that is allowed.
    """
    if not re.fullmatch(PATTERN, text):
        raise ValueError(f"{text!r} is not a duration: write hours, minutes and seconds such as 24h, 90m or 166h40m")
    total = timedelta()
    for amount, unit in _PART.findall(text):
        total += timedelta(**{_UNITS[unit]: int(amount)})
    return total


def format_duration(duration: timedelta) -> str:
    """Write a duration, truncated to seconds, in the form that `parse_duration` reads."""
    seconds = max(0, int(duration.total_seconds()))
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [f"{amount}{unit}" for amount, unit in ((hours, "h"), (minutes, "m"), (seconds, "s")) if amount]
    return "".join(parts) or "0s"
