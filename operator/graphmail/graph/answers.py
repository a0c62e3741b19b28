"""Reading an answer of Graph that is not a success: its code, text and ids, and what the table makes of them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from graphmail.graph.errors import GraphRefused
from graphmail.graph.meaning import Meaning
from graphmail.graph.table import CEILING, EXISTING, MAILBOX_CONCURRENCY, Facts, Operation, row_for
from graphmail.graph.text import http_date, publishable, retry_after, short_id

_INNER_STATUS = re.compile(r"Status Code:\s*([A-Za-z]+|\d{3})", re.IGNORECASE)
_CODE_LENGTH = 100
_MAX_CEILING = 60 * 24 * 366
"""Minutes. A longer ceiling than a year is no ceiling."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `body` may be cut off, and anything at all."""

    operation: Operation
    status: int
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    client_request_id: str | None = None
    secrets: tuple[str, ...] = ()
    """What must not appear in a message even if the answer repeats it."""


def refusal(answer: Answer) -> GraphRefused:
    """The error that this answer stands for. Any answer has one, and none makes this function fail."""
    content = read_json(answer.body)
    error = _error(content)
    inner = error.get("innerError") or error.get("innererror")
    inner = inner if isinstance(inner, dict) else {}
    code = publishable(error.get("code"), answer.secrets)[:_CODE_LENGTH]
    message = publishable(error.get("message"), answer.secrets)
    foreign = not isinstance(content, dict) and bool(answer.body.strip())
    facts = Facts(answer.operation, answer.status, code, message, inner_status(message), foreign)
    row = row_for(facts)
    meaning = row.meaning if row else Meaning.UNKNOWN
    ceiling = _ceiling(message) if meaning is Meaning.CEILING else None
    if meaning is Meaning.CEILING and ceiling is None:
        meaning = Meaning.UNKNOWN
    return GraphRefused(
        meaning,
        message or _without_words(answer, foreign=foreign),
        status=answer.status,
        code=code or None,
        retry_after=_wait(answer),
        remedy=row.remedy if row else None,
        request_id=_request_id(answer, inner),
        client_request_id=answer.client_request_id,
        ceiling=ceiling,
        subscription_id=existing_id(message) if meaning is Meaning.ALREADY_EXISTS else None,
    )


def read_json(body: bytes) -> Any:
    """The JSON in the body; None if there is none that can be read."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def inner_status(message: str) -> str:
    """The status that Graph quotes from the service behind it, or nothing."""
    found = _INNER_STATUS.search(message)
    return found[1] if found else ""


def existing_id(message: str) -> str | None:
    """The id of the subscription that stands in the way, if the text names one."""
    found = EXISTING.search(message)
    return found[1].lower() if found else None


def concerns_mailbox_alone(error: GraphRefused) -> bool:
    """Whether a throttle is the mailbox's own (four calls at once, an app and mailbox) and not the tenant's."""
    return MAILBOX_CONCURRENCY.search(error.message) is not None


def _error(content: Any) -> dict[str, Any]:
    error = content.get("error") if isinstance(content, dict) else None
    if isinstance(error, str):
        return {"code": error, "message": content.get("error_description") or content.get("message")}
    return error if isinstance(error, dict) else {}


def _wait(answer: Answer) -> float | None:
    now = http_date(answer.headers.get("date")) or answer.received_at
    return retry_after(answer.headers.get("retry-after"), now=now)


def _request_id(answer: Answer, inner: dict[str, Any]) -> str | None:
    named = (answer.headers.get("request-id"), inner.get("request-id"))
    return next((found for value in named if (found := short_id(value, answer.secrets))), None)


def _ceiling(message: str) -> int | None:
    found = CEILING.search(message)
    minutes = int(found[1]) if found else 0
    return minutes if 0 < minutes <= _MAX_CEILING else None


def _without_words(answer: Answer, *, foreign: bool) -> str:
    if foreign:
        return "the answer is not one of Graph's: a proxy or a gateway seems to have given it"
    return "Graph gave no reason"
