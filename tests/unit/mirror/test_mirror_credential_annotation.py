"""How the mirror wakes a mailbox that waits for a person: by the fingerprint of a credential that has changed."""

from dataclasses import replace
from typing import Any

import pytest

from graphmail.mirror.desired import Template, desired, differs
from graphmail.provider import Provider
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import ANNOTATION_CREDENTIAL
from support.rows import ROW as UNFILED

ROW = replace(UNFILED, secret_reference="contoso")
WAITS = {
    "stalled": [("Stalled", "True", "CredentialInvalid")],
    "unauthorized": [("Authorized", "False", "CredentialInvalid")],
    "awaiting": [("Authorized", "Unknown", "AwaitingCredentials")],
}
WORKS = {"authorized": [("Authorized", "True", "Authorized")], "new": []}


class Files:
    """What rows name, by a fingerprint that a test sets."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.asked = 0

    def __call__(self, provider: Provider) -> str:
        self.asked += 1
        return f"{provider.credential}+{self.mark}"


def existing(conditions: list[tuple[str, str, str]], observed: str) -> GraphMailSubscription:
    shown = [
        {"type": kind, "status": state, "reason": reason, "message": "", "lastTransitionTime": "2026-11-24T00:00:00Z"}
        for kind, state, reason in conditions
    ]
    spec = {
        "tenant": "t1",
        "providerID": "p1",
        "mailbox": "ann@example.com",
        "notificationURL": "https://a.example.com/h",
    }
    return GraphMailSubscription.parse(
        {
            "metadata": {"name": "ann", "namespace": "mail", "uid": "u"},
            "spec": spec,
            "status": {"observedCredential": observed, "conditions": shown},
        }
    )


def annotation(row: Provider, resource: GraphMailSubscription, files: Files) -> Any:
    body = desired(row, resource, Template("mail", "https://a.example.com/h", fingerprint=files))
    told = body["metadata"]["annotations"].get(ANNOTATION_CREDENTIAL)
    assert told is None or differs(resource, body)
    return told


@pytest.mark.parametrize("conditions", WAITS.values(), ids=WAITS)
def test_a_changed_file_wakes_a_mailbox_that_waits(conditions: list[tuple[str, str, str]]) -> None:
    resource, files = existing(conditions, "row-1+one"), Files("one")
    assert annotation(ROW, resource, files) is None

    files.mark = "two"

    assert annotation(ROW, resource, files) == "row-1+two"


@pytest.mark.parametrize("conditions", WAITS.values(), ids=WAITS)
def test_a_changed_row_wakes_it_too(conditions: list[tuple[str, str, str]]) -> None:
    resource = existing(conditions, "row-1+one")

    assert annotation(replace(ROW, credential="row-2"), resource, Files("one")) == "row-2+one"


@pytest.mark.parametrize("conditions", WORKS.values(), ids=WORKS)
def test_files_are_not_looked_at_for_a_mailbox_that_waits_for_nothing(conditions: list[tuple[str, str, str]]) -> None:
    files = Files("two")

    assert annotation(ROW, existing(conditions, "row-1+one"), files) is None
    assert files.asked == 0


def test_without_files_the_row_s_own_fingerprint_counts() -> None:
    resource = existing(WAITS["stalled"], "row-0")
    body = desired(ROW, resource, Template("mail", "https://a.example.com/h"))

    assert body["metadata"]["annotations"][ANNOTATION_CREDENTIAL] == "row-1"
