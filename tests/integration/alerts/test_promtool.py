"""Prometheus' own tool on the rules, their unit tests, and the metrics that a process serves."""

import os
import subprocess
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from graphmail.observability.metrics import Metrics, Store
from graphmail.resource import GraphMailSubscription
from localstack.cache import Cache
from localstack.toolchain import PROMETHEUS, Toolchain
from support.alerts import RULES, TESTS, alerts

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@pytest.fixture(scope="module")
def promtool() -> Path:
    return Toolchain(Cache.default(), os.environ).program(PROMETHEUS, "promtool")


def run(promtool: Path, *arguments: str, stdin: bytes | None = None) -> str:
    done = subprocess.run([promtool, *arguments], input=stdin, capture_output=True, timeout=150, check=False)
    output = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, output
    return output


def test_prometheus_takes_the_rules_and_its_linter_finds_nothing(promtool: Path) -> None:
    assert f"{2 + 1 + len(alerts())} rules found" in run(
        promtool, "check", "rules", "--lint=all", "--lint-fatal", str(RULES)
    )


@pytest.mark.parametrize("file", TESTS, ids=[file.stem for file in TESTS])
def test_alerts_fire_stay_silent_and_clear_as_their_unit_tests_say(promtool: Path, file: Path) -> None:
    assert "SUCCESS" in run(promtool, "test", "rules", str(file))


def seconds(duration: str) -> int:
    """`1h10m` in seconds."""
    total, number = 0, ""
    for character in duration:
        if character.isdigit():
            number += character
        else:
            total, number = total + int(number) * UNITS[character], ""
    return total


def checks() -> dict[tuple[str, str], list[list[tuple[int, bool]]]]:
    """For each alert and severity: of each unit test in which it fires, when it is looked at, and whether it fires then."""
    found: dict[tuple[str, str], list[list[tuple[int, bool]]]] = defaultdict(list)
    for test in (test for file in TESTS for test in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]):
        asked: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for check in test.get("alert_rule_test", []):
            asked[check["alertname"]].append(check)
        for name, looks in asked.items():
            severities = {alert["exp_labels"]["severity"] for look in looks for alert in look["exp_alerts"]}
            for severity in severities:
                fires = [any(one["exp_labels"]["severity"] == severity for one in look["exp_alerts"]) for look in looks]
                found[name, severity].append(
                    list(zip((seconds(look["eval_time"]) for look in looks), fires, strict=True))
                )
    return found


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: f"{alert.name}-{alert.labels['severity']}")
def test_every_alert_is_tried_silent_then_firing_then_over(alert: Any) -> None:
    tried = checks()[alert.name, alert.labels["severity"]]
    whole = [[fires for _, fires in sorted(looks)] for looks in tried]
    assert any(
        True in looks and not looks[0] and not looks[-1] and looks.index(True) < len(looks) - 1 for looks in whole
    )


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: f"{alert.name}-{alert.labels['severity']}")
def test_every_alert_is_tried_shortly_before_it_may_fire(alert: Any) -> None:
    """The last look before it fires is less than its waiting time earlier: an alert without any would be found out."""
    tried = checks()[alert.name, alert.labels["severity"]]
    leads = [
        later[0] - earlier[0]
        for looks in tried
        for earlier, later in zip(sorted(looks), sorted(looks)[1:], strict=False)
        if later[1] and not earlier[1]
    ]
    assert min(leads) < seconds(alert.hold)


def test_the_served_metrics_are_named_and_explained_by_prometheus_rules(promtool: Path) -> None:
    told = "2026-12-01T00:00:00Z"
    body = {
        "metadata": {"name": "anna-1", "namespace": "mail", "uid": "u", "creationTimestamp": told},
        "spec": {
            "tenant": "acme",
            "providerID": "p",
            "mailbox": "anna@contoso.com",
            "notificationURL": "https://a.example/",
        },
        "status": {"expirationTime": told, "nextRenewalTime": told, "lastNotificationTime": told},
    }
    metrics = Metrics(lambda: [GraphMailSubscription.parse(body)], "1.2.3")
    metrics.request("subscriptions", "POST", 201, 0.1)
    metrics.mirror_read(datetime.now(UTC), 1)
    metrics.store(Store.POSTGRES, up=True)
    metrics.certificate("app", "file a.pem", datetime.now(UTC))
    metrics.heartbeat(lambda: 0.0)
    metrics.ticked()
    ours = b"".join(line for line in metrics.render().splitlines(keepends=True) if b"graphmail_" in line)
    assert run(promtool, "check", "metrics", stdin=ours) == ""
