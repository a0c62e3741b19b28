"""docs/security.md, the Role that is shipped, and what `graphmail check` asks for are the same rights."""

import re
from pathlib import Path
from typing import Any

import yaml

from graphmail.cli.check.kubernetes import NAMESPACE, Right, rights
from graphmail.settings import Settings

ROOT = Path(__file__).parents[3]
SETTINGS = Settings.load(
    {"GRAPHMAIL_DATABASE_URL": "postgresql://op@db.example/alga", "APPLICATION_URL": "https://product.example"}
)


def role() -> dict[str, Any]:
    manifests = yaml.safe_load_all((ROOT / "hack" / "kind" / "operator.yaml").read_text())
    [found] = [manifest for manifest in manifests if manifest["kind"] == "Role"]
    return found


def granted() -> list[Right]:
    return [
        Right(verb, *_parts(resource, group))
        for rule in role()["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def _parts(resource: str, group: str) -> tuple[str, str, str]:
    name, _, subresource = resource.partition("/")
    return name, group, subresource


def documented() -> list[Right]:
    text = (
        (ROOT / "docs" / "security.md").read_text().partition("<!-- rights -->\n")[2].partition("<!-- /rights -->")[0]
    )
    found = []
    for line in text.splitlines()[2:]:
        resource, verbs, why = line.strip("| ").split(" | ")
        full, _, subresource = resource.strip("`").partition("/")
        name, _, group = full.partition(".")
        assert why
        found += [Right(verb, name, group, subresource) for verb in re.findall(r"`(\w+)`", verbs)]
    return found


def test_each_right_of_the_role_is_documented_once_with_its_reason_and_no_other() -> None:
    assert sorted(documented()) == sorted(granted())


def test_the_role_grants_what_check_asks_for_and_no_more() -> None:
    assert set(granted()) == set(rights(SETTINGS))


def test_no_lease_is_asked_for_where_none_is_wanted() -> None:
    alone = SETTINGS.model_copy(update={"leader_election": False})
    assert {right.resource for right in set(rights(SETTINGS)) - set(rights(alone))} == {"leases"}


def test_of_namespaces_only_the_operators_own_can_be_read() -> None:
    [rule] = [rule for rule in role()["rules"] if NAMESPACE.resource in rule["resources"]]
    assert rule["resourceNames"] == [role()["metadata"]["namespace"]]
