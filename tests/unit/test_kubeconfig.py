"""Which kubeconfig is used, and what is said when it cannot be."""

from pathlib import Path

import pytest

from graphmail.cluster import ClusterConfigError, load_configuration

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: test
clusters: [{name: here, cluster: {server: "https://api.example:6443"}}]
users: [{name: ann, user: {}}]
contexts: [{name: test, context: {cluster: here, user: ann}}]
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a kubeconfig, and no KUBECONFIG either."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path


@pytest.fixture
def kubeconfig(home: Path) -> Path:
    path = home / ".kube" / "config"
    path.parent.mkdir()
    path.write_text(KUBECONFIG)
    return path


@pytest.mark.parametrize("empty", [True, False])
def test_the_users_own_is_used_where_none_is_named(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch, empty: bool
) -> None:
    if empty:
        monkeypatch.setenv("KUBECONFIG", "")
    assert load_configuration().host == "https://api.example:6443"
    assert kubeconfig.exists()


def test_a_context_that_is_not_there_is_named_with_the_file_and_the_command_that_lists_them(kubeconfig: Path) -> None:
    with pytest.raises(ClusterConfigError) as refused:
        load_configuration(str(kubeconfig), "staging")
    assert str(refused.value) == (
        f"there is no context staging in {kubeconfig}: `kubectl config get-contexts` lists those that are"
    )


def test_a_file_that_is_not_there_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{home}/gone")
    with pytest.raises(ClusterConfigError, match=f"no API server: {home}/gone does not exist"):
        load_configuration()


@pytest.mark.usefixtures("home")
def test_where_there_is_none_at_all_it_is_said_where_one_would_be() -> None:
    with pytest.raises(ClusterConfigError, match=r"KUBECONFIG is not set, and there is no ~/\.kube/config"):
        load_configuration()


def test_a_file_that_is_no_kubeconfig_is_told_apart_from_a_missing_one(kubeconfig: Path) -> None:
    kubeconfig.write_text("")
    with pytest.raises(ClusterConfigError, match="Set KUBECONFIG") as refused:
        load_configuration()
    assert "there is no" not in str(refused.value)
