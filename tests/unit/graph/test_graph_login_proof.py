"""What an app proves itself with: read as people store it, refused with the step that mends it, and never shown."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from graphmail.graph import Meaning, SignInError
from graphmail.graph.login_proof import Proof, generation, proof_of
from graphmail.provider import ClientCertificate, Credential
from support.certificates import ISSUER, SUBJECT, Identity, federated_token, identity, rsa_key

APP = Credential("contoso/p1", "d-1", "app-1", "f", place="Secret contoso")
MINE = identity(days=100)


def certified(content: bytes, password: str | None = None) -> Credential:
    return replace(APP, client_certificate=ClientCertificate(content, password))


def proof(credential: Credential) -> Proof:
    found = proof_of(credential, now=datetime.now(UTC))
    assert found is not None
    return found


def refusal(credential: Credential) -> SignInError:
    with pytest.raises(SignInError) as caught:
        proof(credential)
    return caught.value


def traditional(mine: Identity) -> bytes:
    key = mine.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return bytes(key) + mine.certificate_pem.encode()


FORMS: list[tuple[str, Callable[[Identity], bytes], str | None]] = [
    ("PEM", Identity.pem, None),
    ("PEM with the key first", traditional, None),
    ("PEM with a needless password", Identity.pem, "pw"),
    ("PEM with an encrypted key", lambda mine: mine.pem("pw"), "pw"),
    ("PEM with a chain", lambda mine: identity().certificate_pem.encode() + mine.pem(), None),
    ("PEM with bag attributes", lambda mine: b"Bag Attributes\n  friendlyName: app\n" + mine.pem(), None),
    ("PEM with Windows line ends", lambda mine: mine.pem().replace(b"\n", b"\r\n"), None),
    ("PFX", Identity.pfx, None),
    ("PFX with a password", lambda mine: mine.pfx("pw"), "pw"),
    ("PFX with a password beyond ASCII", lambda mine: mine.pfx("pässword"), "pässword"),
]


@pytest.mark.parametrize(("content", "password"), [form[1:] for form in FORMS], ids=[form[0] for form in FORMS])
def test_a_certificate_is_read_in_every_form(content: Callable[[Identity], bytes], password: str | None) -> None:
    found = proof(certified(content(MINE), password))

    assert found.client_credential["private_key"].public_key() == MINE.key.public_key()
    assert found.client_credential["public_certificate"] == MINE.certificate_pem
    ends = MINE.certificate.not_valid_after_utc
    assert found.expires_at == ends
    assert found.name == f"the certificate …{MINE.name} (valid until {ends:%Y-%m-%d})"


def test_an_expired_certificate_is_sent_all_the_same_and_named_as_expired() -> None:
    ended = identity(days=-3)
    day = ended.certificate.not_valid_after_utc

    assert proof(certified(ended.pem())).name == f"the certificate …{ended.name} (which expired on {day:%Y-%m-%d})"


@pytest.mark.parametrize(
    ("content", "password", "why"),
    [
        (MINE.certificate_pem.encode(), None, "the PEM has no private key"),
        (MINE.key_pem().encode(), None, "the PEM has no certificate"),
        (MINE.pem("pw"), None, "its private key is encrypted, and no password is given"),
        (MINE.pem("pw"), "no", "the PEM cannot be read, or the password is wrong"),
        (MINE.pem().replace(b"MII", b"!!!"), None, "the PEM cannot be read"),
        (identity().certificate_pem.encode() + MINE.key_pem().encode(), None, "belongs to another certificate"),
        (identity(elliptic=True).pem(), None, "its key is not RSA"),
        (identity(elliptic=True).pfx(), None, "its key is not RSA"),
        (MINE.pfx("pw"), None, "no password is given"),
        (MINE.pfx("pw"), "no", "the password is wrong"),
        (b"0\x82nonsense", None, "it is no PEM, and no PFX that can be opened"),
    ],
)
def test_a_certificate_that_cannot_be_used_says_why_and_where_to_store_a_better_one(
    content: bytes, password: str | None, why: str
) -> None:
    error = refusal(certified(content, password))

    assert error.meaning is Meaning.CREDENTIAL_INVALID
    assert why in error.message
    assert error.remedy == "Store a certificate with its private key (PEM or PFX) for app app-1 in Secret contoso."


def test_nothing_that_is_said_of_a_proof_shows_it() -> None:
    secret, key = "s3cret-of-the-app", MINE.key_pem("passw0rd")
    for credential in (replace(APP, client_secret=secret), certified(MINE.pem("passw0rd"), "passw0rd")):
        shown = repr(credential) + repr(proof(credential)) + proof(credential).name + generation(credential)
        assert secret not in shown
        assert "passw0rd" not in shown
        assert key.splitlines()[1] not in shown


def test_the_better_proof_goes_first_and_a_public_app_has_none(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(federated_token(rsa_key()))
    secret = replace(APP, client_secret="s-1")
    certificate = replace(secret, client_certificate=ClientCertificate(MINE.pem()))
    workload = replace(certificate, federated_token_file=str(token))

    assert proof_of(APP, now=datetime.now(UTC)) is None
    assert proof(secret).client_credential == "s-1"
    assert "certificate" in proof(certificate).name
    assert "federated token" in proof(workload).name
    assert len({generation(one) for one in (APP, secret, certificate, workload)}) == 4


def test_a_workload_identity_is_read_afresh_and_named_by_what_entra_compares(tmp_path: Path) -> None:
    file, key = tmp_path / "token", rsa_key()
    workload = replace(APP, federated_token_file=str(file))
    first, second = (federated_token(key, jti=str(number)) for number in range(2))
    file.write_text(first + "\n")
    before = generation(workload)
    assert proof(workload).client_credential["client_assertion"]() == first
    file.write_text(second)
    found = proof(workload)

    assert found.client_credential["client_assertion"]() == second
    assert found.name == (
        f"the federated token with issuer {ISSUER}, subject {SUBJECT}, audience api://AzureADTokenExchange"
    )
    assert generation(workload) == before
    assert second not in repr(found)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"], ids=["absent", "empty", "no text"])
def test_a_workload_identity_without_a_token_heals_by_itself_and_says_what_mounts_it(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    error = refusal(replace(APP, federated_token_file=str(file)))

    assert error.meaning is Meaning.TRANSIENT
    assert str(file) in error.message
    assert "azure.workload.identity/use=true" in (error.remedy or "")


def test_a_token_that_is_no_jwt_is_sent_and_named_as_what_it_is(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("opaque")

    assert "issuer (none)" in proof(replace(APP, federated_token_file=str(file))).name


def test_when_a_certificate_ends_is_known_to_the_second() -> None:
    ends = proof(certified(MINE.pem())).expires_at
    assert ends is not None
    assert timedelta(days=99) < ends - datetime.now(UTC) < timedelta(days=101)
