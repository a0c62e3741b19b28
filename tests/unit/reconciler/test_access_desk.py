"""Who may use which credential, and by which fingerprint a refusal is known again."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from graphmail.cluster import ClusterError, ClusterUnavailable
from graphmail.provider import Credential, CredentialKind, Provider, ProviderKey, ProviderState, WorkloadIdentity
from graphmail.reconciler import AccessDesk, CredentialFiles
from graphmail.reconciler.access import NoAccess
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import resource_name

URL = "https://app.example.com/hook"
KEY = ProviderKey("t1", "p1")
ROW = ProviderState(
    key=KEY,
    mailbox="ann@example.com",
    active=True,
    credential=Credential("t1/p1", "d-1", "app-1", "row-mark", client_secret="of-the-row"),
    client_state="state",
    subscription_id=None,
    expires_at=None,
)
FILED = replace(ROW, credential=replace(ROW.credential, client_secret=None), secret_reference="contoso")


class Rows:
    """Postgres with one row."""

    def __init__(self, state: ProviderState) -> None:
        self.state = state

    async def provider_state(self, key: ProviderKey) -> ProviderState | None:
        return self.state if key == self.state.key else None


class Secrets:
    """An API server with one Secret."""

    namespace = "mail"

    def __init__(self, **values: str) -> None:
        self.values = {key.replace("_", "-"): value for key, value in values.items()}

    async def secret(self, name: str) -> dict[str, Any] | None:
        if name != "ann":
            return None
        return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in self.values.items()}}


def resource(**spec: Any) -> GraphMailSubscription:
    known = {"tenant": "t1", "providerID": "p1", "mailbox": "ann@example.com", "notificationURL": URL}
    name = resource_name("t1", "p1", "ann@example.com")
    metadata = {"name": name, "namespace": "mail", "uid": "u"}
    return GraphMailSubscription.parse({"metadata": metadata, "spec": known | spec})


def desk(rows: Any = None, secrets: Any = None, **known: Any) -> AccessDesk:
    return AccessDesk(secrets or Secrets(), rows, URL, **known)


async def refusal(desk: AccessDesk, resource: GraphMailSubscription) -> NoAccess:
    with pytest.raises(NoAccess) as caught:
        await desk.of(resource)
    return caught.value


async def test_a_resource_that_is_not_the_mirror_s_is_refused_and_looked_at_again_seldom() -> None:
    missing = await refusal(desk(Rows(ROW)), resource(mailbox="eve@example.com"))

    assert missing.verdict.awaits_credentials
    assert missing.observed == "row-mark"


async def test_a_row_s_credential_is_known_by_its_own_fingerprint() -> None:
    access = await desk(Rows(ROW)).of(resource())

    assert (access.credential, access.client_state) == (ROW.credential, "state")


async def test_what_the_row_names_signs_in_and_is_known_as_the_mirror_knows_it(tmp_path: Path) -> None:
    (tmp_path / "contoso").write_text("s-1")
    files = CredentialFiles(str(tmp_path))

    access = await desk(Rows(FILED), files=files).of(resource())

    assert (access.credential.client_secret, access.credential.kind) == ("s-1", CredentialKind.APP_ONLY)
    assert access.credential.fingerprint == files.fingerprint_of(listed(FILED)) != "row-mark"


@pytest.mark.parametrize(
    ("reference", "told"),
    [("contoso", "does not exist: create it"), ("../contoso", "leads out"), ("workload-identity", "is not set")],
)
async def test_what_the_row_names_in_vain_is_told_and_known_as_the_mirror_knows_it(
    tmp_path: Path, reference: str, told: str
) -> None:
    files, state = CredentialFiles(str(tmp_path)), replace(FILED, secret_reference=reference)

    missing = await refusal(desk(Rows(state), files=files), resource())

    assert missing.verdict.awaits_credentials
    assert told in missing.verdict.message
    assert missing.observed == files.fingerprint_of(listed(state))


async def test_a_row_that_nobody_has_consented_to_waits_for_that_alone() -> None:
    nobody = replace(ROW, credential=replace(ROW.credential, directory="common", fingerprint=""))

    missing = await refusal(desk(Rows(nobody)), resource())

    assert "somebody must sign in for ann@example.com in the product" in missing.verdict.message
    assert missing.observed == ""


async def test_a_secret_is_read_at_each_attempt_and_a_changed_one_is_known_by_its_fingerprint() -> None:
    secrets = Secrets(client_id="app-1", directory_id="d-1", client_secret="s-1", client_state="state")
    asked = desk(None, secrets)
    of_secret = resource(credentials={"source": "Secret", "secretName": "ann"})
    first = await asked.of(of_secret)
    secrets.values["client-secret"] = "s-2"
    second = await asked.of(of_secret)
    del secrets.values["client-secret"]
    missing = await refusal(asked, of_secret)

    assert (first.credential.client_secret, second.credential.client_secret) == ("s-1", "s-2")
    assert first.client_state == "state"
    marks = {first.credential.fingerprint, second.credential.fingerprint, missing.observed}
    assert len(marks) == 3
    assert "" not in marks


async def test_a_secret_may_ask_for_the_pod_s_own_identity() -> None:
    secrets = Secrets(workload_identity="true")
    asked = desk(None, secrets, workload=WorkloadIdentity("/var/run/token", "pod-app", "pod-directory"))

    access = await asked.of(resource(credentials={"source": "Secret", "secretName": "ann"}))

    assert (access.credential.client_id, access.credential.federated_token_file) == ("pod-app", "/var/run/token")


async def test_a_secret_that_does_not_exist_is_asked_for_by_its_name() -> None:
    missing = await refusal(desk(), resource(credentials={"source": "Secret", "secretName": "bob"}))

    assert missing.verdict.message == "Secret bob does not exist in namespace mail: create it"


def listed(state: ProviderState) -> Provider:
    """The same row, as the mirror reads it."""
    unread: dict[str, Any] = dict.fromkeys(
        (
            "active",
            "pause_reason",
            "polling",
            "folders",
            "subscription_id",
            "expires_at",
            "last_notification_at",
            "updated_at",
        )
    )
    return Provider(
        key=state.key,
        mailbox=state.mailbox,
        credential=state.credential.fingerprint,
        secret_reference=state.secret_reference,
        **unread,
    )


class Closed(Secrets):
    """An API server that lets nobody read a Secret."""

    def __init__(self, answer: ClusterError) -> None:
        super().__init__()
        self.answer = answer

    async def secret(self, name: str) -> dict[str, Any] | None:
        raise self.answer


async def test_a_secret_that_may_not_be_read_names_what_to_grant_and_may_be_there_all_the_same() -> None:
    closed = Closed(ClusterError(403, "Forbidden", 'User "a" cannot get resource "secrets" in API group ""'))

    missing = await refusal(desk(secrets=closed), resource(credentials={"source": "Secret", "secretName": "ann"}))

    assert missing.unreadable
    assert missing.verdict.awaits_credentials
    assert "may not read Secret ann in namespace mail: name it in the chart's value rbac.credentialSecrets" in str(
        missing
    )


@pytest.mark.parametrize(
    "answer",
    [ClusterError(401, "Unauthorized", "Unauthorized"), ClusterError(403, "Forbidden", "a webhook says no")],
    ids=["the token is not taken", "a webhook forbids it"],
)
async def test_a_secret_that_is_not_shown_for_any_other_reason_may_be_there_all_the_same(answer: ClusterError) -> None:
    asked, of_secret = desk(secrets=Closed(answer)), resource(credentials={"source": "Secret", "secretName": "ann"})

    missing = await refusal(asked, of_secret)
    with pytest.raises(NoAccess) as unmarked:
        await asked.mark(of_secret, now=datetime(2026, 3, 1, tzinfo=UTC), lasts=timedelta(seconds=30))

    assert missing.unreadable
    assert unmarked.value.unreadable
    assert str(missing).endswith(
        f"does not let the operator read Secret ann in namespace mail, and is asked again: {answer}"
    )


async def test_while_the_api_server_is_away_nothing_is_said_of_a_secret() -> None:
    away = Closed(ClusterUnavailable(503, "ServiceUnavailable", "later"))
    with pytest.raises(ClusterUnavailable):
        await desk(secrets=away).of(resource(credentials={"source": "Secret", "secretName": "ann"}))


@pytest.mark.parametrize("url", [None, "https://mail.example.com/lifecycle"], ids=["not reached yet", "reached"])
async def test_the_mirror_s_resource_is_served_before_and_after_it_names_the_receiver(url: str | None) -> None:
    served = desk(Rows(ROW), lifecycle_url="https://mail.example.com/lifecycle")

    access = await served.of(resource(lifecycleNotificationURL=url))

    assert access.credential == ROW.credential


async def test_a_lifecycle_url_that_is_not_the_receiver_s_is_refused() -> None:
    other = resource(lifecycleNotificationURL="https://eve.example.com/lifecycle")

    for refusing in (desk(Rows(ROW)), desk(Rows(ROW), lifecycle_url="https://mail.example.com/lifecycle")):
        assert (await refusal(refusing, other)).verdict.awaits_credentials
