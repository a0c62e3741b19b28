"""All that the chart renders is taken by a real API server, to the last field, and by its strictest pod security."""

import json
from pathlib import Path

import pytest
import yaml

from localstack.controlplane import ApiRefusedError, ControlPlane
from support.helm import VALUE_FILES, Helm, container, named, pod_specs

EACH_INSTALLATION = pytest.mark.parametrize("values", VALUE_FILES, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def restricted(control_plane: ControlPlane) -> str:
    """A namespace that enforces the pod security standard `restricted`."""
    name = "chart-restricted"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    return name


@EACH_INSTALLATION
def test_a_strict_dry_run_takes_all_of_it(
    values: Path, helm: Helm, control_plane: ControlPlane, restricted: str, monitoring_crds: None
) -> None:
    rendered = helm.template("-f", values, namespace=restricted)
    strictly = ["--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-o", "name"]
    taken = control_plane.run_kubectl("apply", *strictly, "-f", "-", stdin=yaml.safe_dump_all(rendered))
    assert len(taken.split()) == len(rendered)


@EACH_INSTALLATION
def test_every_pod_passes_the_strictest_pod_security(
    values: Path, helm: Helm, control_plane: ControlPlane, restricted: str
) -> None:
    for name, spec in pod_specs(helm.template("-f", values, namespace=restricted)):
        pod = {"metadata": {"name": name}, "spec": spec}
        control_plane.request("POST", f"/api/v1/namespaces/{restricted}/pods?dryRun=All&fieldValidation=Strict", pod)


def test_that_namespace_refuses_a_pod_that_is_less_strict(
    helm: Helm, control_plane: ControlPlane, restricted: str
) -> None:
    rendered = helm.template("--set", "securityContext.allowPrivilegeEscalation=true", namespace=restricted)
    pod = {"metadata": {"name": "loose"}, "spec": dict(pod_specs(rendered))["graphmail-graphmail-operator"]}
    with pytest.raises(ApiRefusedError, match="violates PodSecurity"):
        control_plane.request("POST", f"/api/v1/namespaces/{restricted}/pods?dryRun=All", pod)


@EACH_INSTALLATION
def test_no_container_of_ours_writes_to_its_image_or_has_capabilities(values: Path, helm: Helm) -> None:
    for _, spec in pod_specs(helm.template("-f", values)):
        ours = spec["containers"][0]
        assert ours["securityContext"]["readOnlyRootFilesystem"]
        assert ours["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"name": "tmp", "mountPath": "/tmp"} in ours["volumeMounts"]


@EACH_INSTALLATION
def test_every_volume_that_is_mounted_exists(values: Path, helm: Helm) -> None:
    for _, spec in pod_specs(helm.template("-f", values)):
        mounted = {mount["name"] for mount in spec["containers"][0]["volumeMounts"]}
        assert mounted <= {volume["name"] for volume in spec["volumes"]}


def test_the_pods_are_found_by_what_looks_for_them(helm: Helm) -> None:
    rendered = helm.template()
    labels = named(rendered, "Deployment")["spec"]["template"]["metadata"]["labels"]
    for kind, path in (("Deployment", "matchLabels"), ("PodDisruptionBudget", "matchLabels"), ("Service", None)):
        selector = named(rendered, kind)["spec"]["selector"]
        wanted = selector[path] if path else selector
        assert wanted.items() <= labels.items(), kind
    for spread in named(rendered, "Deployment")["spec"]["template"]["spec"]["topologySpreadConstraints"]:
        assert spread["labelSelector"]["matchLabels"].items() <= labels.items()


def test_where_pods_run_is_said_for_every_pod(helm: Helm) -> None:
    receiver = "receiver.enabled=true,receiver.url=https://mail.example.com"
    specs = dict(pod_specs(helm.template("-f", VALUE_FILES[0].with_name("everything-values.yaml"), "--set", receiver)))
    assert len(specs) == 4
    for field in ("affinity", "nodeSelector", "tolerations", "priorityClassName"):
        assert len({str(spec[field]) for spec in specs.values()}) == 1, field


def test_what_is_said_of_other_pods_places_the_operator_alone(helm: Helm) -> None:
    """Two nodes with an operator each would leave none to the job of the migrations."""
    apart = '{"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}}'
    arguments = ("-f", VALUE_FILES[0].with_name("postgres-values.yaml"), "--set-json", f"affinity={apart}")
    placed = [spec["containers"][0]["name"] for _, spec in pod_specs(helm.template(*arguments)) if "affinity" in spec]
    assert placed == ["operator"]


def test_more_fields_of_a_pod_s_spec_reach_every_pod(helm: Helm) -> None:
    arguments = ("-f", VALUE_FILES[0].with_name("postgres-values.yaml"), "--set", "extraPodSpec.hostUsers=false")
    specs = dict(pod_specs(helm.template(*arguments)))
    assert len(specs) == 3
    assert all(spec["hostUsers"] is False for spec in specs.values())


def test_the_service_account_has_labels_of_its_own(helm: Helm) -> None:
    account = named(helm.template("--set", "serviceAccount.labels.team=platform"), "ServiceAccount")
    assert account["metadata"]["labels"]["team"] == "platform"


def test_the_service_finds_neither_the_job_s_pod_nor_the_test_s(helm: Helm) -> None:
    rendered = helm.template("-f", VALUE_FILES[0].with_name("postgres-values.yaml"))
    selector = named(rendered, "Service")["spec"]["selector"]
    others = [named(rendered, "Job")["spec"]["template"], named(rendered, "Pod")]
    assert not [pod for pod in others if selector.items() <= pod["metadata"]["labels"].items()]


def test_the_probes_ask_the_port_that_the_operator_serves(helm: Helm) -> None:
    operator = container(helm.template("--set", "metrics.port=9100"))
    assert operator["ports"] == [{"name": "metrics", "containerPort": 9100}]
    assert operator["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
    assert operator["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
    assert {"name": "GRAPHMAIL_METRICS_URL", "value": "http://0.0.0.0:9100/metrics"} in operator["env"]


def test_the_database_is_named_by_reference_alone(helm: Helm) -> None:
    rendered = helm.template("-f", VALUE_FILES[0].with_name("postgres-values.yaml"))
    reference = {"valueFrom": {"secretKeyRef": {"name": "graphmail-database", "key": "url"}}}
    assert {"name": "GRAPHMAIL_DATABASE_URL", **reference} in container(rendered)["env"]
    assert not [each for each in rendered if each["kind"] == "Secret"]
    assert "postgresql://" not in json.dumps(rendered)


def test_the_job_knows_the_owner_s_database_alone_and_has_no_token(helm: Helm) -> None:
    rendered = helm.template("-f", VALUE_FILES[0].with_name("everything-values.yaml"))
    job = named(rendered, "Job")["spec"]["template"]["spec"]
    migrate = job["containers"][0]
    granted = ["--grant-to=graphmail_operator", "--grant-pages-to=desk_pages", "--grant-receiver-to=graphmail_receiver"]
    assert migrate["args"] == ["migrate", "--standalone", "--notify-trigger", *granted]
    assert [item["name"] for item in migrate["env"]] == ["GRAPHMAIL_DATABASE_URL", "PGSSLROOTCERT"]
    assert migrate["env"][0]["valueFrom"]["secretKeyRef"]["name"] == "graphmail-database-owner"
    assert job["automountServiceAccountToken"] is False
    subjects = [s["name"] for each in rendered if each["kind"] == "RoleBinding" for s in each["subjects"]]
    assert job["serviceAccountName"] not in subjects


def test_triggers_are_left_alone_unless_the_values_say_something(helm: Helm) -> None:
    rendered = helm.template("-f", VALUE_FILES[0].with_name("postgres-values.yaml"))
    migrate = named(rendered, "Job")["spec"]["template"]["spec"]["containers"][0]
    assert migrate["args"] == ["migrate", "--grant-to=graphmail_operator"]


def test_the_crd_is_the_generated_one_and_stays(helm: Helm) -> None:
    rendered = named(helm.template(), "CustomResourceDefinition")
    source = yaml.safe_load((Path(__file__).parents[3] / "crds" / "graphmailsubscriptions.yaml").read_text())
    assert rendered["spec"] == source["spec"]
    assert source["metadata"]["labels"].keys() <= rendered["metadata"]["labels"].keys()
    assert rendered["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert "annotations" not in named(helm.template("--set", "crds.keep=false"), "CustomResourceDefinition")["metadata"]
    annotated = named(helm.template("--set", "crds.annotations.a=b"), "CustomResourceDefinition")["metadata"]
    assert annotated["annotations"] == {"helm.sh/resource-policy": "keep", "a": "b"}


def test_without_a_name_for_it_the_token_of_a_workload_identity_is_mounted_only_when_asked_for(helm: Helm) -> None:
    ci = VALUE_FILES[0].parent
    by_webhook = named(helm.template("-f", ci / "workload-identity-values.yaml"), "Deployment")["spec"]["template"]
    assert by_webhook["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    assert [volume["name"] for volume in by_webhook["spec"]["volumes"]] == ["tmp"]
    by_chart = helm.template("-f", ci / "workload-identity-without-webhook-values.yaml")
    variables = {item["name"]: item["value"] for item in container(by_chart)["env"]}
    mount = next(m for m in container(by_chart)["volumeMounts"] if m["name"] == "workload-identity")
    assert variables["AZURE_FEDERATED_TOKEN_FILE"] == f"{mount['mountPath']}/token"
