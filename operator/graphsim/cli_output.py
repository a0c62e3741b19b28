"""What the command line prints: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from graphsim.client import CONTROL_URL_VARIABLE, ControlError, SimulatorControl

_WIDE = 400


class OutputFormat(StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[OutputFormat, typer.Option("--output", "-o", help="A table, or JSON for programs.")]
ControlOption = Annotated[
    str | None,
    typer.Option(
        "--control-url",
        envvar=CONTROL_URL_VARIABLE,
        help="Control URL of the simulator, as `graphsim serve` prints it.",
    ),
]
Columns = Mapping[str, Callable[[Any], Any]]


def connect(control_url: str | None) -> SimulatorControl:
    """Open a client for a control URL; ends the command with one line when there is none."""
    if not control_url:
        raise ControlError(
            f"which simulator? Pass --control-url or set {CONTROL_URL_VARIABLE}; start one with: graphsim serve"
        )
    return SimulatorControl(control_url)


def show(rows: Sequence[BaseModel] | BaseModel, columns: Columns, output: OutputFormat) -> None:
    """Print models: as JSON whole, as a table by the columns."""
    if output is OutputFormat.JSON:
        show_json([row.model_dump(mode="json") for row in rows] if isinstance(rows, Sequence) else rows)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in columns:
        table.add_column(title, overflow="fold")
    for row in rows if isinstance(rows, Sequence) else [rows]:
        table.add_row(*(_cell(read(row)) for read in columns.values()))
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table)


def show_json(value: Any) -> None:
    """Print a value as JSON."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    sys.stdout.write(json.dumps(plain, indent=2) + "\n")


def say(text: str) -> None:
    """Print one line."""
    sys.stdout.write(text + "\n")


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.1f}"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(str, value)) or "-"
    return value.strftime("%Y-%m-%d %H:%M:%S") if hasattr(value, "strftime") else str(value)
