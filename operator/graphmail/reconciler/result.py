"""What came of work on one mailbox: what Graph holds now, and what stood in the way."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from graphmail.backoff import Pace
from graphmail.provider import RotatedTokens


class Deed(StrEnum):
    """What was done, or attempted, at Graph: the `action` of metrics, events and logs."""

    CREATE = "create"
    RENEW = "renew"
    RECREATE = "recreate"
    VERIFY = "verify"
    REPLACE = "replace"
    ADOPT = "adopt"
    DELETE = "delete"
    CHECK_DELIVERY = "check-delivery"


class Checked(StrEnum):
    """What came of a check of delivery: the `outcome` of its metric."""

    QUIET = "quiet"
    """No message came of which no notification arrived."""
    UNHEARD = "unheard"
    """One came, and its notification did not, so far."""
    REFUSED = "refused"
    """The credential may not read mail."""
    FAILED = "failed"
    """Graph did not say."""


@dataclass(frozen=True, slots=True)
class Held:
    """A subscription as Graph holds it now."""

    subscription_id: str
    expires_at: datetime
    notification_url: str | None
    granted_at: datetime | None
    """When the running lifetime was granted to us; None for one that was found and not renewed yet."""
    change_types: tuple[str, ...] | None = None
    lifecycle_notification_url: str | None = None
    client_state: str | None = None
    """Fingerprint of the clientState that it was made with; None where it is not known: Graph never tells."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A failure, as the operator understands it. Its text may be published: it holds no secret."""

    reason: str
    message: str
    """What happened, and what a person must do, where one must. The same words whenever the same happens: events merge by them."""
    pace: Pace | None
    """How soon another try is worth it; None: never by itself, a person must act."""
    authorized: bool | None = None
    """False: the credential is at fault; None: it says nothing about the credential."""
    counted: bool = True
    """Counts as a failure of this provider. A throttle, or a Graph that fails for most of the fleet, does not."""
    told: timedelta | None = None
    """What Graph's Retry-After said."""
    ids: str = ""
    """Microsoft's ids of the request, for its support."""
    awaits_credentials: bool = False
    """Nobody has consented yet: no failure, and nothing to do until somebody has."""

    @property
    def in_full(self) -> str:
        """The message with the ids, for conditions, rows and the log."""
        return f"{self.message} ({self.ids})" if self.ids else self.message

    @property
    def terminal(self) -> bool:
        """Only a person can mend it."""
        return self.pace is None and not self.awaits_credentials


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one piece of work."""

    deed: Deed
    held: Held | None
    """What Graph holds for the mailbox now, as far as known; None: nothing."""
    granted: bool = False
    """A lifetime was granted in this work."""
    verdict: Verdict | None = None
    """What stood in the way; None: it worked."""
    observed_credential: str | None = None
    signed_in: bool = False
    """There was a token, and nothing is known against it."""
    tokens: RotatedTokens | None = None
    leftovers: tuple[str, ...] = ()
    """Subscriptions to be deleted at Graph once the new one is on record: create before delete (design, rule 2)."""
    unknown: bool = False
    """A create may have been committed, and its answer is lost: it is looked up before another one (design, rule 3)."""
    settled: bool = False
    """Of no create, in this work or before it, is it unknown any more what came of it."""
    open_elsewhere: bool = False
    """What a lost create has made is left to another resource of the same provider, which is to look for it as well."""
    looked_up: str | None = None
    """The subscription that the row names, and that was asked for at Graph."""
    refused: str = ""
    """Why the subscription that the row names is not adopted."""
    note: str = ""
    """What is worth telling about a success."""
    attempted: bool = True
    """False: the quota allowed no call; there is nothing to record."""
    must_delete_first: bool = False
    """Graph refuses the new one beside the one that it replaces: the intent is written down before that one is deleted."""
    gap: timedelta | None = None
    """How long there was no subscription, since the old one had to go first."""
    checked: Checked | None = None
    """What came of a check of delivery."""
    newest: datetime | None = None
    """When the newest message that it found was received; None: there is none."""
    answers_request: bool = False
    """It was done because a person asked for a renewal, and needs no repetition."""

    @property
    def success(self) -> bool:
        """Nothing stood in the way."""
        return self.verdict is None
