"""The whole operator with credentials that do not stand in the row: files and Secrets, replaced while it runs."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from graphmail.resource.names import ANNOTATION_RENEW, PLURAL
from graphsim.app_keys import AppCertificate, Federation
from support.certificates import ISSUER, SUBJECT, federated_token, identity, public_pem, rsa_key
from support.stage import Row, Stage, condition_reason, condition_status

SOON = {"GRAPHMAIL_MIRROR_COMPARE_SECONDS": "5", "GRAPHMAIL_MIRROR_POLL_SECONDS": "4"}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "credentials"
    made.mkdir()
    return made


def add_filed(stage: Stage, reference: str) -> Row:
    """A row of which the app's secret stands elsewhere."""
    return stage.add_app_only({"client_secret": "", "client_secret_ref": reference})


async def stalled(stage: Stage, row: Row | str) -> dict[str, Any]:
    return await stage.status_of(row, lambda status: condition_status(status, "Stalled") == "True", "stalled")


async def test_files_serve_rows_and_a_replaced_one_ends_a_stall_by_itself(stage: Stage, directory: Path) -> None:
    secret, certificate = add_filed(stage, "contoso"), add_filed(stage, "contoso-certificate")
    missing, outside = add_filed(stage, "later"), add_filed(stage, "../outside")
    mine = identity()
    stage.app.certificates.append(AppCertificate.from_pem(mine.certificate_pem))
    (directory / "contoso").write_text("wrong")
    (directory / "contoso-certificate").write_bytes(mine.pfx("pw"))
    (directory / "contoso-certificate.password").write_text("pw")
    async with stage.operator(GRAPHMAIL_CREDENTIALS_DIR=str(directory), **SOON):
        await stage.ready(certificate)
        status = await stalled(stage, secret)
        assert condition_reason(status, "Ready") == "CredentialInvalid"
        told = stage.condition(secret, "Authorized")["message"]
        assert "store the secret's value (not its id) in file contoso of GRAPHMAIL_CREDENTIALS_DIR" in told
        await stage.status_of(missing, awaits, "waits for its file")
        assert "file later of GRAPHMAIL_CREDENTIALS_DIR" in stage.condition(missing, "Authorized")["message"]
        await stage.status_of(outside, awaits, "refused")
        assert "leads out of GRAPHMAIL_CREDENTIALS_DIR" in stage.condition(outside, "Authorized")["message"]

        for name in ("contoso", "later"):
            (directory / name).write_text(stage.app.secrets[0].value + "\n")

        for row in (secret, missing):
            status = await stage.ready(row)
            assert condition_status(status, "Stalled") is None
    assert stage.live(outside) == []


def awaits(status: dict[str, Any]) -> bool:
    return condition_reason(status, "Authorized") == "AwaitingCredentials"


def apply_secret(stage: Stage, name: str, values: dict[str, str | bytes]) -> None:
    encoded = {
        key: base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()
        for key, value in values.items()
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}
    stage.kubectl("apply", "-f", "-", stdin=json.dumps(secret))


def apply_resource(stage: Stage, name: str) -> str:
    """A resource written by hand, for a mailbox of its own, with the Secret of its name."""
    address = f"{name}@{stage.entra.domain}"
    stage.simulator.world.add_mailbox(stage.entra.id, address)
    body = {
        "apiVersion": "graphmail.dev/v1alpha1",
        "kind": "GraphMailSubscription",
        "metadata": {"name": name},
        "spec": {
            "tenant": "by-hand",
            "providerID": name,
            "mailbox": address,
            "notificationURL": stage.endpoint.url + stage.endpoint.path,
            "credentials": {"source": "Secret", "secretName": name},
        },
    }
    stage.kubectl("apply", "-f", "-", stdin=json.dumps(body))
    return name


async def test_secrets_serve_every_kind_and_a_replaced_one_ends_a_stall_by_itself(stage: Stage, tmp_path: Path) -> None:
    mine, issuer = identity(), rsa_key()
    stage.app.certificates.append(AppCertificate.from_pem(mine.certificate_pem))
    stage.app.federations.append(Federation.from_pem(public_pem(issuer), issuer=ISSUER, subject=SUBJECT))
    token_file = tmp_path / "token"
    token_file.write_text(federated_token(issuer))
    app: dict[str, str | bytes] = {"client-id": stage.app.client_id, "directory-id": stage.entra.id}
    kinds: dict[str, dict[str, str | bytes]] = {
        "pem": {"client-certificate": mine.pem("pw"), "client-certificate-password": "pw"},
        "pfx": {"client-certificate.pfx": mine.pfx()},
        "workload": {"workload-identity": "true"},
        "replaced": {"client-certificate": identity().pem()},
    }
    for name, values in kinds.items():
        apply_secret(stage, name, app | values)
        apply_resource(stage, name)
    async with stage.operator(GRAPHMAIL_TICK_SECONDS="1", AZURE_FEDERATED_TOKEN_FILE=str(token_file)):
        for name in ("pem", "pfx", "workload"):
            await stage.ready(name)
        status = await stalled(stage, "replaced")
        assert condition_reason(status, "Ready") == "CredentialInvalid"
        assert "in Secret replaced" in stage.condition("replaced", "Authorized")["message"]

        apply_secret(stage, "replaced", app | {"client-certificate": mine.pem()})

        await stage.ready("replaced")


async def test_a_certificate_that_is_registered_after_all_works_when_a_renewal_is_forced(stage: Stage) -> None:
    mine = identity()
    app: dict[str, str | bytes] = {"client-id": stage.app.client_id, "directory-id": stage.entra.id}
    apply_secret(stage, "late", app | {"client-certificate": mine.pem()})
    apply_resource(stage, "late")
    async with stage.operator():
        await stalled(stage, "late")
        stage.app.certificates.append(AppCertificate.from_pem(mine.certificate_pem))
        stage.kubectl("annotate", PLURAL, "late", f"{ANNOTATION_RENEW}=now")
        await stage.ready("late")
