"""The files with which a control plane and its users know each other: certificates, an administrator's token, a kubeconfig."""

from __future__ import annotations

import base64
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import trustme
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass(frozen=True)
class Credentials:
    """What one control plane needs, as files of one folder."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The certificate that the API server's own is signed with."""
        return self.folder / "ca.crt"

    @property
    def certificate(self) -> Path:
        """The API server's certificate and the chain up to its authority."""
        return self.folder / "server.crt"

    @property
    def certificate_key(self) -> Path:
        """Its key."""
        return self.folder / "server.key"

    @property
    def service_accounts_key(self) -> Path:
        """The key that signs the tokens of service accounts, and that they are checked with."""
        return self.folder / "service-accounts.key"

    @property
    def tokens(self) -> Path:
        """The table of tokens for ``--token-auth-file``: token, user, user's id, group."""
        return self.folder / "tokens.csv"

    def admin_token(self) -> str:
        """The administrator's bearer token. Raises OSError before ``ensure``."""
        return self.tokens.read_text().partition(",")[0]

    def ensure(self) -> None:
        """Make the files, unless they are there already."""
        if self.tokens.exists():
            return
        self.folder.mkdir(mode=0o700, exist_ok=True)
        authority = trustme.CA(organization_name="graphmail local control plane")
        authority.cert_pem.write_to_path(self.authority)
        server = authority.issue_cert("127.0.0.1", "localhost", "kubernetes.default.svc")
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
        write_secret(self.certificate_key, server.private_key_pem.bytes())
        write_secret(self.service_accounts_key, _rsa_key())
        # Last, since its presence says that all of them are there.
        write_secret(self.tokens, f"{secrets.token_hex(16)},admin,1,system:masters\n".encode())

    def write_kubeconfig(self, path: Path, *, server: str, token: str, namespace: str | None = None) -> None:
        """Write a kubeconfig that holds all it needs, readable by its owner alone."""
        name = "graphmail-local"
        context = {"cluster": name, "user": name} | ({} if namespace is None else {"namespace": namespace})
        authority = base64.b64encode(self.authority.read_bytes()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "contexts": [{"name": name, "context": context}],
            "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": authority}}],
            "users": [{"name": name, "user": {"token": token}}],
        }
        write_secret(path, yaml.safe_dump(config, sort_keys=False).encode())


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that its owner alone can read, whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    temporary.replace(path)


def _rsa_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
