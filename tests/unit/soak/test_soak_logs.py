"""Which errors in the log a trouble explains."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from soak.logs import Trouble, complaints, told_silent, unexplained
from soak.oracle import Span

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


def logged(path: Path, *lines: str | dict[str, Any]) -> list[Path]:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return [path]


def line(seconds: float = 0.0, **fields: Any) -> dict[str, Any]:
    moment = datetime.fromtimestamp(NOON + seconds, UTC).isoformat()
    return {"ts": moment, "level": "error", "event": "verify failed", "mailbox": "ann@a.example", **fields}


def test_an_error_amid_an_outage_is_explained_and_one_long_after_it_is_not(tmp_path: Path) -> None:
    outage = Trouble(Span(NOON - 10, NOON + 10), mailbox="")
    found = complaints(logged(tmp_path / "log", line(5), line(20), line(60)))
    assert [one.at for one in unexplained(found, [outage])] == [NOON + 60]


def test_one_mailboxs_trouble_explains_no_other_mailboxs_error(tmp_path: Path) -> None:
    revoked = Trouble(Span(NOON - 10, NOON + 10), mailbox="ann@a.example")
    found = complaints(logged(tmp_path / "log", line(), line(mailbox="bob@b.example")))
    assert [one.mailbox for one in unexplained(found, [revoked])] == ["bob@b.example"]


def test_nothing_explains_a_traceback_an_unread_exception_or_a_line_of_another_form(tmp_path: Path) -> None:
    outage = Trouble(Span(NOON - 10, NOON + 10), mailbox="")
    lines = (
        line(exception="Traceback (most recent call last): ..."),
        line(level="warning", event="Task exception was never retrieved"),
        "Segmentation fault",
    )
    assert len(unexplained(complaints(logged(tmp_path / "log", *lines)), [outage])) == 3


def test_warnings_are_no_errors(tmp_path: Path) -> None:
    assert not list(complaints(logged(tmp_path / "log", line(level="warning"), line(level="info"), "")))


def test_a_watch_that_kopf_leaves_open_is_explained_by_a_stop_alone(tmp_path: Path) -> None:
    event = "an error occurred during closing of asynchronous generator <async_generator object infinite_watch at 0x7f>"
    left = line(event=event, exception="Traceback (most recent call last): ...", mailbox="")
    stop = Trouble(Span(NOON - 1, NOON + 1), mailbox="")
    found = list(complaints(logged(tmp_path / "log", left)))
    assert not unexplained(found, [stop])
    assert unexplained(found, []) == found


def test_only_a_replacement_for_silence_is_told_as_one(tmp_path: Path) -> None:
    silent = line(event="a mailbox is silent", level="warning", reason="SilentSubscription")
    lines = (silent, silent | {"reason": "StillSilent"}, silent | {"reason": "NothingArrives"}, line(), "no JSON", "[]")
    assert told_silent(logged(tmp_path / "log", *lines)) == {"ann@a.example": 2}
