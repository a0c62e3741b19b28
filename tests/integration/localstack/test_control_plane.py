"""A real API server and etcd, started and stopped by us."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from localstack.controlplane import ApiRefusedError, ControlPlane
from localstack.processes import guarded, started, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREDECESSOR = """
import sys, time
from pathlib import Path
from localstack.controlplane import ControlPlane
ControlPlane(Path(sys.argv[1])).start()
print("running", flush=True)
time.sleep(600)
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane that belongs to one test, not started yet."""
    with guarded(tmp_path):
        cluster = ControlPlane(tmp_path / "state")
        yield cluster
        cluster.delete()


def make_namespace(cluster: ControlPlane, name: str) -> None:
    cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})


def namespaces(cluster: ControlPlane) -> list[str]:
    return [item["metadata"]["name"] for item in cluster.request("GET", "/api/v1/namespaces")["items"]]


def pids(cluster: ControlPlane) -> list[int]:
    found = [int(re.findall(r'"pid": (\d+)', path.read_text())[0]) for path in sorted(cluster.state_dir.glob("*.pid"))]
    assert len(found) == 2
    return found


def test_kubectl_is_answered(control_plane: ControlPlane, namespace: str) -> None:
    assert f"namespace/{namespace}" in control_plane.run_kubectl("get", "namespaces", "-o", "name").split()


def test_the_server_tells_a_version_that_helm_accepts(control_plane: ControlPlane) -> None:
    assert re.fullmatch(r"v1\.\d+\.\d+", control_plane.request("GET", "/version")["gitVersion"])


def test_each_test_gets_a_namespace_of_its_own(namespace: str, control_plane: ControlPlane) -> None:
    names = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps")["items"]
    assert names == []


def test_a_refusal_carries_the_status(control_plane: ControlPlane) -> None:
    with pytest.raises(ApiRefusedError, match=r"404 .*not found") as refusal:
        control_plane.request("GET", "/api/v1/namespaces/absent")
    assert refusal.value.status == 404


def test_the_users_own_kubeconfig_is_left_alone(
    control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / ".kube").mkdir(parents=True)
    (home / ".kube" / "config").write_text("mine")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("KUBECONFIG", str(home / ".kube" / "config"))
    control_plane.start()
    assert "default" in control_plane.run_kubectl("get", "namespaces")
    assert [path.name for path in (home / ".kube").iterdir()] == ["config"]
    assert (home / ".kube" / "config").read_text() == "mine"


def test_the_kubeconfig_is_for_its_owner_alone(control_plane: ControlPlane) -> None:
    assert control_plane.kubeconfig.stat().st_mode & 0o077 == 0


def test_a_service_account_acts_as_itself(control_plane: ControlPlane, namespace: str) -> None:
    account = {"metadata": {"name": "operator"}}
    control_plane.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
    kubeconfig = control_plane.service_account_kubeconfig(namespace, "operator")
    answer = subprocess.run(
        [control_plane.kubectl, "--kubeconfig", kubeconfig, "auth", "can-i", "delete", "namespaces"],
        capture_output=True,
        text=True,
        env={"HOME": str(control_plane.state_dir)},
        check=False,
    )
    assert (answer.stdout.strip(), answer.returncode) == ("no", 1)


def test_a_start_of_a_running_one_changes_nothing(own: ControlPlane) -> None:
    before = pids(own.start())
    assert pids(ControlPlane(own.state_dir).start()) == before


def test_data_address_and_credentials_survive_a_crash_of_both_programs(own: ControlPlane) -> None:
    make_namespace(own.start(), "precious")
    before = own.kubeconfig.read_text()
    for pid in pids(own):
        os.kill(pid, signal.SIGKILL)
    assert not own.running()
    again = ControlPlane(own.state_dir).start()
    assert "precious" in namespaces(again)
    assert again.kubeconfig.read_text() == before
    again.stop()


def test_a_fresh_start_ends_what_runs_and_forgets_the_data(own: ControlPlane) -> None:
    make_namespace(own.start(), "old")
    before = pids(own)
    own.start(fresh=True)
    assert "old" not in namespaces(own)
    assert set(before).isdisjoint(pids(own))
    assert not any(started(pid) for pid in before)


def test_the_leftovers_of_a_predecessor_killed_with_minus_9_are_found_and_ended(own: ControlPlane) -> None:
    command = [sys.executable, "-c", PREDECESSOR, str(own.state_dir)]
    environ = {**os.environ, "PYTHONPATH": "hack"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as predecessor:
        assert predecessor.stdout is not None
        assert predecessor.stdout.readline() == "running\n"
        predecessor.kill()
    leftovers = pids(own)
    assert all(started(pid) for pid in leftovers)
    assert own.running()
    own.stop()
    assert not any(started(pid) for pid in leftovers)


def test_a_port_that_somebody_else_took_is_given_up(own: ControlPlane) -> None:
    own.start()
    taken = own.url
    own.stop()
    with socket.create_server(("127.0.0.1", int(taken.rpartition(":")[2]))):
        own.start()
        assert own.url != taken
        assert own.url in own.kubeconfig.read_text()
        assert "default" in namespaces(own)


def test_the_api_server_goes_and_comes_back_with_its_address_and_data(own: ControlPlane) -> None:
    make_namespace(own.start(), "kept")
    url = own.url
    own.stop_api_server()
    with pytest.raises(ConnectionRefusedError):
        own.request("GET", "/readyz")
    own.start_api_server()
    assert own.url == url
    assert "kept" in namespaces(own)


def test_a_frozen_api_server_takes_connections_and_does_not_answer(own: ControlPlane) -> None:
    own.start()
    own.pause_api_server()
    with pytest.raises(TimeoutError):
        own.request("GET", "/readyz", timeout=0.5)
    own.resume_api_server()
    assert wait_until(own.running, timeout=300)
