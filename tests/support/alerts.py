"""The alert rules and their runbook, read as data."""

import re
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "helm" / "graphmail-operator" / "alerts" / "graphmail.yaml"
RUNBOOK = ROOT / "docs" / "runbook.md"
TESTS = tuple(sorted((ROOT / "tests" / "monitoring").glob("*.yaml")))
"""Promtool's unit tests of the rules."""

_INLINE = re.compile(r"`((?:kubectl|graphmail|helm) [^`]+)`")
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_IN_A_POD = re.compile(r"^kubectl exec .*? -- (?=graphmail )")
_TEMPLATE = re.compile(r"\{\{.*?\}\}")


@dataclass(frozen=True)
class Alert:
    """An alerting rule."""

    name: str
    expr: str
    hold: str
    labels: dict[str, str]
    annotations: dict[str, str]


@cache
def groups() -> tuple[dict[str, Any], ...]:
    """The groups of rules, as they stand in the file."""
    return tuple(yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"])


@cache
def rules() -> tuple[dict[str, Any], ...]:
    """All rules, recording ones too."""
    return tuple(rule for group in groups() for rule in group["rules"])


@cache
def alerts() -> tuple[Alert, ...]:
    """The alerting rules, in the order of the file."""
    return tuple(
        Alert(rule["alert"], rule["expr"], rule["for"], rule["labels"], rule["annotations"])
        for rule in rules()
        if "alert" in rule
    )


def sections() -> dict[str, str]:
    """The runbook's sections by their titles."""
    parts = re.split(r"^## (.+)$", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands(text: str) -> list[list[str]]:
    """Every command that a text tells one to run, as words; pipes and redirections are cut off."""
    lines = [line for block in _BLOCK.findall(text) for line in block.splitlines()]
    found = [*lines, *_INLINE.findall(text)]
    return [shlex.split(re.split(r" [|>] ", line)[0]) for line in found if line.startswith(("kubectl ", "graphmail "))]


def own_commands(text: str) -> list[list[str]]:
    """Those of them that are ours, without the program's name: in a pod, as a plugin, or plain."""
    found = []
    for words in commands(text):
        line = _IN_A_POD.sub("", shlex.join(words))
        if line.startswith(("graphmail ", "kubectl graphmail ")):
            found.append(shlex.split(line.removeprefix("kubectl ").removeprefix("graphmail ")))
    return found


def filled(text: str) -> str:
    """An annotation with a word in place of each value, and without the conditions: as its commands are typed."""
    return _TEMPLATE.sub(lambda match: "WORD" if re.match(r"\{\{ (?:\$|\.)", match.group()) else " ", text)
