"""The form of the log: ours and that of libraries, for machines and for people."""

import asyncio
import io
import json
import logging
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from graphmail.observability.logs import bind, configure_logging

SECRET = "s3cretValue"
Lines = Callable[[], list[dict[str, Any]]]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def fail(text: str) -> None:
    raise ValueError(text)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def lines(stream: io.StringIO) -> Lines:
    configure_logging("json", "info", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_time_level_event_and_logger_first_and_then_its_context(lines: Lines) -> None:
    structlog.get_logger("graphmail.graph").info("renewed", subscription="7f1", request_id="r-1")
    (line,) = lines()
    assert list(line)[:4] == ["ts", "level", "event", "logger"]
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "event": "renewed",
        "logger": "graphmail.graph",
        "subscription": "7f1",
        "request_id": "r-1",
    }


def test_what_is_bound_stands_on_every_line_within_and_on_none_after(lines: Lines) -> None:
    log = structlog.get_logger("graphmail")
    with bind(tenant="acme", provider="p-7", mailbox="anna@contoso.com", subscription=None):
        log.info("within")
        with bind(action="renew"):
            logging.getLogger("kopf.reactor").warning("within too")
    log.info("after")
    within, too, after = lines()
    assert (within["tenant"], within["provider"], within["mailbox"]) == ("acme", "p-7", "anna@contoso.com")
    assert "subscription" not in within
    assert (too["tenant"], too["action"]) == ("acme", "renew")
    assert not {"tenant", "action"} & after.keys()


async def test_what_is_bound_in_one_task_does_not_show_in_another(lines: Lines) -> None:
    async def work(mailbox: str) -> None:
        with bind(mailbox=mailbox):
            await asyncio.sleep(0)
            structlog.get_logger("graphmail").info(mailbox)

    await asyncio.gather(*(work(f"{name}@contoso.com") for name in ("anna", "bert", "carl")))
    assert [line["mailbox"] for line in lines()] == [line["event"] for line in lines()]


async def test_what_is_bound_also_shows_on_lines_from_a_thread(lines: Lines) -> None:
    with bind(mailbox="anna@contoso.com"):
        await asyncio.to_thread(logging.getLogger("msal.application").warning, "slow")
    assert lines()[0]["mailbox"] == "anna@contoso.com"


def test_lines_of_libraries_have_the_same_form(lines: Lines) -> None:
    logging.getLogger("kopf.reactor").warning("%s of %s", 3, "9")
    (line,) = lines()
    assert (line["event"], line["level"], line["logger"]) == ("3 of 9", "warning", "kopf.reactor")


def test_a_line_of_kopf_says_which_resource_it_is_about(lines: Lines) -> None:
    reference = {"namespace": "mail", "name": "anna-1", "uid": "u"}
    logging.getLogger("kopf.objects").error("Timer failed", extra={"k8s_ref": reference})
    assert (lines()[0]["namespace"], lines()[0]["name"]) == ("mail", "anna-1")


def test_kopf_says_nothing_about_ticks_but_tells_of_warnings_and_errors(lines: Lines) -> None:
    kopf = logging.getLogger("kopf.objects")
    kopf.info("Timer 'tick' succeeded.")
    kopf.warning("Patching failed")
    kopf.error("Timer 'tick' failed")
    assert [line["event"] for line in lines()] == ["Patching failed", "Timer 'tick' failed"]


def test_psycopg_does_not_repeat_what_whoever_asked_tells(lines: Lines) -> None:
    logging.getLogger("psycopg").warning("error ignored terminating %r: %s", object(), "pipeline aborted")
    logging.getLogger("psycopg.pool").warning("discarding closed connection: %s", object())
    logging.getLogger("psycopg.pool").warning("error connecting in 'graphmail': refused")
    assert [line["event"] for line in lines()] == ["error connecting in 'graphmail': refused"]


def test_a_debug_log_shows_kopfs_ticks_but_no_http_library(stream: io.StringIO) -> None:
    configure_logging("json", "debug", stream)
    logging.getLogger("kopf.objects").debug("Timer 'tick' is invoked.")
    for name in ("msal.application", "httpx", "httpcore.http11", "urllib3.connectionpool", "asyncio"):
        logging.getLogger(name).debug("headers: Authorization")
        logging.getLogger(name).info("HTTP Request: PATCH https://graph.microsoft.com")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["Timer 'tick' is invoked."]


def test_the_level_holds_for_us_and_for_libraries(stream: io.StringIO) -> None:
    logging.getLogger("psycopg").setLevel(logging.WARNING)  # as it does itself
    configure_logging("json", "error", stream)
    structlog.get_logger("graphmail").warning("no")
    logging.getLogger("httpx").warning("no")
    logging.getLogger("kopf.objects").warning("no")
    logging.getLogger("psycopg.pool").warning("no")
    structlog.get_logger("graphmail").error("yes")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["yes"]


def test_secrets_are_masked_in_events_values_arguments_and_exceptions(lines: Lines, stream: io.StringIO) -> None:
    log = structlog.get_logger("graphmail")
    log.info(f"got refresh_token={SECRET}", client_secret=SECRET, body={"clientState": SECRET})
    logging.getLogger("msal").warning("answer %s", {"access_token": SECRET})
    try:
        fail(f"cannot reach postgresql://alga:{SECRET}@db/server")
    except ValueError as error:
        log.exception("failed", error=error)
    with bind(dsn=f"password={SECRET}"):
        log.info("bound")
    assert len(lines()) == 4
    assert SECRET not in stream.getvalue()
    assert lines()[2]["error"] == "ValueError('cannot reach postgresql://alga:***@db/server')"


def test_an_exception_shows_its_class_and_where_but_no_local_values(lines: Lines, stream: io.StringIO) -> None:
    def work(token: str) -> None:
        held = token.upper()
        raise KeyError(len(held))

    try:
        work("".join(("opa", "que", "-and-", "unmarked")))
    except KeyError:
        structlog.get_logger("graphmail").exception("failed")
    assert "KeyError: 19" in lines()[0]["exception"]
    assert "in work" in lines()[0]["exception"]
    assert "OPAQUE" not in stream.getvalue().upper()


def test_warnings_of_python_are_lines_too(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert lines()[0]["logger"] == "py.warnings"


def test_a_line_that_cannot_be_formatted_does_not_spill_its_arguments(
    lines: Lines, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    ours = [handler for handler in root.handlers if type(handler).__module__ == configure_logging.__module__]
    monkeypatch.setattr(root, "handlers", ours)  # pytest's own handlers raise
    logging.getLogger("kopf.reactor").warning("%d items", SECRET)
    assert lines() == []
    assert capsys.readouterr().err == "a line of kopf.reactor could not be logged: TypeError\n"


class Broken(io.StringIO):
    """A stream that nothing can be written to any more."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
        self.tried = 0

    def write(self, _: str) -> int:
        self.tried += 1
        raise self.error


@pytest.mark.parametrize(
    "error",
    [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left on device"), ValueError("I/O on closed file")],
    ids=["the reader is gone", "the disk is full", "it was closed"],
)
def test_a_log_that_cannot_be_written_is_lost_and_hurts_nobody_who_logs(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Broken(error)
    monkeypatch.setattr("sys.stderr", broken)
    configure_logging("json", "info")
    with bind(mailbox="anna@contoso.com"):
        structlog.get_logger("graphmail").info("renewed")
        logging.getLogger("kopf.reactor").error("of a library")
    assert broken.tried == 4  # each line, and the word that it could not be logged


def test_a_second_configuration_replaces_the_first_and_leaves_other_handlers(lines: Lines, stream: io.StringIO) -> None:
    other = logging.NullHandler()
    logging.getLogger().addHandler(other)
    second = io.StringIO()
    configure_logging("json", "info", second)
    structlog.get_logger("graphmail").info("once")
    assert stream.getvalue() == ""
    assert second.getvalue().count("\n") == 1
    assert other in logging.getLogger().handlers


def test_a_terminal_gets_readable_coloured_lines_and_a_pipe_gets_json() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    configure_logging("auto", "info", terminal)
    structlog.get_logger("graphmail").info("renewed", mailbox="anna@contoso.com")
    configure_logging("auto", "info", pipe)
    structlog.get_logger("graphmail").info("renewed", mailbox="anna@contoso.com")
    assert "renewed" in terminal.getvalue()
    assert "\x1b[" in terminal.getvalue()
    assert json.loads(pipe.getvalue())["mailbox"] == "anna@contoso.com"


def test_the_form_can_be_asked_for_whatever_the_stream_is() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    configure_logging("json", "info", terminal)
    structlog.get_logger("graphmail").info("renewed")
    configure_logging("console", "info", pipe)
    structlog.get_logger("graphmail").info("renewed")
    assert json.loads(terminal.getvalue())["event"] == "renewed"
    assert "\x1b[" not in pipe.getvalue()
    assert "renewed" in pipe.getvalue()


def test_people_do_not_read_of_what_there_is_not_but_programs_find_its_name() -> None:
    people, program = io.StringIO(), io.StringIO()
    for log_format, stream in (("console", people), ("json", program)):
        configure_logging(log_format, "info", stream)
        structlog.get_logger("graphmail").info("adopt done", note=None, subscription="7f1")
    assert "note" not in people.getvalue()
    assert "7f1" in people.getvalue()
    assert json.loads(program.getvalue())["note"] is None


def test_what_comes_from_outside_forges_no_line_on_a_terminal(stream: io.StringIO) -> None:
    configure_logging("console", "info", stream)
    structlog.get_logger("graphmail").warning("bad\n2026 [info] all is well\x1b[2J", mailbox="a\r\nb")
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


def test_an_exception_keeps_its_lines_on_a_terminal(stream: io.StringIO) -> None:
    configure_logging("console", "info", stream)
    try:
        fail(f"client_secret={SECRET}")
    except ValueError:
        structlog.get_logger("graphmail").exception("failed")
    assert "ValueError: client_secret=***" in stream.getvalue().splitlines()
