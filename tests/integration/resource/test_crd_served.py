"""The custom resource as people and field managers meet it on a real API server."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from graphmail.resource import (
    Condition,
    Credentials,
    CredentialSource,
    FolderState,
    FolderSubscription,
    GraphMailSubscription,
    Metadata,
    Spec,
    Status,
)
from graphmail.resource.crd import crd

EXPIRY = datetime(2031, 3, 7, 15, 16, 17, tzinfo=UTC)
READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Subscribed",
    "message": "covered",
    "lastTransitionTime": "2026-03-01T04:05:06Z",
}
STATUS = {
    "subscriptionID": "3f2b",
    "expirationTime": "2031-03-07T15:16:17Z",
    "nextRenewalTime": "2031-03-06T11:12:13Z",
    "lastNotificationTime": "2026-03-02T08:09:10Z",
    "consecutiveFailures": 4,
    "conditions": [READY],
}


def cells(line: str) -> list[str]:
    """A line of a table; kubectl parts columns with at least three spaces."""
    return re.split(r" {3,}", line.strip())


def covered(resources: Any, **spec: Any) -> dict[str, Any]:
    body = resources.create(resources.body(**spec))
    answer: dict[str, Any] = resources.replace({**body, "status": STATUS}, subresource="/status")
    return answer


def test_a_listing_tells_at_a_glance_who_is_covered_and_until_when(resources: Any) -> None:
    covered(resources)
    header, row = resources.kubectl("get", "gms").splitlines()
    assert cells(header) == ["NAME", "READY", "MAILBOX", "SUBSCRIPTION", "EXPIRES", "NEXT RENEWAL", "AGE"]
    assert cells(row)[:6] == ["ann", "True", "ann@example.com", "3f2b", "2031-03-07T15:16:17Z", "2031-03-06T11:12:13Z"]


def test_a_wide_listing_tells_the_rest(resources: Any) -> None:
    covered(resources)
    header, row = resources.kubectl("get", "gms", "-o", "wide").splitlines()
    assert cells(header)[7:] == ["TENANT", "FAILURES", "LAST NOTIFICATION", "REASON", "STALLED"]
    assert cells(row)[7:] == ["t1", "4", "2026-03-02T08:09:10Z", "Subscribed"]


@pytest.mark.parametrize("name", ["gms", "graphmailsubscription", "graphmailsubscriptions", "graphmail"])
def test_it_answers_to_its_names_and_its_category(name: str, resources: Any) -> None:
    resources.create(resources.body())
    assert resources.kubectl("get", name, "-o", "name").strip() == "graphmailsubscription.graphmail.dev/ann"


def test_it_is_not_part_of_all(resources: Any) -> None:
    """`kubectl delete all --all` must not take a namespace's subscriptions along."""
    resources.create(resources.body())
    assert "graphmail" not in resources.kubectl("get", "all", "-o", "name")


@pytest.mark.parametrize(("field", "name"), [("spec.tenant=t2", "ben"), ("spec.providerID=p1", "ann")])
def test_a_field_selector_finds_a_tenants_or_a_providers_resource(field: str, name: str, resources: Any) -> None:
    resources.create(resources.body())
    resources.create(resources.body("ben", tenant="t2", providerID="p2"))
    found = resources.kubectl("get", "gms", "--field-selector", field, "-o", "name").split()
    assert found == [f"graphmailsubscription.graphmail.dev/{name}"]


def described(schema: dict[str, Any], path: str = "") -> list[tuple[str, str]]:
    """Every object of the schema that has fields, with the description of one of them."""
    found = []
    for name, field in schema.get("properties", {}).items():
        inner = field.get("items", field)
        found += [(f"{path}.{name}", field["description"]), *described(inner, f"{path}.{name}")]
    return found


def test_kubectl_explains_every_field(resources: Any) -> None:
    schema = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    groups: dict[str, list[str]] = {}
    for path, description in described(schema):
        groups.setdefault(path.rpartition(".")[0], []).append(description)
    for path, descriptions in groups.items():
        text = " ".join(resources.kubectl("explain", f"gms{path}").split())
        assert [description for description in descriptions if description not in text] == []


def test_defaults_are_filled_in_where_a_person_can_see_them(resources: Any) -> None:
    spec = resources.create(resources.body())["spec"]
    assert (spec["folders"], spec["changeTypes"], spec["suspend"]) == (["inbox"], ["created"], False)
    assert (spec["deletionPolicy"], spec["credentials"]) == ("Delete", {"source": "ProviderRow"})


def test_the_operators_own_settings_are_not_frozen_into_a_resource(resources: Any) -> None:
    assert not resources.create(resources.body())["spec"].keys() & {"lookAhead", "lifetime"}


def test_a_resource_cannot_be_born_with_a_status(resources: Any) -> None:
    created = resources.create({**resources.body(), "status": STATUS})
    assert "status" not in created


def test_a_change_of_the_spec_leaves_the_status_alone_and_counts_as_a_generation(resources: Any) -> None:
    body = covered(resources)
    changed = {**body, "spec": {**body["spec"], "lookAhead": "12h"}, "status": {"subscriptionID": "forged"}}
    answer = resources.replace(changed)
    assert answer["status"] == body["status"]
    assert answer["metadata"]["generation"] == body["metadata"]["generation"] + 1


def test_a_change_of_the_status_leaves_the_spec_and_the_generation_alone(resources: Any) -> None:
    body = covered(resources)
    changed = {**body, "spec": {**body["spec"], "lookAhead": "12h"}, "status": {**STATUS, "subscriptionID": "77ab"}}
    answer = resources.replace(changed, subresource="/status")
    assert answer["status"]["subscriptionID"] == "77ab"
    assert answer["spec"] == body["spec"]
    assert answer["metadata"]["generation"] == body["metadata"]["generation"]


def apply_status(resources: Any, manager: str, status: dict[str, Any]) -> dict[str, Any]:
    body = {key: value for key, value in resources.body().items() if key != "spec"}
    answer: dict[str, Any] = json.loads(
        resources.kubectl(
            "apply",
            "--server-side",
            "--subresource=status",
            f"--field-manager={manager}",
            "-o",
            "json",
            "-f",
            "-",
            stdin=json.dumps({**body, "status": status}),
        )
    )["status"]
    return answer


def test_two_field_managers_keep_their_own_conditions(resources: Any) -> None:
    resources.create(resources.body())
    audited = {**READY, "type": "example.com/Audited", "reason": "Seen"}
    apply_status(resources, "graphmail-operator", {"conditions": [READY, {**READY, "type": "Stalled"}]})
    apply_status(resources, "auditor", {"conditions": [audited]})
    status = apply_status(resources, "graphmail-operator", {"conditions": [READY]})
    assert sorted(condition["type"] for condition in status["conditions"]) == ["Ready", "example.com/Audited"]


def test_two_field_managers_keep_their_own_folders(resources: Any) -> None:
    resources.create(resources.body())
    inbox, archive = {"folder": "inbox", "state": "Active"}, {"folder": "archive", "state": "Pending"}
    apply_status(resources, "one", {"subscriptions": [inbox]})
    apply_status(resources, "other", {"subscriptions": [archive]})
    status = apply_status(resources, "one", {"subscriptions": [{**inbox, "state": "Pending"}]})
    assert {row["folder"]: row["state"] for row in status["subscriptions"]} == {
        "inbox": "Pending",
        "archive": "Pending",
    }


def test_what_the_models_write_comes_back_as_the_same_models(resources: Any) -> None:
    spec = Spec(
        tenant="t1",
        provider_id="p1",
        mailbox="jürgen@müller.de",
        folders=["inbox", "archive"],
        change_types=["created", "deleted"],
        notification_url="https://app.example.com/hook?a=b",
        lifecycle_notification_url="https://app.example.com/lifecycle",
        look_ahead="90m",
        lifetime="45h",
        credentials=Credentials(source=CredentialSource.SECRET, secret_name="ann"),
    )
    status = Status(
        observed_generation=1,
        subscription_id="3f2b",
        expiration_time=EXPIRY,
        last_renewal_time=EXPIRY - timedelta(hours=45),
        next_renewal_time=EXPIRY - timedelta(hours=2),
        consecutive_failures=3,
        last_handled_renewal="a person's words",
        observed_credential="",
        subscriptions=[
            FolderSubscription(folder="inbox", state=FolderState.ACTIVE, subscription_id="3f2b", granted_time=EXPIRY),
            FolderSubscription(folder="archive", state=FolderState.NOT_DELIVERABLE),
        ],
        conditions=[
            Condition(type="Ready", status="True", reason="Subscribed", message="é", last_transition_time=EXPIRY)
        ],
    )
    metadata = Metadata(name="ann", namespace=resources.namespace)
    resource = GraphMailSubscription(metadata=metadata, spec=spec, status=status)
    written = resource.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"metadata"})
    kind = {key: value for key, value in resources.body().items() if key != "spec"}
    created = resources.create({**kind, **written})
    resources.replace({**created, "status": written["status"]}, subresource="/status")
    read = GraphMailSubscription.parse(resources.get())
    assert read.spec == spec
    assert read.status == status


def test_the_definition_is_served_as_it_was_generated(resources: Any) -> None:
    served = yaml.safe_load(resources.kubectl("get", "crd", "graphmailsubscriptions.graphmail.dev", "-o", "yaml"))
    conditions = {condition["type"]: condition["status"] for condition in served["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert "NonStructuralSchema" not in conditions
    assert served["spec"]["versions"][0]["schema"] == crd()["spec"]["versions"][0]["schema"]
