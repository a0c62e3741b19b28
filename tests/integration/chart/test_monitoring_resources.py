"""What the chart makes for the Prometheus operator and for Grafana."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from support.alerts import RULES, RUNBOOK
from support.helm import CHART, Helm, HelmError, Resource, named, pod_specs

ALERTS = """
groups:
  - name: graphmail
    rules:
      - record: graphmail:mailboxes:count
        expr: sum(graphmail_subscriptions)
      - alert: GraphMailOne
        expr: graphmail_leader == 0
        labels: {severity: critical, team: unknown}
        annotations:
          summary: "{{ $labels.name }} of {{ $value | humanize }}"
          runbook_url: https://example.com/blob/main/docs/runbook.md#graphmailone
          dashboard_url: /d/graphmail/graphmail?viewPanel=1
      - alert: GraphMailTwo
        expr: graphmail_leader == 1
        labels: {severity: warning}
        annotations: {summary: two}
  - name: graphmail-lone
    rules:
      - alert: GraphMailLone
        expr: vector(1)
"""
OF_THE_RECEIVER = """
  - name: graphmail.receiver
    rules:
      - alert: GraphMailReceiver
        expr: graphmail_receiver_ready == 0
"""
RECEIVER_ON = "receiver.enabled=true,receiver.url=https://mail.example.com"


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart with a few known alerts."""
    copy = tmp_path_factory.mktemp("chart") / "graphmail-operator"
    shutil.copytree(CHART, copy)
    (copy / "alerts").mkdir(exist_ok=True)
    (copy / "alerts" / "graphmail.yaml").write_text(ALERTS + OF_THE_RECEIVER)
    return copy


def rule(helm: Helm, chart: Path, *arguments: str) -> Resource:
    return named(
        helm.template("--set", "metrics.prometheusRule.enabled=true", *arguments, chart=chart), "PrometheusRule"
    )


def test_nothing_of_it_is_made_unless_asked_for(helm: Helm) -> None:
    kinds = {each["kind"] for each in helm.template()}
    assert not kinds & {"ServiceMonitor", "PrometheusRule", "ConfigMap"}


def test_the_alerts_are_taken_as_they_are_with_prometheus_s_own_templates(helm: Helm, chart: Path) -> None:
    assert rule(helm, chart)["spec"] == yaml.safe_load(ALERTS)


def test_those_of_the_receiver_come_with_it_alone(helm: Helm, chart: Path) -> None:
    assert rule(helm, chart, "--set", RECEIVER_ON)["spec"] == yaml.safe_load(ALERTS + OF_THE_RECEIVER)
    left_out = f"{RECEIVER_ON},metrics.prometheusRule.disabledAlerts={{GraphMailReceiver}}"
    assert rule(helm, chart, "--set", left_out)["spec"] == yaml.safe_load(ALERTS)
    off = "metrics.prometheusRule.disabledAlerts={GraphMailReceiver}"
    assert rule(helm, chart, "--set", off)["spec"] == yaml.safe_load(ALERTS)


def test_runbook_and_alerts_select_the_pods_of_one_deployment_alone(helm: Helm) -> None:
    """Not the pod of `helm test`, which stays, and not the receiver's where the operator is meant."""
    text = RUNBOOK.read_text() + RULES.read_text()
    selectors = set(re.findall(r"app\.kubernetes\.io/[^\s`]+", text))
    rendered = helm.template("--set", RECEIVER_ON, release="graphmail-operator")
    found = {each: selected(rendered, dict(pair.split("=") for pair in each.split(","))) for each in selectors}
    assert set(found.values()) == {("graphmail-operator",), ("graphmail-operator-receiver",)}
    assert len(list(pod_specs(rendered))) > 2


def selected(resources: list[Resource], labels: dict[str, str]) -> tuple[str, ...]:
    """What makes the pods that have these labels."""
    pods = [(each, each["spec"].get("template", each)["metadata"]) for each in resources if "spec" in each]
    return tuple(
        each["metadata"]["name"]
        for each, pod in pods
        if each["kind"] in {"Pod", "Job", "Deployment"} and labels.items() <= pod.get("labels", {}).items()
    )


def test_the_group_of_the_receiver_is_named_as_the_chart_looks_for_it(helm: Helm) -> None:
    asked = ["--set", "metrics.prometheusRule.enabled=true"]
    without, with_it = (
        {group["name"] for group in named(helm.template(*asked, *more), "PrometheusRule")["spec"]["groups"]}
        for more in ([], ["--set", RECEIVER_ON])
    )
    assert with_it - without == {"graphmail.receiver"}


def test_alerts_can_be_left_out_and_a_group_without_rules_goes_with_them(helm: Helm, chart: Path) -> None:
    left_out = "metrics.prometheusRule.disabledAlerts={GraphMailTwo,GraphMailLone}"
    groups = rule(helm, chart, "--set", left_out)["spec"]["groups"]
    assert [group["name"] for group in groups] == ["graphmail"]
    assert [each.get("alert") for each in groups[0]["rules"]] == [None, "GraphMailOne"]


def test_the_runbook_may_be_a_copy_at_another_place(helm: Helm, chart: Path) -> None:
    groups = rule(helm, chart, "--set", "metrics.prometheusRule.runbookURL=https://wiki.example.com/mail")["spec"][
        "groups"
    ]
    assert groups[0]["rules"][1]["annotations"]["runbook_url"] == "https://wiki.example.com/mail#graphmailone"
    assert groups[0]["rules"][2]["annotations"] == {"summary": "two"}


@pytest.mark.parametrize("url", ["https://grafana.example.com", "https://grafana.example.com/"])
def test_links_to_the_dashboard_lead_to_the_grafana_that_the_values_name(url: str, helm: Helm, chart: Path) -> None:
    groups = rule(helm, chart, "--set", f"metrics.prometheusRule.grafanaURL={url}")["spec"]["groups"]
    annotations = groups[0]["rules"][1]["annotations"]
    assert annotations["dashboard_url"] == "https://grafana.example.com/d/graphmail/graphmail?viewPanel=1"
    assert groups[0]["rules"][2]["annotations"] == {"summary": "two"}


def test_an_alert_that_does_not_exist_cannot_be_left_out(helm: Helm, chart: Path) -> None:
    told = "disabledAlerts holds GraphMailTow, which is no alert: there are GraphMailOne, GraphMailTwo, GraphMailLone, GraphMailReceiver"
    with pytest.raises(HelmError, match=told):
        rule(helm, chart, "--set", "metrics.prometheusRule.disabledAlerts={GraphMailOne,GraphMailTow}")


def test_labels_for_every_alert_go_before_the_alert_s_own(helm: Helm, chart: Path) -> None:
    groups = rule(helm, chart, "--set", "metrics.prometheusRule.alertLabels.team=platform")["spec"]["groups"]
    assert [each.get("labels") for group in groups for each in group["rules"]] == [
        None,
        {"severity": "critical", "team": "platform"},
        {"severity": "warning", "team": "platform"},
        {"team": "platform"},
    ]


def test_the_monitor_finds_the_service_and_its_port(helm: Helm) -> None:
    rendered = helm.template(
        "--set", "metrics.serviceMonitor.enabled=true", "--set", "metrics.serviceMonitor.namespace=mon"
    )
    monitor, service = named(rendered, "ServiceMonitor"), named(rendered, "Service")
    assert monitor["metadata"]["namespace"] == "mon"
    assert monitor["spec"]["namespaceSelector"]["matchNames"] == [service["metadata"]["namespace"]]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


def test_the_endpoint_takes_fields_that_have_no_value(helm: Helm) -> None:
    more = "metrics.serviceMonitor.endpointAdditionalProperties.followRedirects=false"
    monitor = named(helm.template("--set", f"metrics.serviceMonitor.enabled=true,{more}"), "ServiceMonitor")
    [endpoint] = monitor["spec"]["endpoints"]
    assert (endpoint["followRedirects"], endpoint["port"]) == (False, "metrics")


def test_the_dashboard_is_the_file_of_the_chart_with_the_label_of_grafana_s_sidecar(helm: Helm, tmp_path: Path) -> None:
    dashboard = {"title": "Mail", "panels": [{"legend": "{{tenant}}"}]}
    copy = tmp_path / "graphmail-operator"
    shutil.copytree(CHART, copy)
    (copy / "dashboards").mkdir(exist_ok=True)
    (copy / "dashboards" / "graphmail.json").write_text(json.dumps(dashboard, indent=2))
    rendered = named(helm.template("--set", "metrics.dashboard.enabled=true", chart=copy), "ConfigMap")
    assert json.loads(rendered["data"]["graphmail.json"]) == dashboard
    assert rendered["metadata"]["labels"]["grafana_dashboard"] == "1"
