"""Who spends Graph's quota, how urgently, and how much there is."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Self


class CallKind(StrEnum):
    """Kinds of calls that Graph counts apart (Microsoft Graph, service limits of change notifications)."""

    WRITE = "write"
    """POST, PATCH, DELETE."""
    REAUTHORIZE = "reauthorize"
    READ = "read"
    """GET of one subscription."""
    LIST = "list"
    MAIL = "mail"
    """GET of messages, which Outlook counts by the mailbox."""


class Priority(IntEnum):
    """Who goes first; within one priority, the earliest expiry."""

    FORCED = 0
    """A person waits for it."""
    NORMAL = 1
    BULK = 2
    """Renewals of whole tenants or of the fleet, asked for by a person who does not wait."""


@dataclass(frozen=True, slots=True)
class Spender:
    """On whose behalf a call is made, and how urgent it is."""

    app: str
    """The app's client id."""
    directory: str
    """The Entra tenant that Graph counts for: the `tid` of the access token, since a row may say `common`."""
    mailbox: str
    priority: Priority = Priority.NORMAL
    expires_at: datetime | None = None
    """When the subscription expires. None: the mailbox is not covered, which is as urgent as it gets."""

    @property
    def order(self) -> tuple[int, float]:
        """Sorts by urgency."""
        return (self.priority, self.expires_at.timestamp() if self.expires_at else 0.0)


@dataclass(frozen=True, slots=True)
class KindLimit:
    """Calls in a window: for an app over all tenants, and for an app in one tenant."""

    app: int
    tenant: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What Graph allows (documented values), and how far we stay away from it."""

    write: KindLimit = field(default=KindLimit(app=2000, tenant=500))
    reauthorize: KindLimit = field(default=KindLimit(app=4000, tenant=1000))
    read: KindLimit = field(default=KindLimit(app=2000, tenant=500))
    list: KindLimit = field(default=KindLimit(app=40, tenant=25))
    mail: KindLimit = field(default=KindLimit(app=1000, tenant=200))
    """Ours: Outlook's is 10,000 in 10 minutes for one mailbox, and a fleet that fell silent at once is not to be asked in one burst."""
    window: float = 20.0
    """Seconds."""
    guard: float = 0.05
    """Seconds added to the window: clocks of two machines do not run at one speed."""
    mailbox_at_once: int = 4
    """Calls in flight for an app and mailbox (Outlook's limit)."""
    in_flight: int = 64
    """Turns out at one time, an app and kind. More would only queue behind the connections, where urgency no longer counts."""
    hold: float = 5.0
    """Seconds that a tenant is on hold when Graph says "too many" without saying for how long."""

    def of(self, kind: CallKind) -> KindLimit:
        """The limits for a kind of call."""
        limits = {
            CallKind.WRITE: self.write,
            CallKind.REAUTHORIZE: self.reauthorize,
            CallKind.READ: self.read,
            CallKind.LIST: self.list,
            CallKind.MAIL: self.mail,
        }
        return limits[kind]

    def share(self, part: float) -> Self:
        """The part of the limits that one of several replicas may spend: 0.25 for each of four."""

        def scaled(limit: KindLimit) -> KindLimit:
            return KindLimit(app=max(1, int(limit.app * part)), tenant=max(1, int(limit.tenant * part)))

        return replace(
            self,
            write=scaled(self.write),
            reauthorize=scaled(self.reauthorize),
            read=scaled(self.read),
            list=scaled(self.list),
            mail=scaled(self.mail),
        )
