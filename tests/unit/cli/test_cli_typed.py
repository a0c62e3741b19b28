"""What is advised is typed as the command was: by the same name, and with where it was told to look."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from graphmail.cli import COMMANDS, PLACELESS, build
from graphmail.cli.advice import next_step
from graphmail.cli.situation import situation
from graphmail.cli.typed import advised, kubectl_options, typed
from unit.cli.conftest import Mailbox

PLUGIN = "kubectl graphmail"
EVERYTHING = {"namespace": "mail", "context": "my test", "kubeconfig": "/etc/k", "tenant": "acme", "wait": True}


def test_without_options_the_command_alone_is_advised() -> None:
    with typed("graphmail", {"namespace": None, "context": None, "tenant": "acme"}):
        assert advised("renew ann-1") == "graphmail renew ann-1"


def test_where_to_look_is_said_again_and_nothing_else() -> None:
    with typed(PLUGIN, EVERYTHING):
        assert advised("check") == "kubectl graphmail check -n mail --context 'my test' --kubeconfig /etc/k"
        assert kubectl_options() == " --context 'my test' --kubeconfig /etc/k"
    assert advised("check") == "graphmail check"


def test_the_next_step_can_be_copied(mailbox: Mailbox, now: datetime) -> None:
    with typed(PLUGIN, {"namespace": "mail"}):
        assert next_step(situation(mailbox(spec={"suspend": True}), now), now) == (
            "`kubectl graphmail resume ann-1 -n mail`"
        )


def invoke(*arguments: str, program: str = PLUGIN) -> Result:
    return CliRunner().invoke(build(), arguments, prog_name=program)


@pytest.mark.parametrize("behind", [True, False])
def test_a_command_looks_where_it_is_told_before_its_name_and_behind_it(
    behind: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    place = ["--kubeconfig", str(tmp_path / "gone")]
    result = invoke("status", *place) if behind else invoke(*place, "status")
    assert result.exit_code == 1
    assert f"{tmp_path}/gone does not exist" in result.stderr


def test_what_stands_behind_the_command_goes_before_what_stands_before_it(tmp_path: Path) -> None:
    result = invoke("--kubeconfig", str(tmp_path / "first"), "status", "--kubeconfig", str(tmp_path / "second"))
    assert f"{tmp_path}/second does not exist" in result.stderr


def test_a_wrong_namespace_before_the_command_is_refused_as_behind_it() -> None:
    result = invoke("-n", "Mail Room", "status")
    assert (result.exit_code, "'Mail Room' is not the name of a namespace" in result.stderr) == (2, True)


@pytest.mark.parametrize("name", sorted(PLACELESS))
def test_a_command_that_would_pass_over_the_place_refuses_it(name: str) -> None:
    result = invoke("-n", "mail", name)
    assert (result.exit_code, f"{name} is told by its environment" in result.stderr) == (2, True)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_other_command_takes_a_place(name: str) -> None:
    group: Any = typer.main.get_command(build())
    names = {parameter.name for parameter in group.get_command(None, name).params}
    assert (name in PLACELESS) is not (names >= {"namespace", "context", "kubeconfig"})
