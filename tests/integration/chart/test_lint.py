"""Helm finds nothing to complain about, and shows a page that says how to install the chart."""

from pathlib import Path

import pytest

from support.helm import CHART, VALUE_FILES, Helm


@pytest.mark.parametrize("values", VALUE_FILES, ids=lambda path: path.stem)
def test_the_linter_finds_nothing_in_a_documented_installation(values: Path, helm: Helm) -> None:
    assert "0 chart(s) failed" in helm.run("lint", "--strict", CHART, "--values", values)


def test_every_documented_installation_is_in_the_documents() -> None:
    document = (CHART.parents[1] / "docs" / "chart.md").read_text()
    assert not [path.name for path in VALUE_FILES if f"| `{path.name}` |" not in document]


def test_the_package_has_a_page_of_its_own(helm: Helm, tmp_path: Path) -> None:
    helm.run("package", CHART, "--destination", tmp_path)
    [package] = tmp_path.glob("*.tgz")
    assert helm.run("show", "readme", package).strip() == (CHART / "README.md").read_text().strip()
