"""How an app proves to sign-in that it is that app: by a secret, a certificate, or a token of the cluster it runs in.

msal signs with what it is given; parsing PEM and PFX is left to cryptography. What is unusable is told here, before anything is
sent, with the step that a person must take. No text holds a secret: a certificate is named by the end of its thumbprint.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import pkcs12

from graphmail.graph.errors import SignInError
from graphmail.graph.meaning import Meaning
from graphmail.graph.text import publishable
from graphmail.graph.tokens import read_claims
from graphmail.provider import ClientCertificate, Credential

MAX_FEDERATED_TOKEN = 64 * 1024
"""Characters."""
_SHOWN = 4
"""Characters of a thumbprint that tell one certificate from another to a person who looks at Entra's list."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What msal takes for its `client_credential`, and what may be said of it."""

    client_credential: Any = field(repr=False)
    name: str
    """For people, such as `certificate …3F9A (valid until 2027-03-01)`."""
    expires_at: datetime | None = None
    """When the certificate ends; None for what does not say."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What must not appear in a message even if an answer repeats it."""


class _Unusable(Exception):
    """A certificate that cannot be used; the text says why, and may be published."""


def generation(credential: Credential) -> str:
    """A digest that changes with what the app proves itself with. A workload identity's token is replaced hourly, its path is not."""
    digest = hashlib.sha256()
    certificate = credential.client_certificate
    if credential.federated_token_file:
        digest.update(f"file\x00{credential.federated_token_file}".encode())
    elif certificate is not None:
        password = "" if certificate.password is None else f"+{certificate.password}"
        digest.update(f"certificate\x00{password}\x00".encode() + certificate.content)
    else:
        digest.update(f"secret\x00{credential.client_secret or ''}".encode())
    return digest.hexdigest()


def proof_of(credential: Credential, *, now: datetime) -> Proof | None:
    """What the app proves itself with now; None for a public app, which has nothing.

    A workload identity goes before a certificate, and this before a secret: whoever adds the better one need not remove the other.

    Raises:
        SignInError: there is something, and it cannot be used.
    """
    if credential.federated_token_file:
        return _federated(credential, credential.federated_token_file)
    if credential.client_certificate is not None:
        return _certified(credential, credential.client_certificate, now)
    if credential.client_secret:
        return Proof(credential.client_secret, "the client secret", secrets=(credential.client_secret,))
    return None


# --- workload identity -----------------------------------------------------------------------------------------------


def _federated(credential: Credential, path: str) -> Proof:
    """The token is read afresh each time: kubelet replaces it. What is wrong with the file passes by itself once it is mended."""
    try:
        token = Path(path).read_text(encoding="ascii").strip()[:MAX_FEDERATED_TOKEN]
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it holds no token"
        raise _no_federated_token(credential, f"the federated token {path} cannot be read: {why}") from error
    if not token:
        raise _no_federated_token(credential, f"the federated token {path} is empty")
    claims = read_claims(token)
    told = ", ".join(f"{label} {_told(claims.get(claim))}" for claim, label in _SHOWN_CLAIMS.items())
    return Proof({"client_assertion": lambda: token}, f"the federated token with {told}", secrets=(token,))


_SHOWN_CLAIMS = {"iss": "issuer", "sub": "subject", "aud": "audience"}
"""What a federated credential in Entra must repeat letter by letter."""


def _told(claim: Any) -> str:
    one = claim[0] if isinstance(claim, list) and claim else claim
    return publishable(one) or "(none)"


def _no_federated_token(credential: Credential, message: str) -> SignInError:
    remedy = (
        "Let azure-workload-identity mount it: label the operator's pod azure.workload.identity/use=true, and annotate its service "
        f"account with azure.workload.identity/client-id={credential.client_id}."
    )
    return SignInError(Meaning.TRANSIENT, message, remedy=remedy)


# --- certificates ----------------------------------------------------------------------------------------------------


def _certified(credential: Credential, given: ClientCertificate, now: datetime) -> Proof:
    try:
        key, certificate = _from_pem(given) if b"-----BEGIN" in given.content else _from_pfx(given)
    except _Unusable as error:
        remedy = f"Store a certificate with its private key (PEM or PFX) for app {credential.client_id} in {credential.place}."
        text = f"the certificate of app {credential.client_id} cannot be used: {error}"
        raise SignInError(Meaning.CREDENTIAL_INVALID, text, remedy=remedy) from error
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return Proof(
        {"private_key": key, "public_certificate": pem},
        _certificate_name(certificate, now),
        expires_at=certificate.not_valid_after_utc,
    )


def _certificate_name(certificate: x509.Certificate, now: datetime) -> str:
    # Entra lists certificates by their SHA-1 thumbprint.
    thumbprint = certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 - a name that people compare, no protection
    ends = certificate.not_valid_after_utc
    ended = "which expired on" if ends <= now else "valid until"
    return f"the certificate …{thumbprint[-_SHOWN:]} ({ended} {ends:%Y-%m-%d})"


def _from_pem(given: ClientCertificate) -> tuple[RSAPrivateKey, x509.Certificate]:
    if b"PRIVATE KEY-----" not in given.content:
        raise _Unusable("the PEM has no private key")
    if b"-----BEGIN CERTIFICATE-----" not in given.content:
        raise _Unusable("the PEM has no certificate")
    encrypted = b"ENCRYPTED" in given.content
    if encrypted and given.password is None:
        raise _Unusable("its private key is encrypted, and no password is given")
    try:
        password = given.password.encode() if encrypted and given.password is not None else None
        key = serialization.load_pem_private_key(given.content, password)
        certificates = x509.load_pem_x509_certificates(given.content)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _Unusable(
            "the PEM cannot be read, or the password is wrong" if encrypted else "the PEM cannot be read"
        ) from error
    return _matched(key, certificates)


def _from_pfx(given: ClientCertificate) -> tuple[RSAPrivateKey, x509.Certificate]:
    """Without a password, tools write either none or an empty one, which PKCS #12 tells apart."""
    passwords = [given.password.encode()] if given.password is not None else [None, b""]
    for password in passwords:
        try:
            key, certificate, others = pkcs12.load_key_and_certificates(given.content, password)
        except (ValueError, UnsupportedAlgorithm):
            continue
        if key is None or certificate is None:
            raise _Unusable("the PFX has no private key with its certificate")
        return _matched(key, [certificate, *others])
    lacks = "no password is given, if it has one" if given.password is None else "the password is wrong"
    raise _Unusable(f"it is no PEM, and no PFX that can be opened: {lacks}")


def _matched(key: Any, certificates: Iterable[x509.Certificate]) -> tuple[RSAPrivateKey, x509.Certificate]:
    """The certificate of that key: it may stand anywhere in a chain."""
    if not isinstance(key, RSAPrivateKey):
        raise _Unusable("its key is not RSA, which is all that Entra takes")
    public = key.public_key()
    found = next((certificate for certificate in certificates if certificate.public_key() == public), None)
    if found is None:
        raise _Unusable("its private key belongs to another certificate")
    return key, found
