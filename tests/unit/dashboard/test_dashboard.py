"""The dashboard as it is shipped: generated, linked to, and described."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboard.board import UID, text
from graphmail.observability import families
from graphmail.receiver.counting import FAMILIES as OF_THE_RECEIVER

ROOT = Path(__file__).parents[3]
BOARD = ROOT / "helm" / "graphmail-operator" / "dashboards" / "graphmail.json"
RULES = ROOT / "helm" / "graphmail-operator" / "alerts" / "graphmail.yaml"
DESCRIPTION = ROOT / "docs" / "dashboard.md"
FIXED = {
    1: "Coverage",
    2: "What expires in the next hours",
    3: "Renewals by outcome",
    4: "Worst tenants",
    5: "Graph's latency",
    6: "Use of Graph's quota",
    7: "Sign-in required",
    8: "Mirror and Postgres",
    9: "Leader and event loop",
    10: "Orphans and abandoned",
    18: "Notifications by outcome",
    20: "Time to answer",
    21: "Receivers",
    22: "Lifecycle notifications",
}
"""Panels that alerts and bookmarks link to."""


@pytest.fixture(scope="module")
def panels() -> dict[int, dict[str, Any]]:
    """The panels by their ids, each of which is there once; the titles of rows are none."""
    board = json.loads(BOARD.read_text())
    found = {panel["id"]: panel for panel in board["panels"]}
    assert len(found) == len(board["panels"])
    return {number: panel for number, panel in found.items() if panel["type"] != "row"}


def test_the_file_is_what_the_generator_makes_of_it() -> None:
    assert BOARD.read_text() == text(), "run `make dashboard`"


def test_panels_that_are_linked_to_keep_their_ids(panels: dict[int, dict[str, Any]]) -> None:
    assert {number: panels[number]["title"] for number in FIXED} == FIXED


def test_every_alert_links_to_a_panel_that_exists(panels: dict[int, dict[str, Any]]) -> None:
    rules = [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"] if "alert" in rule
    ]
    assert rules
    for rule in rules:
        link = re.fullmatch(rf"/d/{UID}/{UID}\?viewPanel=(\d+)", rule["annotations"]["dashboard_url"])
        assert link, rule["alert"]
        assert int(link[1]) in panels, rule["alert"]


def test_every_metric_that_is_asked_for_is_one_of_ours(panels: dict[int, dict[str, Any]]) -> None:
    declared = (*families.FAMILIES, *OF_THE_RECEIVER)
    known = {family.name for family in declared}
    known |= {f"{family.name}_bucket" for family in declared if family.kind == "histogram"}
    for panel in panels.values():
        for target in panel["targets"]:
            asked = set(re.findall(r"\bgraphmail_\w+", target["expr"]))
            assert asked <= known, (panel["title"], asked - known)


def test_every_panel_is_described(panels: dict[int, dict[str, Any]]) -> None:
    described = re.findall(r"^\| (\d+) \| ([^|]+) \|", DESCRIPTION.read_text(), re.MULTILINE)
    assert {int(number): title for number, title in described} == {
        number: panel["title"] for number, panel in panels.items()
    }


def test_panels_do_not_overlap(panels: dict[int, dict[str, Any]]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in panels.values():
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert x < 24
                assert (x, y) not in taken, (panel["title"], taken[x, y])
                taken[x, y] = panel["title"]
