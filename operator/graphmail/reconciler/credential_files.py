"""What a provider's row only names: the app's secret or certificate in a file, or the pod's workload identity.

Files are read afresh each time, so that a replaced one works without a restart; their content is part of the credential's fingerprint,
by which the mirror wakes a mailbox that waits for a person. Kubernetes replaces the files of a mounted Secret by moving a link inside
the directory; a link that leads out of it is refused, and so is a name: a row must not reach what is not for rows.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

from graphmail.provider import (
    SHARED_DIRECTORIES,
    ClientCertificate,
    Credential,
    CredentialKind,
    Provider,
    WorkloadIdentity,
)

WORKLOAD_IDENTITY = "workload-identity"
"""The reference that asks for the pod's own identity, and names no file."""
PASSWORD_SUFFIX = ".password"  # noqa: S105 - the end of a file's name
MAX_FILE = 64 * 1024
"""Bytes. A certificate with its chain and key takes a few thousand."""

_SETTING = "GRAPHMAIL_CREDENTIALS_DIR"


class UnusableReference(Exception):
    """What the row names cannot be used. The text says why and what to do, and may be published."""


class _Missing(UnusableReference):
    """There is no such file."""


class CredentialFiles:
    """Completes the credentials of rows.

    Args:
        directory: where the files are; None when none was set.
        workload: the pod's identity; None when it was given none.
    """

    def __init__(self, directory: str | None = None, workload: WorkloadIdentity | None = None) -> None:
        self._directory = Path(directory) if directory is not None else None
        self._workload = workload

    def complete(self, credential: Credential, reference: str | None) -> Credential:
        """The credential with what its row's reference stands for. A file goes before a secret in the row; where there is no file, what
        the row has serves: its own secret, or a user's tokens, which the product may renew.

        Raises:
            UnusableReference: there is nothing that can be used.
        """
        if reference is None:
            return credential
        if reference == WORKLOAD_IDENTITY:
            return with_workload_identity(credential, self._workload)
        placed = replace(credential, client_secret=None, place=f"file {reference} of {_SETTING}")
        try:
            content = self._read(reference)
        except _Missing:
            if credential.kind is CredentialKind.NONE:
                raise
            return credential if credential.client_secret else placed
        secret = _text(content)
        if secret is not None and "-----BEGIN" not in secret:
            return replace(placed, client_secret=secret)
        return replace(placed, client_certificate=ClientCertificate(content, self._password(reference)))

    def fingerprint(self, own: str, reference: str | None) -> str:
        """The fingerprint of a row's credential together with what its reference stands for now. '' stays '': such a row cannot sign in."""
        if not own or reference is None:
            return own
        if reference == WORKLOAD_IDENTITY:
            state = repr(self._workload).encode()
        elif self._directory is None:
            return own
        else:
            state = self._state(reference)
        return hashlib.sha256(own.encode() + b"\x00" + state).hexdigest()[:12]

    def fingerprint_of(self, provider: Provider) -> str:
        """The same, of a row as the mirror knows it."""
        return self.fingerprint(provider.credential, provider.secret_reference)

    def _state(self, reference: str) -> bytes:
        try:
            content = self._read(reference)
            password = self._password(reference)
        except UnusableReference as error:
            return str(error).encode()
        return content + b"\x00" + (password or "").encode()

    def _password(self, reference: str) -> str | None:
        try:
            password = _text(self._read(reference + PASSWORD_SUFFIX))
        except _Missing:
            return None
        if password is None:
            raise UnusableReference(f"file {reference}{PASSWORD_SUFFIX} of {_SETTING} holds no text")
        return password

    def _read(self, name: str) -> bytes:
        path = self._path(name)
        try:
            with path.open("rb") as file:
                content = file.read(MAX_FILE + 1)
        except FileNotFoundError:
            raise _Missing(
                f"file {name} of {_SETTING}, which the row's client_secret_ref names, does not exist: create it"
            ) from None
        except OSError as error:
            raise UnusableReference(f"file {name} of {_SETTING} cannot be read: {error.strerror}") from error
        if len(content) > MAX_FILE:
            raise UnusableReference(f"file {name} of {_SETTING} is no credential: it is larger than {MAX_FILE:,} bytes")
        if not content.strip():
            raise UnusableReference(f"file {name} of {_SETTING} is empty: write the secret or the certificate into it")
        return content

    def _path(self, name: str) -> Path:
        if self._directory is None:
            raise _Missing(
                f"the row's client_secret_ref names {name!r}, and {_SETTING} is not set: set it to the directory of that file"
            )
        root = self._directory.resolve()
        try:
            path = (root / name).resolve()
        except (OSError, ValueError, RuntimeError):
            path = root
        if path == root or not path.is_relative_to(root):
            raise UnusableReference(
                f"the row's client_secret_ref {name!r} leads out of {_SETTING}: name a file inside it"
            )
        return path


def with_workload_identity(credential: Credential, workload: WorkloadIdentity | None) -> Credential:
    """The credential that signs in with the pod's own identity; app and directory are the pod's where it names none.

    Raises:
        UnusableReference: the pod has none.
    """
    if workload is None:
        raise UnusableReference(
            "workload identity is asked for, and AZURE_FEDERATED_TOKEN_FILE is not set: label the operator's pod "
            "azure.workload.identity/use=true"
        )
    by_itself = credential.kind is not CredentialKind.DELEGATED and credential.directory in SHARED_DIRECTORIES
    return replace(
        credential,
        client_id=credential.client_id or workload.client_id,
        directory=workload.directory if by_itself else credential.directory,
        client_secret=None,
        client_certificate=None,
        federated_token_file=workload.token_file,
        place="the workload identity",
    )


def _text(content: bytes) -> str | None:
    """The content as text without the line end that editors add; None: it is none, as PFX never is."""
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        return None
