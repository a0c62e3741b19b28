"""A command reads the settings that its help names, and is not stopped by any other."""

from pathlib import Path

import pytest
import typer
import yaml

from graphmail.cli.clusters import Place
from graphmail.cli.configuration import read_settings
from graphmail.cli.page import Page
from graphmail.settings import SettingsError

EXAMPLES = {"graphmail x": "an example"}
NAMESPACE = Page("S.", "t", EXAMPLES, settings=("GRAPHMAIL_NAMESPACE",))
DATABASE = Page("S.", "t", EXAMPLES, settings=("GRAPHMAIL_DATABASE_URL",))
ALL = Page("S.", "t", EXAMPLES, settings=None)
URL = {"GRAPHMAIL_DATABASE_URL": "postgresql://u@db/x"}


def test_a_setting_that_is_not_named_is_not_read() -> None:
    settings = read_settings(NAMESPACE, env={"GRAPHMAIL_NAMESPACE": "mail", "GRAPHMAIL_TICK_SECONDS": "soon"} | URL)
    assert settings.namespace == "mail"
    assert settings.database_url is None


def test_a_setting_that_is_named_must_be_right() -> None:
    with pytest.raises(SettingsError, match="GRAPHMAIL_NAMESPACE"):
        read_settings(NAMESPACE, env={"GRAPHMAIL_NAMESPACE": "Mail Room"})
    with pytest.raises(SettingsError, match="GRAPHMAIL_TICK_SECONDS"):
        read_settings(ALL, env={"GRAPHMAIL_TICK_SECONDS": "soon"})


def test_a_command_that_writes_no_url_needs_no_url_of_the_product() -> None:
    assert read_settings(DATABASE, env=URL).database_url is not None
    with pytest.raises(SettingsError, match="APPLICATION_URL"):
        read_settings(ALL, env=URL)


def test_the_command_line_goes_before_the_environment() -> None:
    assert read_settings(NAMESPACE, namespace="other", env={"GRAPHMAIL_NAMESPACE": "mail"}).namespace == "other"
    with pytest.raises(typer.BadParameter):
        read_settings(NAMESPACE, namespace="Mail Room", env={})


def kubeconfig(folder: Path, current: str = "night", **namespaces: str) -> str:
    contexts = [{"name": name, "context": {"cluster": "c", "namespace": found}} for name, found in namespaces.items()]
    file = folder / "kubeconfig"
    file.write_text(
        yaml.safe_dump(
            {"current-context": current, "contexts": [*contexts, {"name": "bare", "context": {"cluster": "c"}}]}
        )
    )
    return str(file)


@pytest.mark.parametrize(
    ("typed", "variable", "context", "found"),
    [
        (None, "", None, "mail"),
        (None, "", "day", "post"),
        (None, "told", "day", "told"),
        ("typed", "told", "day", "typed"),
        (None, "", "bare", "graphmail"),
        (None, "", "unknown", "graphmail"),
    ],
)
def test_the_namespace_is_that_of_the_context_where_nobody_says_another(
    typed: str | None,
    variable: str,
    context: str | None,
    found: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GRAPHMAIL_NAMESPACE", variable)
    place = Place(typed, kubeconfig(tmp_path, night="mail", day="post"), context)
    assert place.read(NAMESPACE).namespace == found


def test_a_context_is_found_where_none_is_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAPHMAIL_NAMESPACE", raising=False)
    file = kubeconfig(tmp_path, current="", night="mail")
    assert Place(None, file, "night").read(NAMESPACE).namespace == "mail"
    assert Place(None, file).read(NAMESPACE).namespace == "graphmail"


def test_a_kubeconfig_that_cannot_be_read_names_no_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAPHMAIL_NAMESPACE", raising=False)
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("- a list\n")
    for file in (nonsense, tmp_path / "absent"):
        assert Place(None, str(file)).read(NAMESPACE).namespace == "graphmail"
