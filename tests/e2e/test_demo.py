"""The demo, as a user runs it: it checks itself, hands over, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from demo.scenario import PROVIDERS
from e2e.demos import PARTS, Demo

NAMES = {
    "KUBECONFIG",
    "GRAPHMAIL_DATABASE_URL",
    "GRAPHMAIL_NAMESPACE",
    "MICROSOFT_GRAPH_BASE_URL",
    "MICROSOFT_LOGIN_BASE_URL",
    "APPLICATION_URL",
    "SSL_CERT_FILE",
    "GRAPHSIM_CONTROL_URL",
    "GRAPHMAIL_METRICS_URL",
}
"""Fixed for whoever starts an operator by hand."""


def test_every_provider_ends_as_it_should_and_nothing_is_left(demo: Demo) -> None:
    done = demo.make("demo", "DEMO_EXIT=1")
    assert done.returncode == 0, done.stdout
    assert f"{len(PROVIDERS)} providers, " in done.stdout
    assert " 0 FAILED" in done.stdout
    assert "in vain" not in done.stdout
    assert demo.running() == set()
    assert not (demo.state_dir / "env").exists()


def test_a_paused_demo_waits_for_an_operator_started_by_hand_and_is_ended_twice(demo: Demo) -> None:
    paused = demo.make("demo", "DEMO_PAUSE=1")
    assert paused.returncode == 0, paused.stdout
    assert demo.running() == set(PARTS)
    environment = demo.environment()
    assert environment.keys() == NAMES
    assert environment["MICROSOFT_GRAPH_BASE_URL"].endswith("/v1.0")
    _run_the_operator(demo, environment)
    for _ in range(2):
        assert demo.make("demo-down").returncode == 0
        assert demo.running() == set()


def _run_the_operator(demo: Demo, environment: dict[str, str]) -> None:
    """Until every mailbox that should be is covered; it stops in order."""
    graphmail = str(Path(sys.executable).parent / "graphmail")
    surroundings = {**os.environ, **environment, "GRAPHMAIL_LOG_FORMAT": "json"}
    with demo.output.open("wb") as output:
        operator = subprocess.Popen([graphmail, "run"], env=surroundings, stdout=output, stderr=output)
    try:
        covered = sum(provider.expected.ready for provider in PROVIDERS)
        demo.wait(lambda: _covered(environment) == covered, f"{covered} mailboxes are covered")
    finally:
        operator.send_signal(signal.SIGTERM)
        assert operator.wait(300) == 0


def _covered(environment: dict[str, str]) -> int:
    try:
        text = httpx.get(environment["GRAPHMAIL_METRICS_URL"], trust_env=False).text
    except httpx.TransportError:
        return 0
    return sum(line.startswith("graphmail_subscription_ready{") and line.endswith(" 1") for line in text.splitlines())


def test_a_crashed_demo_is_ended_by_the_next_command(demo: Demo) -> None:
    crashed = demo.begin()
    demo.wait(lambda: "webhook" in demo.running(), "all parts are running")
    crashed.kill()
    crashed.wait()
    assert demo.running() >= {"etcd", "kube-apiserver", "postgres", "graphsim"}
    assert demo.make("demo-down").returncode == 0
    assert demo.running() == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_an_interrupted_demo_ends_its_parts_and_promises_to_keep_nothing(demo: Demo, number: signal.Signals) -> None:
    begun = demo.begin()
    demo.wait(lambda: demo.running() >= {"graphsim", "demo"}, "the first parts are running")
    begun.send_signal(number)
    assert begun.wait(300) == 130
    assert demo.running() == set()
    assert demo.output.read_text().endswith("\ninterrupted\n")


def test_a_second_demo_in_the_same_folder_is_refused_and_the_first_one_lives_on(demo: Demo) -> None:
    first = demo.begin()
    demo.wait(lambda: "demo" in demo.running(), "the first one has begun")
    second = demo.make("demo", "DEMO_PAUSE=1")
    assert second.returncode != 0
    assert "a demo is running in " in second.stdout
    assert first.poll() is None
    assert demo.make("demo-down").returncode == 0
    assert first.wait(300) == 130
    assert demo.running() == set()


def test_two_wishes_that_contradict_each_other_are_refused(demo: Demo) -> None:
    refused = demo.make("demo", "DEMO_EXIT=1", "DEMO_PAUSE=1")
    assert refused.returncode != 0
    assert "DEMO_EXIT and DEMO_PAUSE contradict each other" in refused.stdout
    assert demo.running() == set()
