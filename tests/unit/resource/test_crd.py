"""The CRD that is made from the models."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from graphmail.resource.crd import RULES, crd, crd_yaml, main, structural_schema

CHECKED_IN = Path(__file__).parents[3] / "crds" / "graphmailsubscriptions.yaml"


def root() -> dict[str, Any]:
    return crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def walk(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path or ".", schema
    for name, field in schema.get("properties", {}).items():
        yield from walk(field, f"{path}.{name}")
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")


FIELDS = dict(walk(root()))


def test_the_checked_in_file_is_what_the_models_say() -> None:
    assert main(["--check", str(CHECKED_IN)]) == 0


def test_a_stale_file_is_told_in_one_line_that_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "crd.yaml"
    stale.write_text(crd_yaml().replace("Watched folders", "Folders"), encoding="utf-8")
    before = stale.read_bytes()
    assert main(["--check", str(stale)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert str(stale) in captured.err
    assert "make crds" in captured.err
    assert stale.read_bytes() == before


def test_a_missing_file_is_stale(tmp_path: Path) -> None:
    assert main(["--check", str(tmp_path / "nothing.yaml")]) == 1


def test_writing_makes_it_fresh(tmp_path: Path) -> None:
    path = tmp_path / "crd.yaml"
    assert main([str(path)]) == 0
    assert main(["--check", str(path)]) == 0


def test_the_file_says_where_it_comes_from_and_reads_as_the_crd() -> None:
    text = crd_yaml()
    assert text.startswith("# Generated")
    assert "python -m graphmail.resource.crd crds/graphmailsubscriptions.yaml" in text
    assert yaml.safe_load(text) == crd()


@pytest.mark.parametrize("path", [path for path in FIELDS if not path.endswith("[]")])
def test_every_field_is_described(path: str) -> None:
    assert len(FIELDS[path].get("description", "")) > 10


@pytest.mark.parametrize("path", FIELDS)
def test_every_field_is_structural(path: str) -> None:
    field = FIELDS[path]
    assert "type" in field
    assert not field.keys() & {"$ref", "$defs", "title", "anyOf", "allOf", "oneOf", "const", "examples"}
    assert "default" not in field or field["default"] is not None


@pytest.mark.parametrize("path", FIELDS)
def test_moments_and_numbers_have_their_format(path: str) -> None:
    field = FIELDS[path]
    if path.endswith("Time"):
        assert (field["type"], field["format"]) == ("string", "date-time")
    if field["type"] == "integer":
        assert field["format"] == "int64"


def test_what_a_person_must_say_is_required_and_nothing_else_is() -> None:
    assert FIELDS["."]["required"] == ["spec"]
    assert FIELDS[".spec"]["required"] == ["tenant", "providerID", "mailbox", "notificationURL"]
    assert "required" not in FIELDS[".status"]


def test_defaults_stand_in_the_spec_alone() -> None:
    defaults = {path: field["default"] for path, field in FIELDS.items() if "default" in field}
    assert defaults == {
        ".spec.folders": ["inbox"],
        ".spec.changeTypes": ["created"],
        ".spec.suspend": False,
        ".spec.suspendPolicy": "Retain",
        ".spec.deletionPolicy": "Delete",
        ".spec.credentials": {"source": "ProviderRow"},
        ".spec.credentials.source": "ProviderRow",
    }


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (".spec.changeTypes[]", ["created", "updated", "deleted"]),
        (".spec.credentials.source", ["ProviderRow", "Secret"]),
        (".status.conditions[].status", ["True", "False", "Unknown"]),
        (".status.subscriptions[].state", ["Active", "Pending", "NotDeliverable"]),
    ],
)
def test_a_closed_choice_is_an_enum(path: str, values: list[str]) -> None:
    assert FIELDS[path]["enum"] == values
    assert "pattern" not in FIELDS[path]


@pytest.mark.parametrize(("path", "key"), [(".status.conditions", "type"), (".status.subscriptions", "folder")])
def test_lists_of_the_status_are_maps_for_server_side_apply(path: str, key: str) -> None:
    assert FIELDS[path]["x-kubernetes-list-type"] == "map"
    assert FIELDS[path]["x-kubernetes-list-map-keys"] == [key]
    assert key in FIELDS[f"{path}[]"]["required"]


@pytest.mark.parametrize("path", RULES)
def test_every_rule_stands_at_its_field_with_a_message_in_one_line(path: str) -> None:
    rules = FIELDS[f".{path}"]["x-kubernetes-validations"]
    assert [rule["rule"] for rule in rules] == [rule["rule"] for rule in RULES[path]]
    assert all(path.rpartition(".")[2] in rule["message"] or path == "spec" for rule in rules)
    assert not any("\n" in rule["message"] for rule in rules)


@pytest.mark.parametrize("path", [path for path, field in FIELDS.items() if path.startswith(".spec")])
def test_everything_in_the_spec_is_bounded_so_that_the_rules_cost_little(path: str) -> None:
    field = FIELDS[path]
    if field["type"] == "string":
        assert "maxLength" in field or "enum" in field
    if field["type"] == "array":
        assert "maxItems" in field


def test_alternatives_that_a_structural_schema_cannot_hold_are_refused() -> None:
    class Either(BaseModel):
        value: int | str

    with pytest.raises(ValueError, match="alternatives"):
        structural_schema(Either)
