"""What is printed: whole lines in a pipe, a table where it fits, and never anything that steers a terminal."""

import io
import json

import pytest

from graphmail.cli.output import Column, Screen, count
from unit.cli.conftest import Terminal

ID = "9f86d081-884c-4d63-a1b2-0c0d6e15b0f0"
WHY = "consent was withdrawn; somebody must sign in again as the mailbox's user"
COLUMNS: list[Column[tuple[str, str, str]]] = [
    Column("MAILBOX", lambda row: row[0], style=lambda _: "red"),
    Column("SUBSCRIPTION", lambda row: row[1]),
    Column("WHY", lambda row: row[2], prose=True),
]
ROWS = [("ann@contoso.example", ID, WHY), ("bob@contoso.example", "", "")]


def screen(*, terminal: bool, width: int = 80) -> tuple[Screen, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Screen(out, err, terminal=terminal, width=width, asks=False), out, err


def test_in_a_pipe_every_row_is_one_line_whatever_its_length() -> None:
    printer, out, _ = screen(terminal=False, width=20)
    printer.table(COLUMNS, ROWS)
    assert out.getvalue().splitlines() == [
        "MAILBOX              SUBSCRIPTION                          WHY",
        f"ann@contoso.example  {ID}  {WHY}",
        "bob@contoso.example  -                                     -",
    ]


def test_on_a_terminal_prose_is_wrapped_and_ids_stay_whole() -> None:
    printer, out, _ = screen(terminal=True, width=100)
    printer.table(COLUMNS, ROWS)
    lines = out.getvalue().splitlines()
    assert len(lines) > len(ROWS) + 1
    assert all(len(line) <= 100 for line in lines)
    assert ID in lines[1]


def test_on_a_narrow_terminal_each_row_becomes_a_block_and_ids_stay_whole() -> None:
    printer, out, _ = screen(terminal=True, width=60)
    printer.table(COLUMNS, ROWS)
    assert out.getvalue().splitlines() == [
        "MAILBOX ann@contoso.example",
        f"  SUBSCRIPTION  {ID}",
        f"  WHY           {WHY}",
        "MAILBOX bob@contoso.example",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_what_comes_from_outside_can_neither_steer_the_terminal_nor_forge_a_line(terminal: bool) -> None:
    printer, out, err = screen(terminal=terminal, width=400)
    nasty = "\x1b[2Jgone\r\nok  all is well [red]x[/red]"
    printer.table(COLUMNS, [("ann", "1", nasty)])
    printer.say(nasty, lead="ok  ", style="bold")
    printer.note(nasty)
    assert "\x1b[2J" not in out.getvalue() + err.getvalue()
    assert len(out.getvalue().splitlines()) == 3
    assert "[red]x[/red]" in out.getvalue()


def test_json_is_whole_and_says_names_as_they_are() -> None:
    printer, out, _ = screen(terminal=False)
    printer.json([{"mailbox": "björn@contoso.example"}])
    assert json.loads(out.getvalue()) == [{"mailbox": "björn@contoso.example"}]
    assert "björn" in out.getvalue()


def test_nobody_is_asked_where_nobody_can_answer() -> None:
    printer, _, err = screen(terminal=True)
    assert printer.confirm("Delete?") is None
    assert err.getvalue() == ""


@pytest.mark.parametrize(("typed", "agreed"), [("y", True), ("YES", True), ("", False), ("no", False), ("yo", False)])
def test_only_a_yes_is_a_yes(typed: str, agreed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    err = io.StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
    asking = Screen(io.StringIO(), err, terminal=True, width=80, asks=True)
    assert asking.confirm("Delete these 3?") is agreed
    assert err.getvalue() == "Delete these 3? [y/N] "


def test_in_a_pipe_progress_says_nothing() -> None:
    printer, out, err = screen(terminal=False)
    with printer.progress("waiting") as show:
        show("still waiting")
    assert out.getvalue() + err.getvalue() == ""


def test_on_a_terminal_lines_go_above_the_one_that_says_what_is_waited_for() -> None:
    both = Terminal()
    printer = Screen(both, both, terminal=True, width=12, asks=False)
    with printer.progress("waiting for 2 mailboxes") as show:
        printer.say("ann renewed")
        show("waiting")
    erase = "\r\x1b[2K"
    assert both.getvalue() == f"{erase}waiting for{erase}ann renewed\n{erase}waiting for{erase}waiting{erase}"


@pytest.mark.parametrize(("number", "text"), [(0, "0 mailboxes"), (1, "1 mailbox"), (2, "2 mailboxes")])
def test_one_is_no_plural(number: int, text: str) -> None:
    assert count(number, "mailbox", "mailboxes") == text
