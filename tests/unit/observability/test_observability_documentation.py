"""The lists of reasons in the documentation are those of the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from graphmail.decision import Reason
from graphmail.observability.events import EventReason
from graphmail.observability.metrics import ACTIONS
from graphmail.reconciler.result import Deed
from graphmail.reconciler.verdicts import REASONS

ROOT = Path(__file__).parents[3]
RECONCILER = ROOT / "operator" / "graphmail" / "reconciler"


def table(name: str) -> list[list[str]]:
    """The rows of a marked table of the documentation."""
    text = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    body = text.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- /{name} -->")[0]
    return [[cell.strip(" `") for cell in line.strip("| ").split(" | ")] for line in body.splitlines()[2:]]


def literal_reasons() -> Iterator[str]:
    """The reasons that stand as words in the reconciler: third argument of `Wanted`, first of `waiting` and of `Verdict`."""
    position = {"Wanted": 2, "waiting": 0, "Verdict": 0}
    for path in RECONCILER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in position:
                given = node.args[position[node.func.id] :][:1]
                words = (inner.value for part in given for inner in ast.walk(part) if isinstance(inner, ast.Constant))
                yield from (word for word in words if isinstance(word, str))


def test_each_reason_of_the_decision_is_documented_and_no_other() -> None:
    assert [row[0] for row in table("decisions")] == [reason.value for reason in Reason]


def test_each_further_reason_of_a_condition_is_documented_and_no_other() -> None:
    documented = [row[0] for row in table("reasons")]
    assert len(documented) == len(set(documented))
    assert set(documented) == set(literal_reasons()) | set(REASONS.values())


def test_each_event_is_documented_with_its_type_and_no_other() -> None:
    assert [row[:2] for row in table("events")] == [[reason.value, reason.type] for reason in EventReason]


def test_every_documented_reason_is_explained_and_a_valid_reason() -> None:
    for name in ("decisions", "reasons", "events"):
        for row in table(name):
            assert len(row[-1]) > 10
            assert re.fullmatch(r"[A-Z][A-Za-z]+", row[0])


def test_every_action_of_the_reconciler_has_its_series_from_the_start() -> None:
    assert set(ACTIONS) == {deed.value for deed in Deed}
