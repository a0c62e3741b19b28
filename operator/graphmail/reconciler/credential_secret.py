"""A Secret of Kubernetes as a credential: which keys it may have, and what they mean."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphmail.provider import ClientCertificate, Credential, CredentialKind, WorkloadIdentity
from graphmail.reconciler.credential_files import UnusableReference, with_workload_identity
from graphmail.resource import GraphMailSubscription

PEM = "client-certificate"
PFX = "client-certificate.pfx"
_YES = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Contents:
    """What a Secret holds, by key."""

    values: Mapping[str, bytes]

    @classmethod
    def of(cls, secret: Mapping[str, Any]) -> "Contents":
        """Read a Secret as the API server shows it; what is empty, or no base64, counts as missing."""
        values = {}
        for key, encoded in (secret.get("data") or {}).items():
            try:
                value = base64.b64decode(encoded)
            except (binascii.Error, ValueError, TypeError):
                continue
            if value.strip():
                values[key] = value
        return cls(values)

    def text(self, key: str) -> str | None:
        """A value as text, without the line end that editors add; None where there is none."""
        try:
            return self.values[key].decode().strip()
        except (KeyError, UnicodeDecodeError):
            return None

    def fingerprint(self, workload: WorkloadIdentity | None) -> str:
        """Tells that anything in the Secret has changed, or the pod's identity where it counts; never what is in it."""
        parts = [key.encode() + b"\x00" + self.values[key] for key in sorted(self.values)]
        if self.text("workload-identity"):
            parts.append(repr(workload).encode())
        return hashlib.sha256(b"\x00".join(parts)).hexdigest()[:12]


def credential_of(
    resource: GraphMailSubscription, name: str, contents: Contents, workload: WorkloadIdentity | None
) -> Credential:
    """What the Secret of that name signs in with.

    Raises:
        UnusableReference: it is incomplete, or contradicts itself.
    """
    refresh_token = contents.text("refresh-token")
    credential = Credential(
        owner=resource.key,
        directory=contents.text("directory-id") or "common",
        client_id=contents.text("client-id") or "",
        fingerprint=contents.fingerprint(workload),
        client_secret=contents.text("client-secret"),
        client_certificate=_certificate(name, contents),
        refresh_token=refresh_token,
        user=resource.spec.mailbox,
        place=f"Secret {name}",
        consent_place=f"Secret {name}, key refresh-token",
    )
    if _asks_for_workload_identity(name, contents):
        credential = with_workload_identity(credential, workload)
    if not credential.client_id or credential.kind is CredentialKind.NONE:
        raise UnusableReference(
            f"Secret {name} is incomplete: it needs client-id, and either refresh-token, or directory-id (the Entra tenant's id, not "
            f"common) and one of client-secret, {PEM} (PEM with its key), {PFX}, workload-identity"
        )
    return credential


def _certificate(name: str, contents: Contents) -> ClientCertificate | None:
    if PEM in contents.values and PFX in contents.values:
        raise UnusableReference(f"Secret {name} has {PEM} and {PFX}: remove the one that is not meant")
    content = contents.values.get(PEM) or contents.values.get(PFX)
    if content is None:
        return None
    return ClientCertificate(content, contents.text("client-certificate-password"))


def _asks_for_workload_identity(name: str, contents: Contents) -> bool:
    asked = contents.text("workload-identity") or "false"
    if asked.lower() not in _YES:
        raise UnusableReference(f"Secret {name} has a workload-identity of {asked[:20]!r}: allowed is true or false")
    return _YES[asked.lower()]
