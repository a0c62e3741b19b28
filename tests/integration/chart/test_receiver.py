"""The receiver in the chart: off unless asked for, in pods of its own, with the least rights."""

import pytest

from support.helm import CHART, Helm, Resource, container, named

VALUES = CHART / "ci" / "receiver-values.yaml"
SHORT = "receiver.enabled=true,receiver.url=https://mail.example.com"


@pytest.fixture
def rendered(helm: Helm) -> list[Resource]:
    return helm.template("-f", VALUES)


def ports(rules: list[Resource]) -> set[int]:
    return {port["port"] for rule in rules for port in rule["ports"]}


def test_nothing_of_it_is_made_unless_asked_for(helm: Helm) -> None:
    for each in helm.template("--set", "receiver.url=https://mail.example.com"):
        assert "receiver" not in each["metadata"]["name"]
        assert "RECEIVER" not in str(each)


def test_two_pods_by_default_and_one_may_be_away(helm: Helm) -> None:
    rendered = helm.template("--set", SHORT)
    assert named(rendered, "Deployment", "receiver")["spec"]["replicas"] == 2
    assert named(rendered, "PodDisruptionBudget", "receiver")["spec"]["maxUnavailable"] == 1
    one = helm.template("--set", f"{SHORT},receiver.replicas=1")
    assert [each["metadata"]["name"] for each in one if each["kind"] == "PodDisruptionBudget"] == [
        "graphmail-graphmail-operator"
    ]


def test_its_account_may_know_and_annotate_subscriptions_and_nothing_else(rendered: list[Resource]) -> None:
    account = named(rendered, "ServiceAccount", "receiver")["metadata"]["name"]
    role, binding = (named(rendered, kind, "receiver") for kind in ("Role", "RoleBinding"))
    assert role["rules"] == [
        {
            "apiGroups": ["graphmail.dev"],
            "resources": ["graphmailsubscriptions"],
            "verbs": ["get", "list", "watch", "patch"],
        }
    ]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [subject["name"] for subject in binding["subjects"]] == [account]
    assert named(rendered, "Deployment", "receiver")["spec"]["template"]["spec"]["serviceAccountName"] == account
    others = [each for each in rendered if each["kind"] == "RoleBinding" and each is not binding]
    assert account not in {subject["name"] for each in others for subject in each["subjects"]}


def test_it_is_given_no_credential_of_graph(rendered: list[Resource]) -> None:
    spec = named(rendered, "Deployment", "receiver")["spec"]["template"]["spec"]
    assert [volume["name"] for volume in spec["volumes"]] == ["tmp", "ca"]
    names = {item["name"] for item in container(rendered, "receiver")["env"]}
    assert not {name for name in names if name.startswith(("AZURE_", "MICROSOFT_", "GRAPHMAIL_CREDENTIALS"))}
    assert "envFrom" not in container(rendered, "receiver")


def test_its_pods_may_be_placed_in_a_way_of_their_own(helm: Helm, rendered: list[Resource]) -> None:
    spec = named(rendered, "Deployment", "receiver")["spec"]["template"]["spec"]
    operator = named(rendered, "Deployment", "operator")["spec"]["template"]["spec"]
    assert list(spec["affinity"]) == ["podAntiAffinity"]
    assert [spread["whenUnsatisfiable"] for spread in spec["topologySpreadConstraints"]] == ["DoNotSchedule"]
    assert "affinity" not in operator
    assert len(operator["topologySpreadConstraints"]) == 2
    default = named(helm.template("--set", SHORT), "Deployment", "receiver")["spec"]["template"]
    for spread in default["spec"]["topologySpreadConstraints"]:
        assert spread["labelSelector"]["matchLabels"].items() <= default["metadata"]["labels"].items()


def test_the_job_of_the_migrations_lets_its_role_write(rendered: list[Resource]) -> None:
    [migrate] = named(rendered, "Job")["spec"]["template"]["spec"]["containers"]
    assert migrate["args"] == ["migrate", "--grant-to=graphmail_operator", "--grant-receiver-to=graphmail_receiver"]


def test_what_looks_for_its_pods_finds_no_others(rendered: list[Resource]) -> None:
    own = named(rendered, "Deployment", "receiver")["spec"]["template"]["metadata"]["labels"]
    operator = named(rendered, "Deployment", "operator")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        named(rendered, "Service", "receiver")["spec"]["selector"],
        named(rendered, "Service", "receiver-metrics")["spec"]["selector"],
        named(rendered, "PodDisruptionBudget", "receiver")["spec"]["selector"]["matchLabels"],
        named(rendered, "NetworkPolicy", "receiver")["spec"]["podSelector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector.items() <= own.items()
        assert not selector.items() <= operator.items()
    assert not named(rendered, "Service", "metrics")["spec"]["selector"].items() <= own.items()


def test_it_listens_where_the_service_leads(rendered: list[Resource]) -> None:
    receiver = container(rendered, "receiver")
    assert {"name": "receiver", "containerPort": 9000} in receiver["ports"]
    assert {"name": "GRAPHMAIL_RECEIVER_ADDRESS", "value": "0.0.0.0:9000"} in receiver["env"]
    [port] = named(rendered, "Service", "receiver")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (8080, "receiver")


def test_the_ingress_has_the_paths_that_are_served(helm: Helm, rendered: list[Resource]) -> None:
    [rule] = named(rendered, "Ingress")["spec"]["rules"]
    assert rule["host"] == "mail.example.com"
    assert [path["path"] for path in rule["http"]["paths"]] == ["/graphmail/lifecycle", "/graphmail/notifications"]
    [rule] = named(helm.template("--set", f"{SHORT}:8443,receiver.ingress.enabled=true"), "Ingress")["spec"]["rules"]
    assert (rule["host"], [path["path"] for path in rule["http"]["paths"]]) == ("mail.example.com", ["/lifecycle"])


def test_the_network_lets_through_what_it_needs(helm: Helm, rendered: list[Resource]) -> None:
    spec = named(rendered, "NetworkPolicy", "receiver")["spec"]
    assert ports(spec["ingress"]) == {9000, 9464}
    assert ports(spec["egress"]) == {53, 5353, 5432, 6432, 443, 6443, 3000}
    short = named(helm.template("--set", SHORT), "NetworkPolicy", "receiver")["spec"]
    assert ports(short["egress"]) == {53, 5353, 443, 6443}
    product = helm.template("--set", f"{SHORT},receiver.forwardURL=http://desk/hook,networkPolicy.httpsPorts={{6443}}")
    assert ports(named(product, "NetworkPolicy", "receiver")["spec"]["egress"]) == {53, 5353, 6443, 80}


def test_prometheus_finds_its_metrics_by_a_service_of_their_own(rendered: list[Resource]) -> None:
    monitor = named(rendered, "ServiceMonitor", "receiver")["spec"]["selector"]["matchLabels"]
    service = named(rendered, "Service", "receiver-metrics")
    labels = service["metadata"]["labels"]
    [endpoint] = named(rendered, "ServiceMonitor", "receiver")["spec"]["endpoints"]
    assert endpoint["port"] == service["spec"]["ports"][0]["name"]
    assert {"name": service["spec"]["ports"][0]["targetPort"], "containerPort": 9464} in container(
        rendered, "receiver"
    )["ports"]
    assert monitor.items() <= labels.items()
    assert not monitor.items() <= named(rendered, "Service", "metrics")["metadata"]["labels"].items()


def test_it_is_scraped_as_the_operator_is_with_every_value_of_that(helm: Helm) -> None:
    values = ["-f", str(CHART / "ci" / "everything-values.yaml"), "--set", SHORT]
    rendered = helm.template(*values)
    receiver = named(rendered, "ServiceMonitor", "receiver")["spec"]
    [operator] = [
        each["spec"] for each in rendered if each["kind"] == "ServiceMonitor" and each["spec"] is not receiver
    ]
    assert receiver["endpoints"] == operator["endpoints"]
    assert receiver["endpoints"][0]["followRedirects"] is False
    assert receiver["jobLabel"] == operator["jobLabel"]


def test_prometheus_alone_reaches_its_metrics_where_the_values_name_it(helm: Helm) -> None:
    rendered = helm.template("-f", str(CHART / "ci" / "monitoring-values.yaml"), "--set", SHORT)
    ingress = named(rendered, "NetworkPolicy", "receiver")["spec"]["ingress"]
    [metrics] = [rule for rule in ingress if ports([rule]) == {9464}]
    [everybody] = [rule for rule in ingress if ports([rule]) == {8080}]
    assert metrics["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert "from" not in everybody
