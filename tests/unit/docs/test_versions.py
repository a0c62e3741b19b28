"""Every page asks for the same versions of other people's programs, and says which one is tried."""

import re

from localstack.toolchain import HELM
from support.documents import pages

HELM_FROM = re.compile(r"\bHelm (3\.\d+)\b")
HELM_TESTED = re.compile(r"\bHelm 4 \(tested: (4\.\d+)|\btested is Helm (4\.\d+)")


def test_every_page_asks_for_the_same_helm() -> None:
    asked = {page.name: set(HELM_FROM.findall(page.read_text(encoding="utf-8"))) for page in pages()}
    assert {name for name, versions in asked.items() if versions} >= {"quickstart.md", "chart.md"}
    assert set().union(*asked.values()) == {"3.17"}


def test_the_helm_that_pages_call_tested_is_the_one_of_the_tests() -> None:
    named = {
        version
        for page in pages()
        for found in HELM_TESTED.findall(page.read_text(encoding="utf-8"))
        for version in found
        if version
    }
    assert named == {HELM.version.removeprefix("v").rpartition(".")[0]}
