"""The spellings of time that Graph and Microsoft sign-in use, from and to seconds since 1970."""

import re
from datetime import UTC, datetime
from email.utils import formatdate

_ISO = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,7})\d*)?(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE)


def graph_timestamp(moment: float) -> str:
    """Spell a moment as Graph does: UTC, seven digits of a second, or none when the second is whole."""
    micros = round(moment * 1_000_000)
    whole, fraction = divmod(micros, 1_000_000)
    text = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:06d}0Z" if fraction else f"{text}Z"


def error_timestamp(moment: float) -> str:
    """Spell a moment as `innerError.date` has it: no fraction and no zone."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def signin_timestamp(moment: float) -> str:
    """Spell a moment as Microsoft sign-in does in its errors."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def http_date(moment: float) -> str:
    """Spell a moment for an HTTP `Date` header."""
    return formatdate(moment, usegmt=True)


def parse_graph_timestamp(text: str) -> float:
    """Read an `Edm.DateTimeOffset`; a missing zone means UTC, as at Graph. Raises ValueError when it is none."""
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a date and time")
    date, time, fraction, zone = match.groups()
    base = datetime.fromisoformat(f"{date}T{time}{'+00:00' if zone is None or zone in 'zZ' else zone}")
    return base.timestamp() + (int(fraction.ljust(7, "0")[:6]) / 1_000_000 if fraction else 0.0)
