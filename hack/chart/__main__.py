"""``python -m chart``: write what is generated of the chart, lint it with each file of ``ci/``, and pack it into ``dist/``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from chart.schema import values_schema
from chart.values import read_values
from localstack.cache import Cache
from localstack.messages import LocalStackError, run_main, say, step
from localstack.toolchain import HELM, Toolchain

if TYPE_CHECKING:
    from chart.values import Value

CHECKOUT = Path(__file__).parents[2]
CHART = CHECKOUT / "helm" / "graphmail-operator"
DOCUMENT = CHECKOUT / "docs" / "chart.md"
START, END = "<!-- values -->\n", "<!-- /values -->"
_LONGEST_DEFAULT = 40


def generated() -> dict[Path, str]:
    """The text of each generated file. Raises ValueError where values.yaml does not say what it must."""
    values = read_values((CHART / "values.yaml").read_text(encoding="utf-8"))
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    crd = (CHECKOUT / "crds" / "graphmailsubscriptions.yaml").read_text(encoding="utf-8")
    return {
        CHART / "values.schema.json": json.dumps(values_schema(values), indent=2) + "\n",
        CHART / "files" / "graphmailsubscriptions.yaml": crd,
        CHART / "files" / "variables.json": json.dumps(settings(values), indent=2) + "\n",
        DOCUMENT: f"{before}{START}{table(values)}{END}{after}",
    }


def settings(values: list[Value]) -> dict[str, str]:
    """By which values each variable of the operator is set, for what the chart says to somebody who sets it in another way."""
    found: dict[str, list[str]] = {}
    for value in values:
        if value.variable:
            found.setdefault(value.variable, []).append(value.path)
    return {variable: " or ".join(paths) for variable, paths in sorted(found.items())}


def table(values: list[Value]) -> str:
    """The values as a table in Markdown; a group has a row where a comment says something of it."""
    rows = [
        f"| `{value.path}` | {_default(value)} | {value.description.replace('|', chr(92) + '|')} |"
        for value in values
        if value.description
    ]
    return "\n".join(["| value | default | what |", "|---|---|---|", *rows]) + "\n"


def _default(value: Value) -> str:
    shown = json.dumps(value.default, ensure_ascii=False)
    if value.group:
        return ""
    return f"`{shown}`" if len(shown) <= _LONGEST_DEFAULT else "in `values.yaml`"


def check_and_pack() -> None:
    """Lint the chart with each documented way to install it, and pack it. Raises LocalStackError with what Helm says."""
    with step("Linting the chart"):
        for values in sorted((CHART / "ci").glob("*-values.yaml")):
            _helm("lint", "--strict", str(CHART), "--values", str(values))
    say(_helm("package", str(CHART), "--destination", str(CHECKOUT / "dist")).strip())


def _helm(*arguments: str) -> str:
    program = Toolchain(Cache.default(), os.environ).program(HELM, "helm")
    answer = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if answer.returncode:
        raise LocalStackError(f"helm {arguments[0]} failed\n{answer.stdout}{answer.stderr}")
    return answer.stdout


def main() -> None:
    """Parse the command line and do what it asks for."""
    parser = argparse.ArgumentParser(prog="python -m chart", description=__doc__)
    parser.add_argument("--only-generate", action="store_true", help="write the generated files, and no more")
    options = parser.parse_args()
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
    if not options.only_generate:
        check_and_pack()


if __name__ == "__main__":
    sys.exit(run_main(main))
