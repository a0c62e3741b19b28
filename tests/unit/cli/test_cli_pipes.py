"""A command whose reader has enough, such as `head`, ends quietly: without a traceback, and without a word."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from graphmail.cli import check
from graphmail.cli.check.findings import Findings, ok
from graphmail.cli.check.ground import Wish
from graphmail.cli.conduct import UNREAD

_RUN = "import sys; sys.argv[0] = 'graphmail'; from graphmail.cli import main; main()"


def unread(home: Path, *words: str) -> tuple[int, str]:
    """Run Python with a standard output that nobody reads; the exit code, and what it says on standard error."""
    reader, writer = os.pipe()
    os.close(reader)
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(home), "GRAPHMAIL_MDOE": "observe"}
    try:
        ran = subprocess.run(
            [sys.executable, *words], env=environment, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writer)
    return ran.returncode, ran.stderr


@pytest.mark.parametrize("words", [("check",), ("check", "-o", "json")])
def test_a_check_that_nobody_reads_says_nothing(words: Sequence[str], tmp_path: Path) -> None:
    assert unread(tmp_path, "-c", _RUN, *words) == (UNREAD, "")


async def test_a_check_that_is_left_in_its_midst_closes_what_it_has_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    async def inner(name: str) -> Findings:
        try:
            yield ok(name, "is well")
            yield ok(name, "is well, too")
        finally:
            closed.append(name)

    monkeypatch.setattr(
        check, "CHECKS", ((("first",), lambda _: inner("first")), (("second",), lambda _: inner("second")))
    )
    async with aclosing(check.examine(Wish())) as found:
        await anext(found)
    assert closed == ["first"]
