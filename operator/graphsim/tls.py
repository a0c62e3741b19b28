"""The simulator's own certificate authority, kept in its state directory so that clients go on trusting it."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

import trustme

CA_FILE = "ca.pem"
KEY_FILE = "ca-key.pem"
SERVER_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A leaf certificate with its chain and its private key, both as PEM text."""

    certificate: str
    private_key: str = field(repr=False)


class Authority:
    """A certificate authority with its certificate at `path`; read back when the directory has one, made otherwise."""

    def __init__(self, state_dir: Path) -> None:
        state_dir.mkdir(parents=True, exist_ok=True)
        self.path = state_dir / CA_FILE
        key_path = state_dir / KEY_FILE
        if self.path.exists() and key_path.exists():
            self._ca = trustme.CA.from_pem(self.path.read_bytes(), key_path.read_bytes())
        else:
            self._ca = trustme.CA(organization_name="graphsim", organization_unit_name="simulated Graph")
            _write_private(key_path, self._ca.private_key_pem.bytes())
            self.path.write_bytes(self._ca.cert_pem.bytes())

    def certificate(self) -> str:
        """Answer the authority's certificate as PEM text."""
        return self._ca.cert_pem.bytes().decode()

    def issue(self, *names: str) -> IssuedCertificate:
        """Issue a certificate for host names or addresses; raises ValueError for a name that is neither."""
        leaf = self._ca.issue_cert(*names)
        chain = "".join(blob.bytes().decode() for blob in leaf.cert_chain_pems)
        return IssuedCertificate(chain, leaf.private_key_pem.bytes().decode())

    def server_context(self, *names: str) -> ssl.SSLContext:
        """Build the context of a server that answers to the names."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._ca.issue_cert(*names).configure_cert(context)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Build the context of a client that trusts this authority beside the system's."""
        context = ssl.create_default_context()
        self._ca.configure_trust(context)
        return context


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
