"""The operator, as a process, with the chart's own ServiceAccount does all of its work, and may do nothing else."""

from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from graphmail.cli.check.kubernetes import ELECTING, MIRRORING, NAMESPACE, NEEDED, Right
from graphmail.resource.names import GROUP, PLURAL
from localstack.controlplane import ControlPlane
from support.hand import Hand
from support.rights import Account, rendered, rights_of, running, stopped, the_only
from support.stage import Stage, condition_reason
from support.waiting import eventually
from support.writing import renewed, suspended_and_resumed, suspensions


async def test_the_charts_rights_suffice_for_the_whole_main_job(stage: Stage, account: Account, tmp_path: Path) -> None:
    row, kept, hand = stage.add_delegated(), stage.add_delegated(), Hand(stage)
    hand.app_only_secret("hand")
    hand.write("hand")
    hand.app_only_secret("other")
    hand.write("other")
    async with running(stage, account, tmp_path) as (process, log):
        first = await stage.ready(row)
        await stage.ready(kept)
        await stage.ready("hand")
        await stage.status_of("other", lambda status: condition_reason(status, "Authorized"), "told")
        refused = stage.kubectl(
            "get", "gms", "other", "-o", 'jsonpath={.status.conditions[?(@.type=="Authorized")].message}'
        )
        assert "the operator may not read Secret other" in refused
        assert "rbac.credentialSecrets" in refused
        await renewed(stage, row, "asked")
        stage.simulator.world.end_subscription(stage.live(row)[0], "dropped")
        await stage.status_of(row, lambda status: status["subscriptionID"] != first["subscriptionID"], "made anew")
        stage.product.set_provider(row.id, inbound_paused_at=datetime.now(UTC), inbound_pause_reason="manual")
        await stage.status_of(row, lambda status: condition_reason(status, "Ready") == "Suspended", "suspended")
        stage.product.set_provider(row.id, inbound_paused_at=None, inbound_pause_reason=None)
        await stage.ready(row)
        for _ in range(2):
            await suspended_and_resumed(stage, "hand")
        await eventually(lambda: suspensions(stage, "hand") == 2, "the event is counted up")
        assert {"Created", "Renewed", "Recreated", "Suspended"} <= stage.event_reasons(row)
        stage.product.delete_provider(row.id)
        stage.kubectl("delete", PLURAL, "hand", "--wait=false")
        await eventually(lambda: stage.resource(row) is stage.resource("hand") is None, "both are gone")
        assert (stage.live(row), hand.live("hand"), len(stage.live(kept))) == ([], [], 1)
        lease = stage.kubectl("get", "lease", "graphmail-operator", "-o", "jsonpath={.spec.holderIdentity}")
        assert lease
        assert await stopped(process) == 0
    assert log.tracebacks() == []
    assert [line for line in log.lines() if "forbidden" in str(line) and "Secret other" not in str(line)] == []


OF_EVERYBODY = {
    Right("create", "selfsubjectreviews", "authentication.k8s.io"),
    Right("create", "selfsubjectaccessreviews", "authorization.k8s.io"),
    Right("create", "selfsubjectrulesreviews", "authorization.k8s.io"),
}
"""What Kubernetes grants to whoever signs in (`system:basic-user`): to ask who one is, and what one may do."""


def told_rights(account: Account, namespace: str) -> set[tuple[Right, str]]:
    """What the API server says that the account may do in a namespace."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    answer = account.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review).raise_for_status()
    return rights_of(answer.json()["status"]["resourceRules"])


def test_the_account_may_do_what_the_role_says_in_its_namespace_and_nothing_in_others(account: Account) -> None:
    everybodys = {(right, "") for right in OF_EVERYBODY}
    assert told_rights(account, account.namespace) == rights_of(account.rules) | everybodys
    assert told_rights(account, "default") == told_rights(account, "kube-system") == everybodys


POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
OURS = f"/apis/{GROUP}/v1alpha1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
FORBIDDEN: list[tuple[str, str, Any]] = [
    ("GET", "/api/v1/namespaces/{here}/pods", None),
    ("POST", "/api/v1/namespaces/{here}/pods", POD),
    ("GET", "/api/v1/namespaces/{here}/secrets", None),
    ("GET", "/api/v1/namespaces/{here}/secrets/other", None),
    ("DELETE", "/api/v1/namespaces/{here}/secrets/hand", None),
    ("PATCH", "/api/v1/namespaces/{here}/secrets/hand", {"data": {}}),
    ("GET", "/api/v1/namespaces/default/secrets/hand", None),
    ("GET", "/api/v1/secrets", None),
    ("GET", "/api/v1/namespaces/{here}/configmaps", None),
    ("POST", "/api/v1/namespaces/{here}/serviceaccounts/graphmail-operator/token", {"spec": {}}),
    ("GET", "/api/v1/namespaces/default", None),
    ("GET", "/api/v1/namespaces", None),
    ("GET", "/api/v1/namespaces/{here}/events", None),
    ("DELETE", "/apis/coordination.k8s.io/v1/namespaces/{here}/leases/graphmail-operator", None),
    ("GET", "/apis/coordination.k8s.io/v1/namespaces/{here}/leases/another", None),
    ("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases", None),
    ("GET", f"{OURS}/{PLURAL}", None),
    ("GET", f"{OURS}/namespaces/default/{PLURAL}", None),
    ("DELETE", f"{OURS}/namespaces/{{here}}/{PLURAL}", None),
    ("PUT", f"{OURS}/namespaces/{{here}}/{PLURAL}/x/status", {"metadata": {"name": "x"}}),
    ("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", None),
    ("GET", f"{RBAC}/namespaces/{{here}}/roles", None),
    ("PATCH", f"{RBAC}/namespaces/{{here}}/roles/graphmail-operator", {"rules": []}),
    ("POST", f"{RBAC}/clusterrolebindings", {"metadata": {"name": "x"}}),
]


def test_the_api_server_forbids_the_account_all_else(account: Account) -> None:
    for method, path, body in FORBIDDEN:
        answer = account.send(method, path.format(here=account.namespace), body)
        assert (answer.status_code, answer.json()["reason"]) == (403, "Forbidden"), f"{method} {path}"


@pytest.mark.parametrize(
    ("value", "readable"),
    [("[]", set()), ('["b", "a", "b"]', {"a", "b"}), ('["*"]', {""})],
    ids=["none", "named", "all"],
)
def test_the_secrets_that_may_be_read_are_those_that_the_value_names(value: str, readable: set[str]) -> None:
    rules = the_only("Role", rendered("somewhere", f"rbac.credentialSecrets={value}"))["rules"]
    assert {only for right, only in rights_of(rules) if right.resource == "secrets"} == readable


BY_EXTRA_ENV = (
    'extraEnv=[{"name": "GRAPHMAIL_DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "postgres", "key": "url"}}}]'
)
ALL = 'rbac.credentialSecrets=["*"]'


@pytest.mark.parametrize(
    ("values", "spared"),
    [
        ((), set()),
        (('installation="here"',), {NAMESPACE}),
        (("leaderElection.enabled=false", "replicas=1"), set(ELECTING)),
        (('database.existingSecret=""',), set(MIRRORING)),
        (('database.existingSecret=""', BY_EXTRA_ENV), set()),
        (('database.existingSecret=""', 'extraEnvFrom=[{"secretRef": {"name": "x"}}]'), set()),
    ],
    ids=[
        "all",
        "a mark of one's own",
        "one replica",
        "no Postgres",
        "Postgres by extraEnv",
        "Postgres by extraEnvFrom",
    ],
)
def test_the_role_grants_what_check_asks_for_and_no_more(values: tuple[str, ...], spared: set[Right]) -> None:
    rules = the_only("Role", rendered("somewhere", ALL, *values))["rules"]
    assert {right for right, _ in rights_of(rules)} == {*NEEDED} - spared


def test_of_namespaces_only_the_operators_own_can_be_read() -> None:
    rules = the_only("Role", rendered("somewhere"))["rules"]
    assert [only for right, only in rights_of(rules) if right == NAMESPACE] == ["somewhere"]


SEE, WRITE = {"get", "list", "watch"}, {"create", "delete", "deletecollection", "patch", "update"}


@pytest.mark.parametrize(
    ("values", "edits"),
    [((), SEE), (("rbac.aggregateToEdit=true",), SEE | WRITE)],
    ids=["by default nobody writes", "where it is asked for"],
)
def test_what_people_may_do_is_added_to_the_roles_that_they_have(
    control_plane: ControlPlane, crd: None, namespace: str, values: tuple[str, ...], edits: set[str]
) -> None:
    """Kubernetes' controllers aggregate; here none runs, so it is the labels and the rules that are looked at."""
    roles = [document for document in rendered(namespace, *values) if document["kind"] == "ClusterRole"]
    granted: defaultdict[str, set[str]] = defaultdict(set)
    for role in roles:
        for label in role["metadata"]["labels"]:
            if "aggregate-to" in label:
                granted[label.rpartition("-")[2]] |= {right.verb for right, _ in rights_of(role["rules"])}
        assert {right.resource for right, _ in rights_of(role["rules"])} == {PLURAL}
    assert granted == {"view": SEE, "edit": edits, "admin": edits}
    assert not any(document["kind"] == "ClusterRoleBinding" for document in rendered(namespace, *values))


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        ("rbac.create=false", ["ClusterRole", "ServiceAccount"]),
        ("serviceAccount.create=false", ["ClusterRole", "Role", "RoleBinding"]),
        ("rbac.aggregateToView=false", ["Role", "RoleBinding", "ServiceAccount"]),
        ("rbac.aggregateToEdit=true", ["ClusterRole", "ClusterRole", "Role", "RoleBinding", "ServiceAccount"]),
    ],
)
def test_each_part_can_be_left_to_somebody_else(value: str, kinds: list[str]) -> None:
    assert sorted(document["kind"] for document in rendered("somewhere", value)) == kinds
