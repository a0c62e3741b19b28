"""The names of the settings, what is written about them, and the help for misspelt ones."""

import subprocess
import sys
from pathlib import Path

import pytest

from graphmail.settings import Variable, markdown_table, unknown_variables, variables
from graphmail.settings.variables import SERVICE_VARIABLE

DOCUMENT = Path(__file__).parents[3] / "docs" / "settings.md"
FIXED_NAMES = {
    "GRAPHMAIL_DATABASE_URL",
    "GRAPHMAIL_NAMESPACE",
    "APPLICATION_URL",
    "MICROSOFT_GRAPH_BASE_URL",
    "MICROSOFT_LOGIN_BASE_URL",
    "MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD_MINUTES",
    "MICROSOFT_EMAIL_RENEWAL_FAILURE_THRESHOLD",
    "MICROSOFT_EMAIL_RENEWAL_BATCH_SIZE",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_AUTHORITY_HOST",
}


def test_the_documented_table_is_the_one_that_the_code_prints() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    documented = text.partition("<!-- settings -->\n")[2].partition("<!-- /settings -->")[0]
    assert documented == markdown_table()


def test_the_module_prints_the_table() -> None:
    printed = subprocess.run([sys.executable, "-m", "graphmail.settings"], capture_output=True, text=True, check=True)
    assert printed.stdout == markdown_table()


def test_the_fixed_names_exist_and_the_rest_stand_under_one_prefix() -> None:
    names = [variable.name for variable in variables()]
    assert len(names) == len(set(names))
    assert set(names) >= FIXED_NAMES
    assert all(name.startswith("GRAPHMAIL_") for name in set(names) - FIXED_NAMES)


@pytest.mark.parametrize("variable", variables(), ids=lambda variable: variable.name)
def test_each_variable_says_what_it_means_and_what_is_allowed(variable: Variable) -> None:
    assert variable.description.endswith(".")
    assert variable.allowed
    assert "|" not in variable.description + variable.allowed


@pytest.mark.parametrize("variable", variables(), ids=lambda variable: variable.name)
def test_no_name_can_be_made_by_kubernetes_for_a_service(variable: Variable) -> None:
    assert not SERVICE_VARIABLE.search(variable.name)


def test_a_misspelt_name_is_warned_about_with_the_nearest_one() -> None:
    assert unknown_variables({"GRAPHMAIL_TICK_SECOND": "1", "GRAPHMAIL_TICK_SECONDS": "2", "PATH": "/bin"}) == [
        "GRAPHMAIL_TICK_SECOND is not a setting: is GRAPHMAIL_TICK_SECONDS meant?"
    ]
    assert unknown_variables({"MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD": "1"}) == [
        "MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD is not a setting: is MICROSOFT_EMAIL_RENEWAL_LOOKAHEAD_MINUTES meant?"
    ]


def test_a_name_far_from_all_others_is_warned_about_without_advice() -> None:
    assert unknown_variables({"GRAPHMAIL_ZZZZZZZZZZZZZZZZ": "1"}) == ["GRAPHMAIL_ZZZZZZZZZZZZZZZZ is not a setting"]


@pytest.mark.parametrize(
    "name",
    [
        "GRAPHMAIL_SERVICE_HOST",
        "GRAPHMAIL_SERVICE_PORT",
        "GRAPHMAIL_SERVICE_PORT_METRICS",
        "GRAPHMAIL_PORT",
        "GRAPHMAIL_PORT_9464_TCP",
        "GRAPHMAIL_PORT_9464_TCP_ADDR",
        "GRAPHMAIL_PORT_9464_TCP_PORT",
        "GRAPHMAIL_PORT_9464_TCP_PROTO",
        "GRAPHMAIL_OPERATOR_METRICS_SERVICE_PORT",
        "GRAPHMAIL_CACHE",
    ],
)
def test_what_kubernetes_or_the_tooling_sets_is_not_warned_about(name: str) -> None:
    assert unknown_variables({name: "x"}) == []
