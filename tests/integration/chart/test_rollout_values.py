"""The values that docs/rollout.md gives for a step are the variables that it gives beside them."""

from pathlib import Path

import pytest

from support.documents import ROOT, blocks
from support.helm import CHART, Helm, environment, load

PAGE = ROOT / "docs" / "rollout.md"
BASE = CHART / "ci" / "postgres-values.yaml"
SECRETS = {"GRAPHMAIL_DATABASE_URL": "postgresql://graphmail@postgres.example.com/desk"}


def steps() -> list[tuple[dict[str, str], str]]:
    """For each step with values: the variables of the block before, and the values."""
    found = []
    for before, block in zip(blocks(PAGE), blocks(PAGE)[1:], strict=False):
        if block.language == "yaml":
            found.append((dict(word.split("=", 1) for word in before.typed.split()), block.typed))
    return found


def test_three_steps_have_values() -> None:
    assert [sorted(variables) for variables, _ in steps()] == [
        ["GRAPHMAIL_MODE"],
        ["GRAPHMAIL_MODE", "GRAPHMAIL_TENANTS"],
        ["GRAPHMAIL_TENANT_LOOK_AHEAD_MINUTES"],
    ]


@pytest.mark.parametrize(("variables", "values"), steps(), ids=[" ".join(sorted(step)) for step, _ in steps()])
def test_the_values_of_a_step_lead_to_its_variables(
    variables: dict[str, str], values: str, helm: Helm, tmp_path: Path
) -> None:
    file = tmp_path / "step.yaml"
    file.write_text(values)
    base = environment(helm.template("-f", BASE), SECRETS)
    assert load(environment(helm.template("-f", BASE, "-f", file), SECRETS)) == load(base | variables)
