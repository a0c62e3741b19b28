"""A database whose URL a variable of the pod holds, and not a Secret that a value names."""

from pathlib import Path
from typing import Any

import pytest

from support.helm import VALUE_FILES, Helm, HelmError, Resource, container, named, pod_specs

CI = VALUE_FILES[0].parent
COMPOSED = CI / "password-alone-values.yaml"
BEHIND_A_PROXY = CI / "sidecar-proxy-values.yaml"
FOR_SURE = "extraEnv[0].name=GRAPHMAIL_DATABASE_URL,product.applicationURL=https://desk"
PERHAPS = "extraEnvFrom[0].secretRef.name=desk"


def job(rendered: list[Resource]) -> Any:
    return named(rendered, "Job")["spec"]["template"]["spec"]


def may_create(rendered: list[Resource]) -> bool:
    return any(
        "create" in rule["verbs"] and rule["resources"] == ["graphmailsubscriptions"]
        for rule in named(rendered, "Role")["rules"]
    )


@pytest.mark.parametrize("values", [FOR_SURE, PERHAPS])
def test_rows_may_be_mirrored(values: str, helm: Helm) -> None:
    assert may_create(helm.template("--set", values))
    assert not may_create(helm.template())


def test_the_notes_speak_of_the_database(helm: Helm) -> None:
    notes = helm.notes("--set", FOR_SURE)
    assert "(database.existingSecret)" not in notes
    assert "Prepare Postgres, once for each version" in notes
    assert "ports 5432, 6432, 443, 6443." in notes


def test_the_notes_leave_open_what_variables_from_a_secret_hold(helm: Helm) -> None:
    notes = helm.notes("--set", PERHAPS)
    assert "only resources written by hand are served, unless extraEnvFrom has GRAPHMAIL_DATABASE_URL." in notes
    assert "Prepare Postgres, if extraEnvFrom has the URL of one, once for each version" in notes
    assert "ports 5432, 6432, 443, 6443." in notes


def test_the_product_s_url_is_asked_for(helm: Helm) -> None:
    with pytest.raises(HelmError, match=r"product\.applicationURL is empty"):
        helm.template("--set", "extraEnv[0].name=GRAPHMAIL_DATABASE_URL")


@pytest.mark.parametrize("values", [f"{FOR_SURE.partition(',')[0]},extraEnv[1].name=APPLICATION_URL", PERHAPS])
def test_the_product_s_url_may_come_the_same_way(values: str, helm: Helm) -> None:
    assert helm.template("--set", values)


def test_a_password_is_put_into_the_url_by_kubernetes(helm: Helm) -> None:
    password, url = container(helm.template("-f", COMPOSED))["env"][-2:]
    assert password["valueFrom"]["secretKeyRef"] == {"name": "operator.desk.credentials", "key": "password"}
    assert url == {
        "name": "GRAPHMAIL_DATABASE_URL",
        "value": f"postgresql://operator:$({password['name']})@desk.postgres.svc:5432/desk",
    }


def test_the_job_knows_no_database_but_the_owner_s(helm: Helm) -> None:
    direct = "extraEnv[2].name=GRAPHMAIL_DATABASE_DIRECT_URL,extraEnv[2].value=postgresql://db/desk"
    migrate = job(helm.template("-f", COMPOSED, "--set", direct))["containers"][0]
    assert [item["name"] for item in migrate["env"]] == ["GRAPHMAIL_DATABASE_URL", "DESK_PASSWORD"]
    assert migrate["env"][0]["valueFrom"]["secretKeyRef"]["name"] == "graphmail-database-owner"


def test_a_proxy_stands_beside_the_operator_the_job_and_the_test(helm: Helm) -> None:
    specs = dict(pod_specs(helm.template("-f", BEHIND_A_PROXY)))
    assert len(specs) == 3
    for spec in specs.values():
        assert [(each["name"], each["restartPolicy"]) for each in spec["initContainers"]] == [
            ("postgres-proxy", "Always")
        ]


def test_the_proxy_beside_the_job_signs_in_as_an_account_of_its_own(helm: Helm) -> None:
    rendered = helm.template("-f", BEHIND_A_PROXY)
    accounts = {each["metadata"]["name"]: each for each in rendered if each["kind"] == "ServiceAccount"}
    annotations = accounts[job(rendered)["serviceAccountName"]]["metadata"]["annotations"]
    assert annotations["iam.gke.io/gcp-service-account"] == "graphmail-owner@project.iam.gserviceaccount.com"
    assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"


def test_what_only_prepares_the_operator_does_not_run_before_the_job(helm: Helm) -> None:
    rendered = helm.template("-f", CI / "everything-values.yaml", "--set", "migrations.extraInitContainers[0].name=own")
    assert [each["name"] for each in job(rendered)["initContainers"]] == ["own"]


@pytest.mark.parametrize("values", VALUE_FILES, ids=lambda path: path.stem)
def test_no_container_has_a_variable_twice(values: Path, helm: Helm) -> None:
    """Helm 4 applies on the server's side, which refuses that; Helm 3 takes the last."""
    for _, spec in pod_specs(helm.template("-f", values)):
        names = [item["name"] for each in spec["containers"] for item in each.get("env", [])]
        assert len(names) == len(set(names))
