"""A Secret of Kubernetes as a credential: which keys it may have, what they mean, and what is told of one that is incomplete."""

import base64
from typing import Any

import pytest

from graphmail.provider import Credential, CredentialKind, WorkloadIdentity
from graphmail.reconciler.credential_files import UnusableReference
from graphmail.reconciler.credential_secret import Contents, credential_of
from graphmail.resource import GraphMailSubscription
from support.certificates import identity

WORKLOAD = WorkloadIdentity("/var/run/token", "pod-app", "pod-directory")
APP = {"client-id": "app-1", "directory-id": "d-1"}
MINE = identity()
RESOURCE = GraphMailSubscription.parse(
    {
        "metadata": {"name": "ann", "namespace": "mail", "uid": "u"},
        "spec": {
            "tenant": "t1",
            "providerID": "p1",
            "mailbox": "ann@example.com",
            "notificationURL": "https://app.example.com/hook",
            "credentials": {"source": "Secret", "secretName": "ann"},
        },
    }
)


def contents(values: dict[str, str | bytes]) -> Contents:
    encoded = {
        key: base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()
        for key, value in values.items()
    }
    return Contents.of({"data": encoded})


def credential(values: dict[str, str | bytes], workload: WorkloadIdentity | None = None) -> Credential:
    return credential_of(RESOURCE, "ann", contents(values), workload)


def refusal(values: dict[str, str | bytes], workload: WorkloadIdentity | None = None) -> str:
    with pytest.raises(UnusableReference) as caught:
        credential(values, workload)
    return str(caught.value)


def test_a_client_secret_makes_the_app_sign_in_by_itself() -> None:
    found = credential({**APP, "client-secret": "s-1\n"})
    assert (found.client_id, found.directory, found.client_secret) == ("app-1", "d-1", "s-1")
    assert (found.kind, found.place) == (CredentialKind.APP_ONLY, "Secret ann")


@pytest.mark.parametrize(
    ("key", "content"), [("client-certificate", MINE.pem("pw")), ("client-certificate.pfx", MINE.pfx("pw"))]
)
def test_a_certificate_is_kept_byte_for_byte_with_its_password(key: str, content: bytes) -> None:
    found = credential({**APP, key: content, "client-certificate-password": "pw\n"}).client_certificate
    assert found is not None
    assert (found.content, found.password) == (content, "pw")


def test_a_refresh_token_makes_a_user_s_credential_and_says_where_a_new_one_goes() -> None:
    found = credential({"client-id": "app-1", "refresh-token": "r-1"})
    assert (found.kind, found.directory, found.refresh_token) == (CredentialKind.DELEGATED, "common", "r-1")
    assert (found.user, found.consent_place) == ("ann@example.com", "Secret ann, key refresh-token")


def test_a_user_s_app_may_prove_itself_too() -> None:
    values = {"client-id": "app-1", "refresh-token": "r-1", "client-certificate": MINE.pem()}
    found = credential(values)
    assert found.client_certificate is not None
    assert found.kind is CredentialKind.DELEGATED


def test_a_workload_identity_is_used_when_asked_for() -> None:
    found = credential({**APP, "workload-identity": "True\n"}, WORKLOAD)
    assert (found.federated_token_file, found.client_id, found.directory) == ("/var/run/token", "app-1", "d-1")
    found = credential({"workload-identity": "true"}, WORKLOAD)
    assert (found.client_id, found.directory) == ("pod-app", "pod-directory")
    assert credential({**APP, "client-secret": "s", "workload-identity": "false"}, WORKLOAD).client_secret == "s"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "Secret ann is incomplete: it needs client-id"),
        ({"client-id": "app-1"}, "is incomplete"),
        ({"client-secret": "s", "directory-id": "d-1"}, "is incomplete"),
        ({"client-id": "app-1", "client-secret": "s"}, "directory-id (the Entra tenant's id, not common)"),
        ({"client-id": "app-1", "client-secret": "s", "directory-id": "common"}, "is incomplete"),
        ({**APP, "client-secret": " \n"}, "is incomplete"),
        ({**APP, "client-certificate": "x", "client-certificate.pfx": "y"}, "remove the one that is not meant"),
        ({**APP, "workload-identity": "yes"}, "allowed is true or false"),
        ({**APP, "workload-identity": "true"}, "AZURE_FEDERATED_TOKEN_FILE is not set"),
    ],
)
def test_an_incomplete_secret_says_what_it_lacks(values: dict[str, str | bytes], told: str) -> None:
    assert told in refusal(values)


@pytest.mark.parametrize("secret", [{}, {"data": None}, {"data": {"client-id": "!"}}, {"data": {"client-id": None}}])
def test_what_is_no_base64_counts_as_missing(secret: dict[str, Any]) -> None:
    assert Contents.of(secret).values == {}


def test_what_is_no_text_is_no_text() -> None:
    assert contents({"client-id": b"\xff"}).text("client-id") is None


def test_the_fingerprint_covers_every_key_and_shows_none() -> None:
    base: dict[str, str | bytes] = {**APP, "client-secret": "s-1"}
    changes: list[dict[str, str | bytes]] = [
        {},
        *({key: "another"} for key in base),
        *(
            {key: "new"}
            for key in ("refresh-token", "client-certificate-password", "client-state", "workload-identity")
        ),
        {"client-certificate": MINE.pem()},
        {"client-certificate.pfx": MINE.pfx()},
        {"client-certificate.pfx": MINE.pfx() + b"\n"},
    ]
    marks = [contents(base | change).fingerprint(None) for change in changes]
    assert len(set(marks)) == len(marks)
    assert {len(mark) for mark in marks} == {12}


def test_the_fingerprint_changes_when_the_pod_gets_the_identity_that_was_asked_for() -> None:
    asking = contents({**APP, "workload-identity": "true"})
    assert asking.fingerprint(None) != asking.fingerprint(WORKLOAD)
    other = contents({**APP, "client-secret": "s"})
    assert other.fingerprint(None) == other.fingerprint(WORKLOAD)
