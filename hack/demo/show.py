"""How things are shown in the terminal: headings, paragraphs, tables and commands. No colours, so that a transcript is what was seen."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from localstack.messages import say

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 110
"""Of paragraphs."""
WIDE = 170
"""Of lines that a program printed; what is wider is cut."""


def heading(text: str) -> None:
    """Begin a part of the story."""
    say(f"\n── {text} {'─' * max(3, WIDTH - len(text) - 4)}")


def paragraph(text: str) -> None:
    """Say what happens, and why."""
    say(textwrap.fill(" ".join(text.split()), WIDTH))


def command(text: str, output: str | None = None) -> None:
    """A command as a person would type it, and what it printed."""
    say(f"\n$ {text}")
    if output is not None:
        say(output.rstrip())


def shortened(line: str, width: int) -> str:
    """A line that is cut where it would be wider than `width`, and says so."""
    return line if len(line) <= width else f"{line[: width - 1]}…"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Rows in columns as wide as they need."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    say("")
    for row in cells:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def moment(value: datetime | None) -> str:
    """A time as Kubernetes writes it, or a dash."""
    return "-" if value is None else value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(value: datetime | None, now: datetime) -> str:
    """A time as a person says it: `in 3 h`, `2 days ago`, or a dash."""
    if value is None:
        return "-"
    hours = abs((value - now).total_seconds()) / 3600
    text = f"{hours * 60:.0f} min" if hours < 1 else f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.1f} days"
    return f"in {text}" if value > now else f"{text} ago"
