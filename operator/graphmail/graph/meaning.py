"""What an answer of Graph or of Microsoft sign-in means for a mailbox. Which answer means what stands in the tables."""

from enum import StrEnum


class Meaning(StrEnum):
    """What is the matter, in the words that decide what happens next."""

    GONE = "gone"
    """The subscription expired or was deleted: create a new one, never retry."""
    TARGET_MISSING = "target-missing"
    """Graph knows no such mailbox or folder: a create is refused until the spec or the mailbox changes."""
    MAILBOX_TERMINAL = "mailbox-terminal"
    """The mailbox is not in Exchange Online: no further calls."""
    ENDPOINT = "endpoint"
    """Our notification URL did not pass Graph's validation: retry slowly, name the URL."""
    PERMISSION = "permission"
    """A permission or an access policy is missing; policies take up to a day to spread: retry slowly, tell a person."""
    UNAUTHORIZED = "unauthorized"
    """Graph refuses this access token: fetch a fresh one and try once more."""
    THROTTLED = "throttled"
    """Too fast: wait as told, or exponentially."""
    QUOTA_FULL = "quota-full"
    """The mailbox holds as many subscriptions as it may: terminal until a spare is removed."""
    TRANSIENT = "transient"
    """It heals by itself: retry with backoff."""
    CEILING = "ceiling"
    """The lifetime asked for is too long; the error says how long it may be: try once more with that."""
    ALREADY_EXISTS = "already-exists"
    """Graph refuses a twin and names the subscription that stands in the way."""
    INVALID = "invalid"
    """This subscription cannot be renewed: replace it."""
    OUTCOME_UNKNOWN = "outcome-unknown"
    """A create may have been committed, and its answer is lost: look it up before another one is made."""
    INTERACTION_REQUIRED = "interaction-required"
    """A person must sign in again: no further calls until the credential changes."""
    CREDENTIAL_INVALID = "credential-invalid"
    """The app's secret, certificate or directory is wrong or has expired: no further calls until it changes."""
    APP_DISABLED = "app-disabled"
    """The app is gone, disabled or not allowed in this directory: no further calls until a person mends it."""
    UNKNOWN = "unknown"
    """No row of the table: transient with a cap, then slow, and always reported."""

    @property
    def terminal(self) -> bool:
        """Only a person can mend it: calls stop until credential or spec change, or until forced."""
        return self in {
            Meaning.MAILBOX_TERMINAL,
            Meaning.QUOTA_FULL,
            Meaning.INTERACTION_REQUIRED,
            Meaning.CREDENTIAL_INVALID,
            Meaning.APP_DISABLED,
        }

    @property
    def slow(self) -> bool:
        """It heals by itself only after somebody acted, or hours later: retry seldom, and tell a person."""
        return self in {Meaning.ENDPOINT, Meaning.PERMISSION, Meaning.TARGET_MISSING}
