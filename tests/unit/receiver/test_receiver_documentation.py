"""docs/receiver.md and the code tell of the same metrics, outcomes, settings and bounds."""

import re
from pathlib import Path

from graphmail.cli.receiver import PAGE
from graphmail.database.grants import receiver_statements
from graphmail.receiver.counting import FAMILIES, Outcome, ReceiverMetrics
from graphmail.receiver.reading import MOST_ITEMS
from graphmail.receiver.server import Bounds
from graphmail.resource.lifecycle import LifecycleEvent

DOCUMENT = (Path(__file__).parents[3] / "docs" / "receiver.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return DOCUMENT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> list[str]:
    return re.findall(r"^\| `(.+?)`(?:, `(?:.+?)`)* \|", text, re.MULTILINE)


def test_every_metric_is_documented_as_it_is_declared() -> None:
    rows = [
        f"| `{family.name}` | {family.kind} | {', '.join(f'`{label}`' for label in family.labels)} | {family.help} |"
        for family in FAMILIES
    ]
    documented = DOCUMENT.partition("<!-- metrics -->\n")[2].partition("<!-- /metrics -->")[0]
    assert documented.splitlines()[2:] == rows


def test_every_metric_is_served_and_no_other_of_ours() -> None:
    served = set(re.findall(r"^# TYPE (graphmail_\w+) ", ReceiverMetrics().render().decode(), re.MULTILINE))
    assert served == {family.name for family in FAMILIES}


def test_every_outcome_and_event_is_documented() -> None:
    assert first_cells(section("Whom it believes")) == [outcome.value for outcome in Outcome]
    assert all(f"`{event.value}`" in section("What it does with a request") for event in LifecycleEvent)


def test_every_setting_that_it_reads_is_documented() -> None:
    documented = set(re.findall(r"`(GRAPHMAIL_[A-Z_]+)`", section("Settings")))
    assert documented == set(PAGE.settings or ()) - {"GRAPHMAIL_SIMULATED_CLOCK_FILE"}


def test_the_documented_grants_are_those_that_are_sent() -> None:
    documented = DOCUMENT.partition("```sql\n")[2].partition("```")[0].splitlines()
    sent = [statement.as_string(None).replace('"', "") + ";" for statement in receiver_statements("graphmail_receiver")]
    assert documented == [
        re.sub(r"ON (TABLE|SCHEMA) ", lambda kind: "ON SCHEMA " if "SCH" in kind[0] else "ON ", one) for one in sent
    ]


def test_the_documented_bounds_are_those_of_the_code() -> None:
    text, bounds = section("What is bounded"), Bounds()
    assert f"{bounds.body_bytes // 1024} KiB, {bounds.body_seconds:g} seconds" in text
    assert f"| notifications in a body | {MOST_ITEMS:,};" in text
    assert f"{bounds.bodies_bytes // 1024**2} MiB together" in text
    assert f"| {bounds.head_bytes // 1024} KiB | cut |" in text
    assert f"{bounds.header_bytes:,} bytes" in text
    assert f"{bounds.first_request_seconds:g} seconds; {bounds.idle_seconds:g} between" in text
    assert f"| {bounds.connections:,} a process |" in text
