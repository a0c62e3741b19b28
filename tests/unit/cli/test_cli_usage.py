"""How the command is used: each help teaches, each example works, and wrong usage ends with 2."""

import shlex
import subprocess
import sys
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from graphmail.cli import COMMANDS, build
from graphmail.settings import variables


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(build(), arguments, prog_name="graphmail")


def command(name: str) -> Any:
    group: Any = typer.main.get_command(build())
    return group.get_command(None, name)


def page(name: str) -> Any:
    return __import__(f"graphmail.cli.{name}", fromlist=["PAGE"]).PAGE


def test_the_version_is_one_line() -> None:
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.output.startswith("graphmail ")
    assert result.output.count("\n") == 1


def test_the_help_lists_every_command_with_its_whole_summary() -> None:
    text = invoke("--help").output
    for name in COMMANDS:
        assert f"  {name.ljust(9)}  {page(name).summary}\n" in text


def test_help_alone_imports_no_part_of_the_operator() -> None:
    code = "import sys, graphmail.cli; sys.exit(any(name in sys.modules for name in ('kopf', 'kubernetes', 'psycopg', 'msal')))"
    assert (
        subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=False).returncode
        == 0
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_a_summary_examples_and_what_it_reads(name: str) -> None:
    result = invoke(name, "--help")
    assert result.exit_code == 0
    assert page(name).summary in result.output
    assert "\n  Examples:\n" in result.output
    assert "\n  Reads " in result.output
    assert all(example in result.output for example in page(name).examples)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_setting_that_a_help_names_exists(name: str) -> None:
    assert set(page(name).settings or ()) <= {variable.name for variable in variables()}


EXAMPLES = [
    example
    for name in COMMANDS
    for example in page(name).examples
    if "graphmail " in example and "kubectl" not in example
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_right_usage(example: str) -> None:
    words = shlex.split(example.partition("graphmail ")[2].partition(" | ")[0])
    parsed = command(words[0]).make_context(words[0], words[1:])
    assert parsed.command.name == words[0]


WRONG = {
    "an unknown command": ["renewal"],
    "an unknown option": ["status", "--tenants", "acme"],
    "an unknown format": ["status", "-o", "xml"],
    "a renewal of nothing": ["renew"],
    "a renewal of names and of all": ["renew", "ann", "--all"],
    "a renewal of a tenant and of all": ["renew", "--tenant", "acme", "--all"],
    "a time-out that is none": ["renew", "--all", "--timeout", "soon"],
    "a moment that is none": ["status", "--due-before", "soon"],
    "a reason that is none": ["status", "--reason", "Nonsense"],
    "JSON that never ends": ["status", "--watch", "-o", "json"],
    "a suspension of nobody": ["suspend"],
    "a resumption of names and of a tenant": ["resume", "ann", "--tenant", "acme"],
    "a namespace that is none": ["status", "--namespace", "Mail Room"],
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG.keys())
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(arguments: list[str]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error: " in result.stderr


@pytest.mark.parametrize("arguments", [("status", "-o", "xml"), ("renew", "--all", "--no-wait", "-n", "A B")])
def test_a_wrong_value_is_told_without_the_words_of_a_library(arguments: list[str]) -> None:
    assert "Value error" not in invoke(*arguments).stderr


def test_without_a_command_the_help_is_shown() -> None:
    result = invoke()
    assert result.exit_code == 2
    assert "Commands:" in result.output
