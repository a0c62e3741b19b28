"""docs/cli.md and the code tell of the same commands, options, checks and outcomes."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from graphmail.cli import COMMANDS, build
from graphmail.cli.check.kubernetes import NEEDED, SECRETS
from graphmail.cli.probe.delivery import DELIVERING, NOTIFICATION
from graphmail.cli.probe.subscriptions import GRAPH, READY, SIGN_IN, SUBSCRIPTION
from graphmail.cli.probe.urls import ADDRESS, CONNECTION, HANDSHAKE
from graphmail.cli.requests import Fate
from graphmail.cli.situation import Ready

TEXT = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
MIGRATIONS = Path(__file__).parents[3] / "operator" / "graphmail" / "database" / "migrations"
COMMON = {"--namespace", "-n", "--kubeconfig", "--context"}


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> list[str]:
    return re.findall(r"^\| (`.+?`) \|", text, re.MULTILINE)


def documented_options(text: str) -> set[str]:
    return {option for cell in first_cells(text) for option in re.findall(r"`(--?[a-z-]+)`", cell)}


def options(name: str) -> set[str]:
    group: Any = typer.main.get_command(build())
    parameters = group.get_command(None, name).params
    return {
        option
        for parameter in parameters
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("-")
    }


def test_the_sample_of_check_shows_the_newest_schema_and_all_rights_that_an_installation_with_defaults_needs() -> None:
    sample = section("graphmail check")
    newest = max(int(path.name[:4]) for path in MIGRATIONS.glob("[0-9]*.sql"))
    assert f"migrated to version {newest}\n" in sample
    assert f"all {len(set(NEEDED) - {SECRETS})} that the operator needs" in sample


def test_every_command_is_in_the_table_and_has_a_section() -> None:
    assert [cell.strip("`") for cell in first_cells(TEXT.partition("\n## ")[0])] == sorted(
        (f"graphmail {name}" for name in COMMANDS), key=lambda name: TEXT.index(f"| `{name}`")
    )
    assert set(re.findall(r"^## graphmail (\w+)$", TEXT, re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented_and_none_that_is_not_there(name: str) -> None:
    documented = documented_options(section(f"graphmail {name}"))
    assert documented == options(name) - COMMON - {"--help"}


@pytest.mark.parametrize("name", COMMANDS)
def test_where_to_look_can_be_said_for_every_command_but_those_that_a_pod_runs(name: str) -> None:
    assert documented_options(section("What holds for all of them")) == COMMON
    assert (options(name) >= COMMON) is (name not in {"run", "receiver", "migrate"})


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_transcript(name: str) -> None:
    assert f"```\n$ graphmail {name}" in section(f"graphmail {name}")


def test_every_outcome_of_a_renewal_is_documented() -> None:
    outcomes = {cell.strip("`") for cell in first_cells(section("graphmail renew"))} & set(Fate)
    assert outcomes == set(Fate)


def test_every_word_for_ready_is_documented() -> None:
    words = section("graphmail status").partition("`READY` is ")[2].partition(".")[0]
    assert set(re.findall(r"`(\w+)`", words)) == set(Ready)


def test_every_check_is_documented() -> None:
    folder = Path(__file__).parents[3] / "operator" / "graphmail" / "cli" / "check"
    code = "".join(path.read_text() for path in folder.glob("*.py"))
    told = set(re.findall(r'(?:ok|warning|failed|skipped)\(\s*"([a-z -]+)"', code))
    told |= set(re.findall(r'^NAME = "(.+)"$', code, re.MULTILINE))
    documented = {cell.strip("`") for cell in first_cells(section("graphmail check")) if not cell.startswith("`-")}
    assert documented == told


def test_every_step_of_a_probe_is_documented() -> None:
    table = section("graphmail probe").partition("| step |")[2]
    documented = {
        step for cell in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for step in re.findall(r"`([a-z -]+)`", cell)
    }
    url_steps = {ADDRESS, CONNECTION, HANDSHAKE}
    told = {READY, SUBSCRIPTION, SIGN_IN, GRAPH, NOTIFICATION, DELIVERING}
    assert documented == url_steps | {f"lifecycle {step}" for step in url_steps} | told


def test_the_first_migration_that_is_shown_applies_all_of_them() -> None:
    shown = re.findall(r"^applied migration (\w+)$", section("graphmail migrate"), re.MULTILINE)
    assert shown == [file.stem.partition("_")[2] for file in sorted(MIGRATIONS.glob("0*.sql"))]
