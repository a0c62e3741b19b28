"""What the commands print: tables for people, plain columns for pipes, JSON for programs.

Answers go to standard output; progress, warnings and questions go to standard error, so that a pipe gets the answer alone.
"""

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Self, TextIO, TypeVar

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

T = TypeVar("T")

CLEAR_PAGE = "\x1b[H\x1b[2J\x1b[3J"
"""To the upper left corner, and erase the page with what was scrolled away (ECMA-48, xterm)."""
CLEAR_LINE = "\r\x1b[2K"
"""Back to the line's beginning, and erase it (ECMA-48)."""

NARROWEST_TEXT = 24
"""Characters that a column of prose needs beside the others; where there is less room, rows are printed one below the other."""


class OutputFormat(StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"


class TableFormat(StrEnum):
    """How to print a table."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """A column of a table. At most one of a table is prose, which may be wrapped; all others stay whole."""

    title: str
    read: Callable[[T], str]
    prose: bool = False
    style: Callable[[T], str] | None = None
    """The colour of a cell on a terminal."""


class Screen:
    """Where a command prints.

    Args:
        terminal: standard output is a terminal: tables are for people there.
        width: characters of a line of it.
        asks: somebody can be asked, on standard error and standard input.
    """

    def __init__(self, out: TextIO, err: TextIO, *, terminal: bool, width: int, asks: bool) -> None:
        self._out = out
        self._err = err
        self._terminal = terminal
        self._width = width
        self._asks = asks
        self._progress = ""

    @classmethod
    def of_process(cls) -> Self:
        """The process's own."""
        return cls(
            sys.stdout,
            sys.stderr,
            terminal=sys.stdout.isatty(),
            width=shutil.get_terminal_size().columns,
            asks=sys.stdin.isatty() and sys.stderr.isatty(),
        )

    @property
    def terminal(self) -> bool:
        """Somebody reads this as it comes."""
        return self._terminal

    def say(self, text: str, *, lead: str = "", style: str = "") -> None:
        """One line of the answer, with its first words in that style on a terminal."""
        with self._beside_progress():
            if self._terminal:
                line = Text.assemble((_printable(lead), style), _printable(text))
                Console(file=self._out, soft_wrap=True).print(line)
            else:
                self._out.write(_printable(lead + text) + "\n")
            self._out.flush()

    def note(self, text: str) -> None:
        """One line that is not part of the answer: a warning, or what is going on."""
        with self._beside_progress():
            self._err.write(_printable(text) + "\n")
            self._err.flush()

    def json(self, value: Any) -> None:
        """A value as JSON."""
        self._out.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def yaml(self, value: Any) -> None:
        """A value as YAML."""
        self._out.write(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1_000_000))

    def clear(self) -> None:
        """Begin a terminal's page anew; in a pipe, nothing."""
        if self._terminal:
            self._out.write(CLEAR_PAGE)

    def table(self, columns: Sequence[Column[T]], rows: Sequence[T]) -> None:
        """Rows as a table on a terminal that is wide enough, as one block a row on a narrow one, and as whole lines in a pipe."""
        cells = [[_printable(column.read(row)) or "-" for column in columns] for row in rows]
        widths = [
            max(len(column.title), *(len(line[place]) for line in cells)) if cells else len(column.title)
            for place, column in enumerate(columns)
        ]
        if not self._terminal:
            self._plain(columns, cells, widths)
        elif _needed(columns, widths) <= self._width:
            self._rich(columns, rows, cells)
        else:
            self._blocks(columns, cells)

    def confirm(self, question: str) -> bool | None:
        """Ask for a yes; None: there is nobody to be asked."""
        if not self._asks:
            return None
        self._err.write(f"{question} [y/N] ")
        self._err.flush()
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[str], None]]:
        """A line at the bottom of the terminal that says what is waited for; in a pipe, nothing."""
        if not (self._terminal and self._err.isatty()):
            yield lambda _: None
            return
        self._show_progress(what)
        try:
            yield self._show_progress
        finally:
            self._show_progress("")

    def _show_progress(self, what: str) -> None:
        self._progress = _printable(what)[: self._width - 1]
        self._err.write(CLEAR_LINE + self._progress)
        self._err.flush()

    @contextmanager
    def _beside_progress(self) -> Iterator[None]:
        """Other lines go above the one that says what is waited for."""
        what = self._progress
        if what:
            self._show_progress("")
        yield
        if what:
            self._show_progress(what)

    def _plain(self, columns: Sequence[Column[T]], cells: list[list[str]], widths: list[int]) -> None:
        for line in [[column.title for column in columns], *cells]:
            padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self._out.write("  ".join(padded).rstrip() + "\n")

    def _rich(self, columns: Sequence[Column[T]], rows: Sequence[T], cells: list[list[str]]) -> None:
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        for column in columns:
            table.add_column(column.title, no_wrap=not column.prose, overflow="fold")
        for row, line in zip(rows, cells, strict=True):
            styles = [column.style(row) if column.style else "" for column in columns]
            table.add_row(*(Text(cell, style=style) for cell, style in zip(line, styles, strict=True)))
        Console(file=self._out, width=self._width).print(table)

    def _blocks(self, columns: Sequence[Column[T]], cells: list[list[str]]) -> None:
        heading, *others = columns
        label = max(len(column.title) for column in others)
        for first, *rest in cells:
            self._out.write(f"{heading.title} {first}\n")
            for column, cell in zip(others, rest, strict=True):
                if cell != "-":
                    self._out.write(f"  {column.title.ljust(label)}  {cell}\n")


def _needed(columns: Sequence[Column[T]], widths: Sequence[int]) -> int:
    """Characters of a line that the table needs: prose may be wrapped, all else stays whole."""
    wanted = (
        min(width, NARROWEST_TEXT) if column.prose else width for column, width in zip(columns, widths, strict=True)
    )
    return sum(wanted) + 2 * len(columns)


def _printable(text: str) -> str:
    """The text on one line, without what could steer a terminal: some of it comes from Microsoft."""
    return "".join(character if character.isprintable() else " " for character in text)


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 mailbox`, `2 mailboxes`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def bar(done: int, total: int, width: int = 24) -> str:
    """How much of a whole is done, as a bar."""
    filled = width if not total else width * done // total
    return f"[{'#' * filled}{'.' * (width - filled)}]"
