"""What Helm says after an installation: the next steps, and what is off."""

from pathlib import Path

import pytest

from support.helm import VALUE_FILES, Helm

CI = VALUE_FILES[0].parent


@pytest.mark.parametrize("values", VALUE_FILES, ids=lambda path: path.stem)
def test_every_installation_is_told_how_to_look_at_it(values: Path, helm: Helm) -> None:
    notes = helm.notes("-f", values)
    assert "rollout status deployment/" in notes
    assert "get graphmailsubscriptions" in notes


def test_what_is_off_is_told_with_the_value_that_turns_it_on(helm: Helm) -> None:
    notes = helm.notes()
    for value in (
        "database.existingSecret",
        "metrics.serviceMonitor.enabled",
        "metrics.prometheusRule.enabled",
        "metrics.dashboard.enabled",
    ):
        assert f"({value})" in notes
    assert "replicas" not in notes
    assert "(networkPolicy.enabled)" not in notes


def test_what_is_on_is_not(helm: Helm) -> None:
    notes = helm.notes(
        "-f", CI / "receiver-values.yaml", "-f", CI / "monitoring-values.yaml", "-f", CI / "postgres-values.yaml"
    )
    assert "enabled)" not in notes
    assert "(database.existingSecret)" not in notes


@pytest.mark.parametrize("value", ["runbookURL", "grafanaURL"])
def test_links_of_alerts_that_lead_nowhere_are_told(value: str, helm: Helm) -> None:
    alerts = ("-f", CI / "monitoring-values.yaml")
    told = f"(metrics.prometheusRule.{value})"
    assert told in helm.notes(*alerts)
    assert told not in helm.notes(*alerts, "--set", f"metrics.prometheusRule.{value}=https://wiki.example.com")
    assert told not in helm.notes()


def test_a_first_day_without_deeds_is_told(helm: Helm) -> None:
    assert "Acting (mode: observe)" in helm.notes("-f", CI / "observe-values.yaml")


def test_migrations_are_asked_for_where_no_job_runs_them(helm: Helm) -> None:
    assert "graphmail migrate" in helm.notes("-f", CI / "observe-values.yaml")
    assert "graphmail migrate" not in helm.notes("-f", CI / "postgres-values.yaml")


def test_a_role_of_the_receiver_that_nobody_lets_write_is_told(helm: Helm) -> None:
    receiver = ("-f", CI / "receiver-values.yaml")
    assert "--grant-receiver-to" not in helm.notes(*receiver)
    assert "--grant-receiver-to ROLE" in helm.notes(*receiver, "--set", "migrations.grantReceiverTo=")
    without = helm.notes(*receiver, "--set", "migrations.grantReceiverTo=,receiver.database.existingSecret=")
    assert "--grant-receiver-to" not in without


def test_a_lone_pod_and_an_open_network_are_told(helm: Helm) -> None:
    notes = helm.notes("-f", CI / "one-pod-values.yaml")
    assert "A standby (replicas: 1)" in notes
    assert "(networkPolicy.enabled)" in notes
    assert "helm test" not in notes


def test_the_ports_that_are_open_are_told(helm: Helm) -> None:
    assert "ports 443, 6443." in helm.notes()
    assert "The pods reach only name servers.\n" in helm.notes("--set-json", "networkPolicy.httpsPorts=[]")
    assert "ports 5433, 443, 8443, and what networkPolicy.extraEgress names." in helm.notes(
        "-f", CI / "everything-values.yaml"
    )
