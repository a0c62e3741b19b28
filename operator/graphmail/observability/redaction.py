"""Secrets taken out of text: the last line of defence of logs, events and the messages of settings.

The first line is that no secret gets there: dataclasses hide theirs from their representation, and exceptions name no values.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

MASK = "***"
_DEEPEST = 6

_SECRET_NAME = re.compile(
    r"(?i)(access|refresh|id|bearer|verification)_?token|client_?(secret(?!_ref)|state|assertion)|passw(or)?d|authorization|database_?url"
)
_ASSIGNED = re.compile(
    r"""(?ix)
    ( (?:access|refresh|id|verification)_?token | client_?secret(?!_ref) | client_?state | (?:client_)?assertion | [a-z]*passw(?:or)?d )
    ( ["']? \s* [=:] \s* )
    (?: "[^"]*" | '[^']*' | [^\s&,;}\])"']+ )
    """
)
_PATTERNS = (
    # A JSON Web Token, signed or not.
    (re.compile(r"\beyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)*"), MASK),
    (re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}"), rf"\1{MASK}"),
    # The password of a DSN may hold any character, so everything up to the last @ of the word goes.
    (re.compile(r"(?i)\b(postgres(?:ql)?://[^:/@\s]*:)\S*@"), rf"\1{MASK}@"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^:/@\s]*:)[^/@\s]+@"), rf"\1{MASK}@"),
    (_ASSIGNED, rf"\1\2{MASK}"),
)


def redact(text: str) -> str:
    """The text with everything that looks like a token, a secret or a password replaced by `***`."""
    if not _may_hold_a_secret(text):
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _may_hold_a_secret(text: str) -> bool:
    """Whether any pattern can match at all: ids and plain words, most of what is logged, need no search."""
    return "=" in text or ":" in text or "eyJ" in text or "bearer" in text.lower()


def redact_value(name: str, value: Any, depth: int = 0) -> Any:
    """A value for a log line: plain data without secrets; whatever is not plain data becomes its redacted representation.

    The name counts too: what is called `client_secret` is masked whatever it looks like.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if _SECRET_NAME.search(name):
        return MASK
    if isinstance(value, str):
        return redact(str(value))
    if isinstance(value, Mapping) and depth < _DEEPEST:
        return {str(key): redact_value(str(key), item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple) and depth < _DEEPEST:
        return [redact_value(name, item, depth + 1) for item in value]
    return redact(str(value) if isinstance(value, datetime | UUID) else repr(value))
