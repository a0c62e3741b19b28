"""Entra tenants, their apps and their mailboxes: who exists, and who may do what. State only, no I/O."""

import base64
import hashlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from graphsim.app_keys import AppCertificate, Federation

WELL_KNOWN_FOLDERS = ("inbox", "drafts", "sentitems", "deleteditems", "archive", "junkemail", "outbox")
_KEPT_MESSAGES = 50
_T = TypeVar("_T")


class UnknownObjectError(LookupError):
    """A tenant, app, mailbox or folder that the simulator was never told about."""


@dataclass(slots=True)
class Tenant:
    """One Entra tenant; `ceiling_minutes` overrides the longest life of a subscription in it."""

    id: str
    name: str
    domain: str
    ceiling_minutes: int | None = None


@dataclass(slots=True)
class Secret:
    """One client secret of an app; `expires_at` is a simulated moment, None means never."""

    value: str = field(repr=False)
    expires_at: float | None = None


@dataclass(slots=True)
class App:
    """A registered app: what it may prove itself with, and the application permissions that each tenant granted to it.

    A public app has nothing to prove itself with, and must not try.
    """

    client_id: str
    name: str
    secrets: list[Secret] = field(default_factory=list)
    certificates: list[AppCertificate] = field(default_factory=list)
    federations: list[Federation] = field(default_factory=list)
    public: bool = False
    roles: dict[str, frozenset[str]] = field(default_factory=dict)
    service_principals: dict[str, str] = field(default_factory=dict)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Folder:
    """A mail folder; `name` is the well-known name, or the display name of a folder that a user made."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message that arrived; `received_at` is a simulated moment."""

    id: str
    folder_id: str
    subject: str
    received_at: float


@dataclass(slots=True)
class Mailbox:
    """A user's mailbox. `enabled` False means that it is not in Exchange Online.

    `delivery_delay` is how many simulated seconds a notification takes, at least and at most; None: as the settings say.
    """

    tenant_id: str
    user_id: str
    upn: str
    enabled: bool = True
    custom_folders: dict[str, Folder] = field(default_factory=dict)
    denied_clients: set[str] = field(default_factory=set)
    delivery_delay: tuple[float, float] | None = None
    messages: deque[Message] = field(default_factory=lambda: deque(maxlen=_KEPT_MESSAGES))

    def folder(self, reference: str) -> Folder | None:
        """Find a folder by well-known name (any case), by id, or by the name of a custom folder; None when absent."""
        lowered = reference.lower()
        if lowered in WELL_KNOWN_FOLDERS:
            return Folder(folder_id(self.user_id, lowered), lowered)
        if found := self.custom_folders.get(reference):
            return found
        return next((folder for folder in self.folders() if reference in {folder.id, folder.name}), None)

    def folders(self) -> list[Folder]:
        """Answer every folder, the well-known ones first."""
        known = [Folder(folder_id(self.user_id, name), name) for name in WELL_KNOWN_FOLDERS]
        return [*known, *self.custom_folders.values()]


class Directory:
    """Everything that was seeded, with the look-ups that Graph and sign-in need."""

    def __init__(self) -> None:
        self.tenants: dict[str, Tenant] = {}
        self.apps: dict[str, App] = {}
        self.mailboxes: dict[str, Mailbox] = {}
        self._tenant_by_domain: dict[str, str] = {}
        self._mailbox_by_upn: dict[str, str] = {}

    def put_tenant(self, tenant: Tenant) -> Tenant:
        """Add a tenant, or replace the one with the same id."""
        self.tenants[tenant.id] = tenant
        self._tenant_by_domain[tenant.domain.lower()] = tenant.id
        return tenant

    def put_app(self, app: App) -> App:
        """Add an app, or replace the one with the same client id."""
        self.apps[app.client_id] = app
        return app

    def put_mailbox(self, mailbox: Mailbox) -> Mailbox:
        """Add a mailbox, or replace the one with the same user id."""
        self.tenant(mailbox.tenant_id)
        self.mailboxes[mailbox.user_id] = mailbox
        self._mailbox_by_upn[mailbox.upn.lower()] = mailbox.user_id
        return mailbox

    def find_tenant(self, reference: str) -> Tenant | None:
        """Find a tenant by directory id or by domain; None when there is none."""
        lowered = reference.lower()
        return self.tenants.get(lowered) or self.tenants.get(self._tenant_by_domain.get(lowered, ""))

    def find_mailbox(self, reference: str) -> Mailbox | None:
        """Find a mailbox by user object id or by UPN; None when there is none."""
        lowered = reference.lower()
        return self.mailboxes.get(lowered) or self.mailboxes.get(self._mailbox_by_upn.get(lowered, ""))

    def tenant(self, reference: str) -> Tenant:
        """Find a tenant as `find_tenant` does; raises UnknownObjectError."""
        return _found(self.find_tenant(reference), "tenant", reference)

    def app(self, client_id: str) -> App:
        """Find an app by client id; raises UnknownObjectError."""
        return _found(self.apps.get(client_id), "app", client_id)

    def mailbox(self, reference: str) -> Mailbox:
        """Find a mailbox as `find_mailbox` does; raises UnknownObjectError."""
        return _found(self.find_mailbox(reference), "mailbox", reference)

    def folder(self, mailbox: Mailbox, reference: str) -> Folder:
        """Find a folder of a mailbox; raises UnknownObjectError."""
        return _found(mailbox.folder(reference), "folder", reference)


def folder_id(user_id: str, name: str) -> str:
    """Derive the id of a folder; one mailbox and one name always have the same."""
    digest = hashlib.sha256(f"{user_id}/{name}".encode()).digest()
    return "AAMk" + base64.urlsafe_b64encode(digest[:30]).decode()


def custom_folders(user_id: str, names: Iterable[str]) -> dict[str, Folder]:
    """Build the folders that a user made, by id."""
    made = (Folder(folder_id(user_id, name), name) for name in names)
    return {folder.id: folder for folder in made}


def _found(value: _T | None, kind: str, reference: str) -> _T:
    if value is None:
        raise UnknownObjectError(f"no {kind} {reference!r}: seed it first")
    return value
