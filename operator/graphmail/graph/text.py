"""Reading what an answer carries: text that may be published, and how long to wait."""

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

MAX_MESSAGE = 500
MAX_ID = 100
MAX_RETRY_AFTER = 3600.0
"""Seconds. Graph asks for seconds to minutes; more than an hour is a mistake, and a mailbox is not left alone for that long."""
MIN_RETRY_AFTER = 1.0
"""Seconds. A wait of nothing, or until a moment in the past, would be a tight loop."""

_TOKENS = re.compile(r"\bBearer\s+\S+|\beyJ[\w-]{8,}(?:\.[\w-]*){0,4}|[\w.~+=-]{80,}", re.IGNORECASE)
_SPACES = re.compile(r"\s+")


def publishable(value: Any, secrets: tuple[str, ...] = ()) -> str:
    """Foreign text, fit for a condition or a log: on one line, bounded, without these secrets or anything that looks like a token."""
    if not isinstance(value, str):
        return ""
    text = value
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[secret]")
    text = _TOKENS.sub("[secret]", text)[: 4 * MAX_MESSAGE]
    text = "".join(character if character.isprintable() else " " for character in text)
    text = _SPACES.sub(" ", text).strip()
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


def short_id(value: Any, secrets: tuple[str, ...] = ()) -> str | None:
    """An id of a request, or None when it is none."""
    return publishable(value, secrets)[:MAX_ID] or None


def retry_after(value: str | None, *, now: datetime) -> float | None:
    """Seconds to wait by a `Retry-After` header: seconds, or an HTTP date (RFC 9110, section 10.2.3). None: it does not say.

    `now` is the sender's time, if it gave one. The result lies between a second and an hour.
    """
    if not value or len(value) > 64:
        return None
    seconds = _seconds(value) if value.strip()[:1] in set("+-.0123456789") else _until(value, now)
    if seconds is None or math.isnan(seconds):
        return None
    return min(max(seconds, MIN_RETRY_AFTER), MAX_RETRY_AFTER)


def http_date(value: str | None) -> datetime | None:
    """The time of a `Date` header, or None when it is none."""
    if not value or len(value) > 64:
        return None
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _seconds(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _until(value: str, now: datetime) -> float | None:
    moment = http_date(value)
    return None if moment is None else (moment - now).total_seconds()
