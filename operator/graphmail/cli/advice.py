"""The next step for a mailbox, in one line: what a person does, or that nobody has to do anything.

The messages of the conditions explain; this says whose turn it is. The words for each reason are those of docs/observability.md.
"""

from datetime import datetime

from graphmail.cli.situation import OVERDUE_UNNOTICED, PENDING, SILENT, Ready, Situation
from graphmail.cli.spans import when
from graphmail.cli.typed import advised
from graphmail.decision import Reason
from graphmail.resource.answers import SUBSCRIBED
from graphmail.resource.names import ANNOTATION_PAUSED

NOBODY = "nothing"
"""It heals by itself."""
_OBSERVES = f"{NOBODY}: the operator only observes"
_PERSON = {
    "ReauthorizationRequired": "sign in again in the product, as the mailbox's user",
    "AwaitingCredentials": "sign in in the product, or put in place what the message names",
    "CredentialInvalid": "correct the app's secret, certificate or directory in the product",
    "ClientStateTooLong": "shorten the clientState to 128 characters",
    "AppDisabled": "have an administrator of the directory enable the app again",
    "MailboxNotEnabled": "give the mailbox a licence in Exchange Online, or remove the provider",
    "FolderNotFound": "correct the provider's folder, or the mailbox's address",
    "NotificationEndpointFailed": "let the notification URL answer Graph with 200, over public https",
    "PermissionMissing": "have an administrator grant Mail.Read, and admit the mailbox in the access policies",
    "SubscriptionQuotaFull": "delete spare subscriptions of the mailbox, then `{renew}`",
}
"""Reasons that only a person can mend."""
UNNOTICED = frozenset({OVERDUE_UNNOTICED, PENDING, Reason.EXPIRED.value})
"""Reasons that say that nobody looks at the mailbox any more."""


def next_step(one: Situation, now: datetime) -> str:
    """What to do for that mailbox; empty when all is well."""
    if one.ready is Ready.SUSPENDED:
        return _resume(one)
    if one.reason in {"", SUBSCRIBED}:
        return ""
    if one.reason in UNNOTICED:
        return _noticing(one, now)
    return for_a_person(one.reason, one.resource.metadata.name) or _nothing(one, now)


def _nothing(one: Situation, now: datetime) -> str:
    """Why nobody has to do anything."""
    name, status = one.resource.metadata.name, one.resource.status
    if one.reason == Reason.OBSERVING.value:
        return _OBSERVES
    if status.next_attempt_time is not None and status.next_attempt_time > now:
        return f"{NOBODY}: tried again {when(status.next_attempt_time, now)}"
    return f"{NOBODY}, unless it stays: `{advised(f'describe {name}')}`"


def for_a_person(reason: str, name: str) -> str:
    """What only a person can do about that reason; empty where nobody has to do anything, or nobody knows."""
    return _PERSON.get(reason, "").format(renew=advised(f"renew {name}"))


def _noticing(one: Situation, now: datetime) -> str:
    made = one.resource.metadata.creation_timestamp
    young = one.reason == PENDING and made is not None and now - made <= SILENT
    if young:
        return f"{NOBODY}: the operator is about to look at it"
    return f"see whether the operator runs and does its work: `{advised('check')}`, and the operator's log"


def _resume(one: Situation) -> str:
    if ANNOTATION_PAUSED in one.resource.metadata.annotations:
        return "resume it in the product: the provider's row rules"
    return f"`{advised(f'resume {one.resource.metadata.name}')}`"
