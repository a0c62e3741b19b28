"""The values of the chart as its `values.yaml` tells them: path, default and the comment directly above."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARIABLE = re.compile(r"\(([A-Z][A-Z_]+)\)\.$")


@dataclass(frozen=True)
class Value:
    """One value, or a group of them."""

    path: str
    """As `--set` takes it: `image.tag`."""
    default: Any
    description: str
    """The comment, for people."""

    @property
    def group(self) -> bool:
        """Whether it only holds other values, each with a comment of its own."""
        return isinstance(self.default, Group)

    @property
    def variable(self) -> str | None:
        """The setting's variable, which stands at the end of the description."""
        found = _VARIABLE.search(self.description)
        return found[1] if found else None


class Group(dict[str, Any]):
    """A mapping whose keys are values of the chart."""


def read_values(text: str) -> list[Value]:
    """All values in the order of the file, groups before what they hold.

    A mapping is a group where one of its keys has a comment, else a value of its own, such as `resources`.

    Raises:
        ValueError: a value has no comment.
    """
    return list(_read(yaml.compose(text, Loader=yaml.SafeLoader), "", text.splitlines()))


def _read(node: Any, prefix: str, lines: list[str]) -> Iterator[Value]:
    for key, child in node.value:
        path = f"{prefix}{key.value}"
        description = _comment(key, lines)
        default = yaml.safe_load(yaml.serialize(child))
        if isinstance(child, yaml.MappingNode) and any(_comment(name, lines) for name, _ in child.value):
            yield Value(path, Group(default), description)
            yield from _read(child, f"{path}.", lines)
        elif description:
            yield Value(path, default, description)
        else:
            raise ValueError(f"{path} has no comment in values.yaml: say above it what it means")


def _comment(key: Any, lines: list[str]) -> str:
    mark = key.start_mark
    above = []
    for line in reversed(lines[: mark.line]):
        if not line.startswith(" " * mark.column + "# "):
            break
        above.append(line.strip().removeprefix("# "))
    return " ".join(reversed(above))
