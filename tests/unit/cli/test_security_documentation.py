"""docs/security.md and what `graphmail check` asks for are the same rights; that the chart grants them is in tests/integration/rights."""

import re
from pathlib import Path

from graphmail.cli.check.kubernetes import NEEDED, Right, rights
from graphmail.settings import Settings

DOCUMENT = Path(__file__).parents[3] / "docs" / "security.md"
SETTINGS = Settings.load(
    {"GRAPHMAIL_DATABASE_URL": "postgresql://op@db.example/alga", "APPLICATION_URL": "https://product.example"}
)


def documented() -> list[Right]:
    text = DOCUMENT.read_text().partition("<!-- rights -->\n")[2].partition("<!-- /rights -->")[0]
    found = []
    for line in text.splitlines()[2:]:
        resource, verbs, why, without = line.strip("| ").split(" | ")
        full, _, subresource = resource.strip("`").partition("/")
        name, _, group = full.partition(".")
        assert why
        assert without
        found += [Right(verb, name, group, subresource) for verb in re.findall(r"`(\w+)`", verbs)]
    return found


def test_each_right_is_documented_once_with_its_reason_and_no_other() -> None:
    assert sorted(documented()) == sorted(NEEDED)


def test_check_asks_for_all_that_is_documented_and_for_nothing_else() -> None:
    assert set(rights(SETTINGS)) == set(documented())


def test_no_lease_is_asked_for_where_none_is_wanted() -> None:
    alone = SETTINGS.model_copy(update={"leader_election": False})
    assert {right.resource for right in set(rights(SETTINGS)) - set(rights(alone))} == {"leases"}
