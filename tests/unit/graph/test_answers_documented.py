"""docs/answers.md tells what the tables of answers hold, no more and no less."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from graphmail.graph import Meaning, signin_table, table
from graphmail.reconciler.verdicts import REASONS

PAGE = (Path(__file__).parents[3] / "docs" / "answers.md").read_text(encoding="utf-8")
Row = table.Row | signin_table.Row


def told(name: str) -> list[list[str]]:
    """The rows of a marked table of the page."""
    body = PAGE.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- /{name} -->")[0]
    return [[cell.strip(" `") for cell in re.split(r" \| ", line.strip("| "))] for line in body.splitlines()[2:]]


def test_each_meaning_is_documented_with_its_reason() -> None:
    assert [row[:2] for row in told("meanings")] == [[meaning.value, REASONS[meaning]] for meaning in Meaning]


def test_what_the_operator_does_is_documented_at_its_true_pace() -> None:
    for name, _, does in told("meanings"):
        meaning = Meaning(name)
        assert does.endswith("stops") == meaning.terminal, name
        assert does.endswith("slowly") == meaning.slow, name


@pytest.mark.parametrize(("name", "rows"), [("graph", table.TABLE), ("signin", signin_table.TABLE)])
def test_each_answer_is_documented_with_its_meaning_and_remedy(name: str, rows: Sequence[Row]) -> None:
    documented = [(case, meaning, does) for case, _, meaning, does in told(name)]

    assert documented == [(row.case, row.meaning.value, row.remedy or "nothing") for row in rows]


@pytest.mark.parametrize(("name", "rows"), [("graph", table.TABLE), ("signin", signin_table.TABLE)])
def test_each_answer_is_documented_by_what_it_is_known(name: str, rows: Sequence[Row]) -> None:
    for (_, known_by, *_), row in zip(told(name), rows, strict=True):
        for word in marks(row):
            assert word in known_by, row.case


def marks(row: Row) -> list[str]:
    """What tells this row from the others; whole classes of statuses are written as 4xx and 5xx."""
    statuses = [str(status) for status in row.statuses or () if len(row.statuses or ()) < 10]
    if isinstance(row, signin_table.Row):
        return [*statuses, *(row.errors or ()), *(str(number) for number in row.numbers or ())]
    pattern = [row.says.pattern.replace("|", "\\|")] if row.says else []
    return [*statuses, *(row.codes or ()), *(row.inner or ()), *pattern]
