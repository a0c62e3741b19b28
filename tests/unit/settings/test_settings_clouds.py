"""Microsoft's clouds: Graph and sign-in of one cloud are taken, of two clouds refused at the start."""

from pathlib import Path

import pytest

from graphmail.settings import Settings, SettingsError

GLOBAL = ("https://graph.microsoft.com/v1.0", "https://login.microsoftonline.com")
GCC_HIGH = ("https://graph.microsoft.us/v1.0", "https://login.microsoftonline.us")
DOD = ("https://dod-graph.microsoft.us/v1.0", "https://login.microsoftonline.us")
CHINA = ("https://microsoftgraph.chinacloudapi.cn/v1.0", "https://login.partner.microsoftonline.cn")
CLOUDS = [GLOBAL, GCC_HIGH, DOD, CHINA]


def load(graph: str, login: str) -> Settings:
    env = {"MICROSOFT_GRAPH_BASE_URL": graph, "MICROSOFT_LOGIN_BASE_URL": login}
    return Settings.load(env, namespace_file=Path("/nonexistent"))


@pytest.mark.parametrize(("graph", "login"), CLOUDS)
def test_graph_and_sign_in_of_one_cloud_are_taken(graph: str, login: str) -> None:
    assert (load(graph, login).graph_base_url, load(graph, login).login_base_url) == (graph, login)


@pytest.mark.parametrize(
    ("graph", "login"),
    [(one[0], other[1]) for one in CLOUDS for other in CLOUDS if one[1] != other[1]],
)
def test_graph_and_sign_in_of_two_clouds_are_refused_with_both_remedies(graph: str, login: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(graph, login)

    told = str(caught.value)
    fitting = next(cloud[0] for cloud in CLOUDS if cloud[1] == login)
    assert f"MICROSOFT_GRAPH_BASE_URL is {fitting}" in told
    assert f"MICROSOFT_LOGIN_BASE_URL is {dict(CLOUDS)[graph]}" in told


@pytest.mark.parametrize(
    ("graph", "login"),
    [
        (GLOBAL[0], "https://login.windows.net"),
        (GLOBAL[0], "https://LOGIN.microsoft.com"),
        (CHINA[0], "https://login.chinacloudapi.cn"),
        ("https://localhost:8443/v1.0", "https://localhost:8443"),
        ("https://localhost:8443/v1.0", GLOBAL[1]),
        (GLOBAL[0], "https://login.gateway.example.com"),
    ],
)
def test_other_names_and_hosts_that_are_not_microsoft_s_are_taken(graph: str, login: str) -> None:
    assert load(graph, login).graph_base_url == graph


def test_the_sign_in_that_a_workload_identity_brings_must_fit_too() -> None:
    with pytest.raises(SettingsError, match=r"login\.microsoftonline\.us"):
        Settings.load(
            {"AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us/"}, namespace_file=Path("/nonexistent")
        )


def test_a_sign_in_that_is_set_goes_before_the_one_of_the_workload_identity() -> None:
    env = {"AZURE_AUTHORITY_HOST": GCC_HIGH[1], "MICROSOFT_LOGIN_BASE_URL": GLOBAL[1]}
    assert Settings.load(env, namespace_file=Path("/nonexistent")).login_base_url == GLOBAL[1]
