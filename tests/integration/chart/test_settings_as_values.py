"""Every setting of the operator is a value of the chart, with the same default and the same limits."""

import json
from pathlib import Path

import pytest

from chart.__main__ import CHART, generated
from chart.values import read_values
from graphmail.settings import unknown_variables, variables
from support.helm import VALUE_FILES, Helm, container, environment, load

EVERYTHING = CHART / "ci" / "everything-values.yaml"
RECEIVER = CHART / "ci" / "receiver-values.yaml"
WITHOUT_A_VALUE = {"GRAPHMAIL_SIMULATED_CLOCK_FILE": "for simulations only"}
"""Settings that an installation has no use for, and why."""
URL = "postgresql://graphmail@postgres.example.com/desk"
SECRETS = {"GRAPHMAIL_DATABASE_URL": URL, "GRAPHMAIL_DATABASE_DIRECT_URL": URL, "DESK_PASSWORD": "secret"}


def test_every_setting_reaches_the_pod_when_its_value_is_set(helm: Helm) -> None:
    given = environment(helm.template("-f", EVERYTHING), SECRETS)
    given |= environment(helm.template("-f", RECEIVER), SECRETS, component="receiver")
    missing = {variable.name for variable in variables()} - given.keys() - WITHOUT_A_VALUE.keys()
    assert not missing, f"no value of the chart sets {missing}: add one to values.yaml and _settings.tpl"


def test_every_value_of_that_file_differs_from_the_operator_s_default(helm: Helm) -> None:
    given = environment(helm.template("-f", EVERYTHING), SECRETS)
    settings, defaults = load(given), load({})
    same = [
        field.validation_alias
        for name, field in type(settings).model_fields.items()
        if field.validation_alias in given and getattr(settings, name) == getattr(defaults, name)
    ]
    # The first is the namespace of the release, and several pods need the other.
    assert same == ["GRAPHMAIL_NAMESPACE", "GRAPHMAIL_LEADER_ELECTION"]


def test_the_comment_of_a_value_names_its_setting() -> None:
    named = {value.variable for value in read_values((CHART / "values.yaml").read_text()) if value.variable}
    settings = {variable.name for variable in variables()}
    assert settings - named == WITHOUT_A_VALUE.keys()


def test_every_variable_that_the_chart_sets_has_a_value_to_point_to(helm: Helm) -> None:
    values = {value.path for value in read_values((CHART / "values.yaml").read_text())}
    pointed = json.loads((CHART / "files" / "variables.json").read_text())
    others = {"PGSSLROOTCERT"}  # by extraEnv of that file
    assert environment(helm.template("-f", EVERYTHING), SECRETS).keys() - others <= pointed.keys()
    assert {path for paths in pointed.values() for path in paths.split(" or ")} <= values


def test_the_defaults_are_those_of_the_operator(helm: Helm) -> None:
    assert load(environment(helm.template())) == load({})


def test_the_receiver_s_defaults_are_those_of_the_operator(helm: Helm) -> None:
    needed = {"GRAPHMAIL_RECEIVER_URL": "https://mail.example.com"}
    rendered = helm.template("--set", "receiver.enabled=true,receiver.url=https://mail.example.com")
    assert load(environment(rendered, component="receiver")) == load(needed)


def test_operator_and_receiver_are_told_the_same_urls_and_other_databases(helm: Helm) -> None:
    rendered = helm.template("-f", RECEIVER)
    operator, receiver = (environment(rendered, SECRETS, component=name) for name in ("operator", "receiver"))
    told = load({name: value for name, value in receiver.items() if name != "GRAPHMAIL_DATABASE_URL"})
    assert load(operator).lifecycle_url == told.lifecycle_url == "https://mail.example.com/graphmail/lifecycle"
    assert load(operator).notification_url == "https://mail.example.com/graphmail/notifications"
    references = {
        name: container(rendered, name)["env"][0]["valueFrom"]["secretKeyRef"]["name"]
        for name in ("operator", "receiver")
    }
    assert references == {"operator": "graphmail-database", "receiver": "graphmail-receiver-database"}


@pytest.mark.parametrize("values", VALUE_FILES, ids=lambda path: path.stem)
def test_the_operator_takes_the_settings_of_each_documented_installation(values: Path, helm: Helm) -> None:
    given = environment(helm.template("-f", values), SECRETS)
    load(given)
    assert not unknown_variables(given)


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in generated()])
def test_what_is_generated_of_the_chart_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == generated()[path], "run `make chart`"
