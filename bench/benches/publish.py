"""`make bench-publish`: what the last full runs found, into the documentation: tables, machine, picture."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from localstack import pypi_tools
from localstack.cache import Cache
from localstack.messages import LocalStackError, home_relative, say, step, tail
from rig.parts import CHECKOUT
from rig.result import Finding, markdown_table

NAMES = ("quota", "compare", "idle")
RESULTS = CHECKOUT / "bench" / "results"
DOCUMENT = CHECKOUT / "docs" / "benchmarks.md"
PICTURE = CHECKOUT / "docs" / "benchmarks.svg"
LOCK = CHECKOUT / "bench" / "picture.lock"
QUIET = 0.5
"""A load average above this before a run says that others were at work on the machine."""


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
    _draw()
    say(
        f"{home_relative(DOCUMENT)} and {home_relative(PICTURE)} tell of: {', '.join(found.bench for found in findings)}"
    )


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
        if machine.load_before <= QUIET
        else f" **The machine was not quiet**: the load average was {machine.load_before} before the run."
    )
    return (
        f"`{found.command}`, {found.date}, commit `{found.commit}`, on {machine.cores} cores ({machine.processor}), "
        f"{machine.memory_gib} GiB, {machine.system}, Python {machine.python}.{noise}\n\n"
        f"{markdown_table(found.rows)}\n\n```json\n{found.last_line()}\n```\n"
    )


def _draw() -> None:
    """matplotlib draws; it is installed beside the cache's other tools, since nothing else needs it."""
    library = _library()
    command = [sys.executable, "-m", "benches.picture", str(RESULTS), str(PICTURE)]
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(library), str(CHECKOUT / "bench"), str(CHECKOUT / "hack")]),
    }
    with step("Drawing the picture"):
        answer = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise LocalStackError(f"the picture could not be drawn:\n{answer.stderr.strip()}")


def _library() -> Path:
    cache = Cache.default()
    version = ".".join(map(str, sys.version_info[:2]))
    return cache.obtain(f"matplotlib-{pypi_tools.locked_version(LOCK, 'matplotlib')}-py{version}", _install)


def _install(folder: Path) -> None:
    uv = pypi_tools.obtain(Cache.default(), "uv", takes="a few seconds") / "bin" / "uv"
    log = folder.with_suffix(".log")
    command = [str(uv), "pip", "install", "--quiet", "--python", sys.executable, "--target", str(folder)]
    with step("Fetching matplotlib into the cache (once, a few seconds)"), log.open("wb") as output:
        done = subprocess.run(
            [*command, "--require-hashes", "-r", str(LOCK)], stdout=output, stderr=output, check=False
        ).returncode
    if done:
        raise LocalStackError(f"matplotlib could not be installed:\n{tail(log)}")
    log.unlink()
