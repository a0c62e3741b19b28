"""Certificates and keys as people have them: PEM and PFX, encrypted or not, expired or not."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

ISSUER = "https://oidc.cluster.example.com/"
SUBJECT = "system:serviceaccount:graphmail:graphmail-operator"
EXCHANGE = "api://AzureADTokenExchange"


def rsa_key() -> RSAPrivateKey:
    """A key of the size that Entra asks for."""
    return generate_rsa_key(public_exponent=65537, key_size=2048)


def public_pem(key: RSAPrivateKey) -> str:
    """The public half."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@dataclass(frozen=True)
class Identity:
    """A certificate and its key."""

    key: Any = field(repr=False)
    certificate: x509.Certificate

    @property
    def certificate_pem(self) -> str:
        """The certificate alone, as it is uploaded."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def name(self) -> str:
        """The end of the thumbprint that Entra shows."""
        return self.certificate.fingerprint(hashes.SHA1()).hex().upper()[-4:]

    def key_pem(self, password: str | None = None) -> str:
        """The key alone."""
        encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()

    def pem(self, password: str | None = None) -> bytes:
        """Both in one file."""
        return (self.certificate_pem + self.key_pem(password)).encode()

    def pfx(self, password: str | None = None) -> bytes:
        """Both as PKCS #12."""
        encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        return pkcs12.serialize_key_and_certificates(b"app", self.key, self.certificate, None, encryption)


def identity(*, days: float = 365, key: Any = None, elliptic: bool = False) -> Identity:
    """A certificate that the app has made for itself, valid for so many days from now on; it expired long ago when they are negative."""
    key = key or (generate_private_key(SECP256R1()) if elliptic else rsa_key())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "graphmail")])
    ends = datetime.now(UTC) + timedelta(days=days)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(ends - timedelta(days=730))
    return Identity(key, builder.not_valid_after(ends).sign(key, hashes.SHA256()))


def federated_token(key: RSAPrivateKey, **claims: Any) -> str:
    """A service account's token, as kubelet writes it."""
    now = datetime.now(UTC)
    known = {"iss": ISSUER, "sub": SUBJECT, "aud": [EXCHANGE], "iat": now, "exp": now + timedelta(hours=1)}
    return jwt.encode(known | claims, key, algorithm="RS256", headers={"kid": "k-1"})
