"""``python -m chart``: write what is generated of the chart. A test compares it with what is there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from chart.schema import values_schema
from chart.values import read_values
from localstack.messages import run_main, say

if TYPE_CHECKING:
    from chart.values import Value

CHECKOUT = Path(__file__).parents[2]
CHART = CHECKOUT / "helm" / "graphmail-operator"
DOCUMENT = CHECKOUT / "docs" / "chart.md"
START, END = "<!-- values -->\n", "<!-- /values -->"


def generated() -> dict[Path, str]:
    """The text of each generated file. Raises ValueError where values.yaml does not say what it must."""
    values = read_values((CHART / "values.yaml").read_text(encoding="utf-8"))
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    return {
        CHART / "values.schema.json": json.dumps(values_schema(values), indent=2) + "\n",
        CHART / "files" / "graphmailsubscriptions.yaml": (CHECKOUT / "crds" / "graphmailsubscriptions.yaml").read_text(
            encoding="utf-8"
        ),
        DOCUMENT: f"{before}{START}{table(values)}{END}{after}",
    }


def table(values: list[Value]) -> str:
    """The values as a table in Markdown."""
    rows = ["| value | default | what |", "|---|---|---|"]
    for value in values:
        default = "" if value.group else f"`{json.dumps(value.default, ensure_ascii=False)}`"
        if len(default) > 60:
            default = "see values.yaml"
        if value.description:
            rows.append(f"| `{value.path}` | {default} | {value.description.replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Write all of it."""
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
        say(f"wrote {path.relative_to(CHECKOUT)}")


if __name__ == "__main__":
    sys.exit(run_main(main))
