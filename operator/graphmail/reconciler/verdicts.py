"""From what Microsoft said to what it means for a mailbox: how soon again, who must act, and what the condition says."""

from dataclasses import replace
from datetime import timedelta

from graphmail.backoff import Pace
from graphmail.decision import Reason
from graphmail.graph import Meaning, MicrosoftError
from graphmail.reconciler.result import Verdict
from graphmail.resource.answers import THROTTLED

REASONS: dict[Meaning, str] = {
    Meaning.GONE: "SubscriptionLost",
    Meaning.TARGET_MISSING: "FolderNotFound",
    Meaning.MAILBOX_TERMINAL: "MailboxNotEnabled",
    Meaning.ENDPOINT: "NotificationEndpointFailed",
    Meaning.PERMISSION: "PermissionMissing",
    Meaning.UNAUTHORIZED: "TokenRefused",
    Meaning.THROTTLED: THROTTLED,
    Meaning.QUOTA_FULL: "SubscriptionQuotaFull",
    Meaning.TRANSIENT: "GraphUnavailable",
    Meaning.CEILING: "LifetimeRefused",
    Meaning.ALREADY_EXISTS: "DuplicateRefused",
    Meaning.INVALID: "SubscriptionInvalid",
    Meaning.OUTCOME_UNKNOWN: "OutcomeUnknown",
    Meaning.INTERACTION_REQUIRED: "ReauthorizationRequired",
    Meaning.CREDENTIAL_INVALID: "CredentialInvalid",
    Meaning.APP_DISABLED: "AppDisabled",
    Meaning.UNKNOWN: "UnexpectedAnswer",
}
"""The reason of the condition for each meaning."""

_CREDENTIAL_AT_FAULT = frozenset(
    {
        Meaning.INTERACTION_REQUIRED,
        Meaning.CREDENTIAL_INVALID,
        Meaning.APP_DISABLED,
        Meaning.PERMISSION,
        Meaning.UNAUTHORIZED,
    }
)
_UNKNOWN_IS_SLOW_AFTER = 5
"""An answer that no table knows is taken as transient this often, and then tried slowly."""


def verdict_of(error: MicrosoftError, failures: int) -> Verdict:
    """What the error means.

    Args:
        error: what Microsoft answered, or that it did not.
        failures: failed attempts in a row before this one.
    """
    meaning = error.meaning
    message = f"{error.told}. {error.remedy}" if error.remedy else error.told
    return Verdict(
        reason=REASONS[meaning],
        message=message,
        ids=error.ids,
        pace=_pace(meaning, failures),
        authorized=False if meaning in _CREDENTIAL_AT_FAULT else None,
        counted=meaning is not Meaning.THROTTLED,
        told=timedelta(seconds=error.retry_after) if error.retry_after is not None else None,
    )


def _pace(meaning: Meaning, failures: int) -> Pace | None:
    if meaning.terminal:
        return None
    if meaning.slow or (meaning is Meaning.UNKNOWN and failures >= _UNKNOWN_IS_SLOW_AFTER):
        return Pace.SLOW
    return Pace.QUICK


def awaiting_credentials(message: str) -> Verdict:
    """Nobody has consented yet: no failure."""
    return Verdict(Reason.AWAITING_CREDENTIALS.value, message, pace=None, counted=False, awaits_credentials=True)


def not_its_own(message: str) -> Verdict:
    """A row's credential is refused to a resource that is not what the mirror would write. That may end without a change of either: by a
    row that has its old mailbox back, or an operator that has its old URL back. So it is looked at again, seldom."""
    return replace(awaiting_credentials(message), pace=Pace.SLOW)


def waiting(reason: str, message: str, *, told: timedelta | None = None) -> Verdict:
    """Something of ours stands in the way for a while; no failure of the provider."""
    return Verdict(reason, message, pace=Pace.QUICK, counted=False, told=told)
