"""What a bench found, as it is printed and kept."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import psutil

Number = int | float


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a bench's table."""

    what: str
    measured: str
    to_reach: str = ""
    reached: bool | None = None
    """None: nothing was asked for."""

    @property
    def verdict(self) -> str:
        """In a word."""
        return {None: "", True: "reached", False: "MISSED"}[self.reached]


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was measured, and what else went on there."""

    processor: str
    cores: int
    memory_gib: int
    system: str
    python: str
    load_before: float
    """Load average of the last minute, before the bench: others at work, or its own filling in."""

    @classmethod
    def here(cls) -> Self:
        """This one, now."""
        return cls(
            processor=_processor(),
            cores=os.cpu_count() or 0,
            memory_gib=round(psutil.virtual_memory().total / 2**30),
            system=f"{platform.system()} {platform.release().split('-')[0]}",
            python=platform.python_version(),
            load_before=round(os.getloadavg()[0], 2),
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """One run of one bench."""

    bench: str
    quick: bool
    """Smaller than the bench is meant to be: no basis for a claim."""
    command: str
    date: str
    commit: str
    machine: Machine
    rows: tuple[Row, ...]
    numbers: Mapping[str, Number]
    """The JSON object that is printed last."""
    curve: tuple[int, ...] = ()
    """Renewals that Graph had granted after each second."""

    def write(self, folder: Path) -> Path:
        """Keep it as `<bench>.json`; a quick one is named so."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.bench}{'-quick' if self.quick else ''}.json"
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """What was kept there."""
        fields: dict[str, Any] = json.loads(path.read_text())
        rows = tuple(Row(**row) for row in fields.pop("rows"))
        curve = tuple(fields.pop("curve"))
        return cls(machine=Machine(**fields.pop("machine")), rows=rows, curve=curve, **fields)

    def last_line(self) -> str:
        """The numbers on one line."""
        return json.dumps(self.numbers)


def finding(
    bench: str,
    *,
    quick: bool,
    command: str,
    machine: Machine,
    rows: Sequence[Row],
    numbers: Mapping[str, Number],
    curve: Sequence[int] = (),
) -> Finding:
    """A finding of now, of what is checked out here."""
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    return Finding(bench, quick, command, date, _commit(), machine, tuple(rows), dict(numbers), tuple(curve))


def text_table(rows: Sequence[Row]) -> str:
    """The rows for a terminal."""
    cells = [(row.what, row.measured, row.to_reach, row.verdict) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)
    return "\n".join(line.rstrip() for line in lines)


def markdown_table(rows: Sequence[Row]) -> str:
    """The rows for a document."""
    lines = ["| | measured | to reach | |", "|---|---|---|---|"]
    lines += [f"| {row.what} | {row.measured} | {row.to_reach} | {row.verdict} |" for row in rows]
    return "\n".join(lines)


def at_most(what: str, value: Number, limit: Number, text: str) -> Row:
    """A row whose number must not be above a limit."""
    return Row(what, text.format(value), f"at most {text.format(limit)}", value <= limit)


def at_least(what: str, value: Number, limit: Number, text: str) -> Row:
    """A row whose number must not be below a limit."""
    return Row(what, text.format(value), f"at least {text.format(limit)}", value >= limit)


def exactly(what: str, value: Number, wanted: Number) -> Row:
    """A row whose number must be that one."""
    return Row(what, f"{value:,}", f"{wanted:,}", value == wanted)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    answer = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"
