"""`make bench-publish`: what the last full runs found, into the documentation: tables, machine, picture."""

import re
from collections.abc import Sequence
from pathlib import Path

from localstack.messages import LocalStackError, home_relative, say
from rig import quiet
from rig.drawing import draw_with
from rig.parts import CHECKOUT
from rig.result import Finding, markdown_table

NAMES = ("quota", "compare", "idle", "receiver")
DRAWN = frozenset({"quota", "compare"})
"""Of these the picture tells; without any of them there is none."""
RESULTS = CHECKOUT / "bench" / "results"
DOCUMENT = CHECKOUT / "docs" / "benchmarks.md"
PICTURE = CHECKOUT / "docs" / "benchmarks.svg"


def publish(found_in: Path) -> None:
    """Take the full findings of that folder over into the checkout.

    Raises LocalStackError when there is none, or when the picture cannot be drawn.
    """
    fresh = [found_in / f"{name}.json" for name in NAMES if (found_in / f"{name}.json").exists()]
    if not fresh:
        raise LocalStackError("nothing to publish: run make bench first (quick runs are not published)")
    for path in fresh:
        Finding.read(path).write(RESULTS)
    findings = published()
    DOCUMENT.write_text(filled(DOCUMENT.read_text(), findings))
    told, changed = [found.bench for found in findings], [DOCUMENT]
    if DRAWN.intersection(told):
        draw_with("benches.picture", RESULTS, PICTURE)
        changed.append(PICTURE)
    say(f"told of in {' and '.join(map(home_relative, changed))}: {', '.join(told)}")


def published() -> list[Finding]:
    """The findings that the documentation tells of."""
    return [Finding.read(RESULTS / f"{name}.json") for name in NAMES if (RESULTS / f"{name}.json").exists()]


def filled(document: str, findings: Sequence[Finding]) -> str:
    """The document with each finding between its marks, `<!-- quota -->` and `<!-- /quota -->`."""
    for found in findings:
        mark = re.compile(rf"(<!-- {found.bench} -->\n).*?(<!-- /{found.bench} -->)", re.DOTALL)
        place = mark.search(document)
        if place is None:
            raise LocalStackError(f"the document has no place for {found.bench}")
        document = f"{document[: place.end(1)]}{section(found)}{document[place.start(2) :]}"
    return document


def section(found: Finding) -> str:
    """What is said of one finding."""
    machine = found.machine
    noise = (
        ""
        if machine.load_before <= quiet.LOAD
        else f" **The machine was not quiet**: the load average was {machine.load_before} before the run."
    )
    return (
        f"`{found.command}`, {found.date}, commit `{found.commit}`, on {machine.cores} cores ({machine.processor}), "
        f"{machine.memory_gib} GiB, {machine.system}, Python {machine.python}.{noise}\n\n"
        f"{markdown_table(found.rows)}\n\n```json\n{found.last_line()}\n```\n"
    )
