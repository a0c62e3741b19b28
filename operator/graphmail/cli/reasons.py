"""The words that `graphmail status` has before the colon of WHY, as somebody types one."""

import difflib

import typer

from graphmail.cli.situation import DELETING, OVERDUE_UNNOTICED, PENDING
from graphmail.decision import Reason

OF_CONDITIONS = (
    "Subscribed",
    "SignedIn",
    "Recorded",
    "PostgresUnavailable",
    "NotificationArrived",
    "NoNotificationYet",
    "CannotCheck",
    "StoreAway",
    "SubscriptionLost",
    "FolderNotFound",
    "MailboxNotEnabled",
    "NotificationEndpointFailed",
    "PermissionMissing",
    "TokenRefused",
    "Throttled",
    "SubscriptionQuotaFull",
    "GraphUnavailable",
    "LifetimeRefused",
    "DuplicateRefused",
    "SubscriptionInvalid",
    "OutcomeUnknown",
    "ReauthorizationRequired",
    "CredentialInvalid",
    "ClientStateTooLong",
    "AppDisabled",
    "UnexpectedAnswer",
)
"""The further reasons of conditions (docs/observability.md). The reconciler, whose they are, takes a second to import."""
_SHOWN = 3
_WORDS = {
    word.casefold(): word
    for word in (*(reason.value for reason in Reason), *OF_CONDITIONS, PENDING, OVERDUE_UNNOTICED, DELETING)
}


def read_reason(text: str) -> str:
    """The word that is meant, whatever its case.

    Raises:
        typer.BadParameter: there is none of that name.
    """
    word = _WORDS.get(text.casefold())
    if word is not None:
        return word
    near = [_WORDS[each] for each in difflib.get_close_matches(text.casefold(), _WORDS, n=_SHOWN)]
    meant = f"is {' or '.join(near)} meant?" if near else "docs/observability.md lists them"
    raise typer.BadParameter(f"{text!r} is no reason: {meant}", param_hint="'--reason'")
