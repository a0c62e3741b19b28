"""What an app is registered with beside secrets: certificates, and identities of other systems that it trusts."""

import base64
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

EXCHANGE_AUDIENCE = "api://AzureADTokenExchange"
"""The audience that a federated token is made for."""


@dataclass(frozen=True, slots=True)
class AppCertificate:
    """A certificate that an app may sign with. Its validity is judged by the simulated clock."""

    thumbprint: str
    """SHA-1, as Entra shows it."""
    identifiers: frozenset[str]
    """What a client may name it by: `x5t` and `x5t#S256` (RFC 7515), without padding."""
    key: RSAPublicKey = field(repr=False)
    starts_at: float
    ends_at: float

    @classmethod
    def from_pem(cls, pem: str) -> "AppCertificate":
        """Read a certificate; raises ValueError for anything else, and for keys other than RSA."""
        certificate = x509.load_pem_x509_certificate(pem.encode())
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey):
            raise ValueError("a certificate of an app must have an RSA key")  # noqa: TRY004 - a refusal of input
        sha1 = certificate.fingerprint(hashes.SHA1())  # noqa: S303 - a name that clients send, no protection
        return cls(
            thumbprint=sha1.hex().upper(),
            identifiers=frozenset({_encoded(sha1), _encoded(certificate.fingerprint(hashes.SHA256()))}),
            key=key,
            starts_at=certificate.not_valid_before_utc.timestamp(),
            ends_at=certificate.not_valid_after_utc.timestamp(),
        )


@dataclass(frozen=True, slots=True)
class Federation:
    """A federated identity credential: whose tokens an app takes in place of its own proof."""

    issuer: str
    subject: str
    audience: str
    key: RSAPublicKey = field(repr=False)

    @classmethod
    def from_pem(cls, pem: str, *, issuer: str, subject: str, audience: str = EXCHANGE_AUDIENCE) -> "Federation":
        """Read the issuer's public key; raises ValueError for anything that is no RSA key."""
        key = serialization.load_pem_public_key(pem.encode())
        if not isinstance(key, RSAPublicKey):
            raise ValueError("the key of an issuer must be an RSA key")  # noqa: TRY004 - a refusal of input
        return cls(issuer, subject, audience, key)


def _encoded(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
