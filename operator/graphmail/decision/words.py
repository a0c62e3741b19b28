"""The words of a decision: what can be done, why, and what is known when it is decided."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from graphmail.decision.rhythm import Rhythm


class Mode(StrEnum):
    """Whether the operator does what it decides."""

    ACT = "act"
    OBSERVE = "observe"
    """It only says what it would do (docs/rollout.md)."""


class Action(StrEnum):
    """What can be done for a mailbox."""

    NOTHING = "nothing"
    REPORT = "report"
    """Write the status; call nobody."""
    RECORD = "record"
    """Write to Postgres what it missed; call nobody else."""
    CHECK_CREDENTIAL = "check-credential"
    """Read the Secret, to see whether it has changed."""
    CREATE = "create"
    RENEW = "renew"
    """PATCH; when Graph has lost the subscription, create it anew."""
    VERIFY = "verify"
    """GET, to notice a loss."""
    CHECK_DELIVERY = "check-delivery"
    """Ask for the newest message of the folder, to see whether one came of which no notification arrived."""
    ADOPT = "adopt"
    REPLACE = "replace"
    """A new subscription in place of one that cannot be changed to what is wanted: created before the old one is deleted."""
    DELETE = "delete"
    """Delete the subscription at Graph."""
    RELEASE = "release"
    """Let go of the resource without a call to Graph."""


CALLS_GRAPH = frozenset(
    {
        Action.CREATE,
        Action.RENEW,
        Action.VERIFY,
        Action.CHECK_DELIVERY,
        Action.ADOPT,
        Action.REPLACE,
        Action.DELETE,
    }
)
NEEDS_STORES = frozenset({Action.CREATE, Action.ADOPT, Action.REPLACE, Action.DELETE})
"""What must not happen while Postgres or the API server is away (design, rule 5): it could not be written down."""


class Reason(StrEnum):
    """Why. These words also stand in conditions, events, logs and metrics."""

    UP_TO_DATE = "UpToDate"
    DELETED = "Deleted"
    RETAINED = "Retained"
    SUSPENDED = "Suspended"
    RESUMED = "Resumed"
    STALLED = "Stalled"
    AWAITING_CREDENTIALS = "AwaitingCredentials"
    CREDENTIAL_CHANGED = "CredentialChanged"
    SPEC_CHANGED = "SpecChanged"
    RENEWAL_REQUESTED = "RenewalRequested"
    ADOPTION_REQUESTED = "AdoptionRequested"
    BACKING_OFF = "BackingOff"
    STORE_AWAY = "StoreAway"
    NOT_SUBSCRIBED = "NotSubscribed"
    EXPIRY_UNKNOWN = "ExpiryUnknown"
    EXPIRED = "Expired"
    WITHIN_LOOK_AHEAD = "WithinLookAhead"
    RENEWAL_INTERVAL = "RenewalInterval"
    NOTIFICATION_URL_CHANGED = "NotificationURLChanged"
    SUBSCRIPTION_OUTDATED = "SubscriptionOutdated"
    FOLDER_REMOVED = "FolderRemoved"
    SUBSCRIPTION_REMOVED = "SubscriptionRemoved"
    RENEWAL_ASKED_BY_GRAPH = "RenewalAskedByGraph"
    NOTIFICATIONS_MISSED = "NotificationsMissed"
    OUTCOME_UNKNOWN = "OutcomeUnknown"
    NOT_SYNCED = "NotSynced"
    SILENT_SUBSCRIPTION = "SilentSubscription"
    STILL_SILENT = "StillSilent"
    NOTHING_ARRIVES = "NothingArrives"
    VERIFICATION_DUE = "VerificationDue"
    SILENCE_SUSPECTED = "SilenceSuspected"
    ATTEMPT_FAILED = "AttemptFailed"
    STATUS_OUTDATED = "StatusOutdated"
    OBSERVING = "Observing"
    NOT_SERVED = "NotServed"


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's own rules, from its settings."""

    tick: timedelta = timedelta(minutes=15)
    """How often each resource is looked at; a renewal is planned one tick early, so that no tick comes too late."""
    look_ahead: timedelta = timedelta(hours=24)
    """Renew this long before expiry, where the resource does not say."""
    lifetime: timedelta = timedelta(minutes=10_000)
    """The lifetime asked for at Graph, where the resource does not say."""
    verification_interval: timedelta | None = timedelta(hours=1)
    """How often Graph is asked whether the subscription lives; None: never."""
    renewal_interval: timedelta | None = None
    """Renew when the last renewal is older than this, whatever the expiry; None: off."""
    delivery_allowance: timedelta | None = timedelta(minutes=15)
    """How late Graph may deliver, before a message without a notification proves that it does not; None: silence is not looked into."""
    several_folders: bool = False
    """Every folder is subscribed, not only the first: the consumer knows the ids of all of them (design, rule 12)."""
    mode: Mode = Mode.ACT
    tenants: frozenset[str] | None = None
    """The product's tenants whose rows are served; None: all."""
    tenant_look_aheads: Mapping[str, timedelta] = field(default_factory=dict, hash=False)
    """In place of `look_ahead`, by tenant."""

    def serves(self, tenant: str) -> bool:
        """Whether the rows of that tenant are served."""
        return self.tenants is None or tenant in self.tenants

    def look_ahead_of(self, tenant: str) -> timedelta:
        """The lookahead of that tenant's resources, where they do not say."""
        return self.tenant_look_aheads.get(tenant, self.look_ahead)


def minute_of(moment: datetime) -> int:
    """Minutes since 1970: by these it is remembered when something arrived in any mailbox."""
    return int(moment.timestamp() // 60)


class Heard(NamedTuple):
    """What tells of the notifications that arrive in a mailbox."""

    until: datetime
    """Up to this moment, every notification that arrived is known."""
    rhythm: Rhythm | None = None
    """None: nothing was learned yet."""
    delay: timedelta = timedelta()
    """How much later than it arrived a notification may be told of."""
    taken: Container[int] = ()
    """Minutes (`minute_of`) in which a notification arrived in any mailbox: of the last hours, as far as known."""
    way_down: bool = False
    """Nothing arrives in many mailboxes at once: it is not their subscriptions that are at fault."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the process knows beside the resource."""

    verified_at: datetime | None = None
    """When Graph last confirmed the subscription to this process; None: not since the start."""
    seen_at: datetime | None = None
    """When this process first saw the resource: the spread of the first verification starts here."""
    stores_away: bool = False
    """Postgres or the API server cannot be reached."""
    unwritten: bool = False
    """The status in memory is newer than the one that the API server holds."""
    unsynced: bool = False
    """An outcome waits to be written to Postgres."""
    unsyncable: bool = False
    """Postgres has refused something for this mailbox a short time ago: it is not told again yet."""
    notified_at: datetime | None = None
    """When a notification last arrived, as far as known; told in the status at most hourly."""
    heard: Heard | None = None
    """What tells of notifications; None: nothing does, and silence proves nothing."""
    row_subscription_id: str | None = None
    """The subscription that the provider's row names, as the mirror last read it; only where the operator observes."""
    row_expires_at: datetime | None = None
    found_credential: str | None = None
    """Fingerprint of what the Secret held when it was looked at, empty while there is none; None: not since the last attempt."""
    notification_url: str | None = None
    """The URL that Graph should deliver to, with our marker."""


class Decision(NamedTuple):
    """What to do, why, and when to look again at the latest."""

    action: Action
    reason: Reason
    message: str
    again_at: datetime
    would: Action | None = None
    """What would be done at Graph, where the operator only observes; None: nothing, or it acts."""
