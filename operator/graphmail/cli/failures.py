"""Failures as one clear line each: what is wrong, and how to mend it. Never a traceback, never a secret."""

import ssl
import traceback
from pathlib import Path

from graphmail.observability.redaction import redact

FAILED = 1
"""Exit code of a command that could not do what it was asked for."""


class CommandFailed(Exception):
    """A command cannot do what it was asked for; the text says why, and what to do, and holds no secret."""


def explain(error: BaseException) -> list[str]:
    """The lines that tell a person about an error.

    The text of an exception of ours may be published: each room says so. Of any other only its kind and its place are told.
    """
    error = _only(error)
    if type(error).__module__.startswith("graphmail."):
        remedy = getattr(error, "remedy", None)
        text = f"{error}. {remedy}" if remedy else str(error)
    elif isinstance(error, ssl.SSLError):
        text = f"certificates cannot be used: {getattr(error, 'reason', None) or type(error).__name__}"
    elif isinstance(error, OSError):
        text = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or type(error).__name__)
    else:
        text = f"{_defect(error)}. This is a defect of graphmail: please report it"
    return [redact(line) for line in text.splitlines()] or [type(error).__name__]


def _only(error: BaseException) -> BaseException:
    """The one error of a group that holds one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _defect(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"unexpected {type(error).__name__}{place}"
