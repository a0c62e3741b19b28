"""One form for all logs, ours and those of libraries: JSON lines for machines, readable lines on a terminal, and never a secret.

Each line has `ts`, `level`, `event` and `logger`; beside them stands what the caller gave or bound: tenant, provider, mailbox,
subscription, request_id, client_request_id, action, reason.
"""

import logging
import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from typing import Any, Literal, TextIO

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from graphmail.observability.redaction import redact_value

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]

_FIRST = ("ts", "level", "event", "logger")
_MADE_HERE = frozenset({"ts", "level"})
_MANY_LINES = frozenset({"exception", "stack"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_ECHOES = ("error ignored terminating", "discarding closed connection")
"""What psycopg and its pool tell when a pipeline fails."""
_NEVER_BELOW_WARNING = ("aiohttp.access", "asyncio", "httpcore", "httpx", "msal", "psycopg", "urllib3")
"""They tell of each request, some of them with headers and bodies: not even a debug log shows that.

psycopg sets its own level to WARNING when it is imported, so that a higher one of ours would not reach its pool.
"""
_INFO_IS_DEBUG = ("kopf.objects",)
"""Kopf tells of each tick of each timer at INFO: 20,000 lines every quarter of an hour that say nothing happened."""


class _Handler(logging.StreamHandler[TextIO]):
    """Ours: a second configuration replaces it, and leaves the handlers of others alone."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is the base class's
        """A line that cannot be formatted or written; the base class would print its arguments, whatever they hold.

        Standard error may be the very stream that is broken (its reader is gone, the disk is full, it was closed): then the line is
        lost without a word, for a renewal must never fail since nobody can read of it.
        """
        kind = sys.exc_info()[0]
        with suppress(OSError, ValueError):
            sys.stderr.write(f"a line of {record.name} could not be logged: {kind.__name__ if kind else 'unknown'}\n")


def configure_logging(log_format: LogFormat = "auto", level: LogLevel = "info", stream: TextIO | None = None) -> None:
    """Send all logs of the process to one stream. A second call replaces the first.

    Args:
        log_format: `auto` means lines for people when the stream is a terminal, else JSON.
        level: the least level that is logged.
        stream: where to; None: standard error.
    """
    stream = sys.stderr if stream is None else stream
    people = log_format == "console" or (log_format == "auto" and stream.isatty())
    handler = _Handler(stream)
    handler.addFilter(_no_expected_wait)
    handler.addFilter(_no_echo)
    handler.setFormatter(_formatter(people=people, colors=people and stream.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [other for other in root.handlers if not isinstance(other, _Handler)] + [handler]
    wanted = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(wanted)
    for name in _NEVER_BELOW_WARNING:
        logging.getLogger(name).setLevel(max(wanted, logging.WARNING))
    for name in _INFO_IS_DEBUG:
        logging.getLogger(name).setLevel(wanted if wanted == logging.DEBUG else max(wanted, logging.WARNING))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_prepare(), ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _no_expected_wait(record: logging.LogRecord) -> bool:
    """Kopf calls it an error when a handler asks to be called again, as the farewell to a resource does; that one tells why it waits."""
    return record.name != "kopf.objects" or "failed temporarily" not in record.getMessage()


def _no_echo(record: logging.LogRecord) -> bool:
    """psycopg tells of a pipeline that failed, and of its connection, beside the error itself, which whoever asked tells."""
    return not (record.name.startswith("psycopg") and record.getMessage().startswith(_ECHOES))


@contextmanager
def bind(**context: Any) -> Iterator[None]:
    """Put this on every line that is logged within, by whomever: tenant, provider, mailbox and the like. None is left out."""
    given = {name: value for name, value in context.items() if value is not None}
    with structlog.contextvars.bound_contextvars(**given):
        yield


def _prepare() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    ]


def _formatter(*, people: bool, colors: bool) -> ProcessorFormatter:
    renderer: Processor = structlog.processors.JSONRenderer()
    if people:
        renderer = ConsoleRenderer(colors=colors, timestamp_key="ts", exception_formatter=plain_traceback)
    return ProcessorFormatter(
        foreign_pre_chain=_prepare(),
        processors=[
            _kopf_reference,
            ProcessorFormatter.remove_processors_meta,
            structlog.processors.StackInfoRenderer(),
            # Class, text and traceback, without the values of local variables.
            structlog.processors.format_exc_info,
            _redact,
            *([_without_nothing, _one_line] if people else [_in_order]),
            renderer,
        ],
    )


def _kopf_reference(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Which resource a line of Kopf is about."""
    reference = getattr(line.get("_record"), "k8s_ref", None)
    if isinstance(reference, dict):
        line.setdefault("namespace", reference.get("namespace"))
        line.setdefault("name", reference.get("name"))
    return line


def _redact(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    return {name: value if name in _MADE_HERE else redact_value(name, value) for name, value in line.items()}


def _in_order(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    ordered: MutableMapping[str, Any] = {name: line.pop(name) for name in _FIRST if name in line}
    ordered.update(line)
    return ordered


def _without_nothing(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """People need not read what there is not; a program may rely on the name."""
    return {name: value for name, value in line.items() if value is not None}


def _one_line(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """What comes from outside can neither forge a line nor steer the terminal."""
    for name, value in line.items():
        if isinstance(value, str) and name not in _MANY_LINES:
            line[name] = _CONTROL.sub(lambda found: repr(found[0])[1:-1], value)
    return line
