"""Whether notifications arrive: when the last one came, and what the condition Delivering says."""

from datetime import datetime

from graphmail.cli.advice import for_a_person
from graphmail.cli.check.findings import Finding, Findings, failed, ok, skipped, warning
from graphmail.cli.describe import both
from graphmail.cli.probe.subject import Subject
from graphmail.cli.probe.subscriptions import READY
from graphmail.cli.situation import Ready, situation
from graphmail.cli.typed import advised
from graphmail.database import DatabaseError
from graphmail.decision import Reason
from graphmail.fleet import Entry, key_of
from graphmail.resource.conditions import ConditionType

NOTIFICATION, DELIVERING = "notification", "delivering"
NOT_YET = "NoNotificationYet"
MAIL = "send the mailbox a message, and probe again a few minutes later"
_REMEDIES = {
    Reason.SILENT_SUBSCRIPTION.value: "wait: the subscription is replaced, and the next notification ends it; "
    "let the product fetch what was missed",
    Reason.STILL_SILENT.value: "where all else here is well, the product takes notifications and drops them: see its own log, "
    "and whether it expects this clientState",
    Reason.NOTHING_ARRIVES.value: "where all else here is well, see the product's own log: many mailboxes hear nothing",
    Reason.NOTIFICATIONS_MISSED.value: "let the product fetch what was missed; the next notification ends it",
    "CannotCheck": "have an administrator grant Mail.Read or Mail.ReadBasic, so that silence can be checked",
}
"""By the reason of the condition (docs/silence.md)."""


async def check_delivery(subject: Subject) -> Findings:
    """When a notification last came, and whether some should have."""
    try:
        row = await _row(subject)
    except DatabaseError as error:
        yield skipped(NOTIFICATION, f"the provider's row cannot be read: {error}", subject.elsewhere)
        row = None
    yield _last(subject, row)
    yield delivering(subject)


async def _row(subject: Subject) -> datetime | None:
    """What the provider's row tells, which is newer than the status: that is brought up to date at most hourly."""
    if subject.database is None:
        return None
    key = key_of(subject.resource)
    found = (await subject.database.providers()).providers
    return next((provider.last_notification_at for provider in found if provider.key == key), None)


def _last(subject: Subject, row: datetime | None) -> Finding:
    entry = Entry(subject.resource, subject.now, notified_at=row)
    known = {
        "the status": subject.resource.status.last_notification_time,
        "the provider's row": row if entry.has_row else None,
        "the annotation": entry.annotated_at,
    }
    told = {place: moment for place, moment in known.items() if moment is not None}
    if not told:
        return warning(NOTIFICATION, "no notification is known to have come yet", _try_it(subject))
    place, moment = max(told.items(), key=lambda one: one[1])
    return ok(NOTIFICATION, f"the last one came {both(moment, subject.now)}, as {place} has it")


def _try_it(subject: Subject) -> str:
    """A message shows something only where nothing else is known to stand in its way."""
    one = situation(subject.resource, subject.now)
    if one.ready is Ready.NO or for_a_person(one.reason, subject.name):
        return f"first do what {READY} asks for: until then a message shows nothing"
    return MAIL


def delivering(subject: Subject) -> Finding:
    """What the operator says."""
    found = subject.resource.status.condition(ConditionType.DELIVERING)
    if found is None:
        return skipped(DELIVERING, "the operator has not looked at it yet")
    told = f"{found.reason}: {found.message}"
    if found.status == "True":
        return ok(DELIVERING, told)
    if found.reason == NOT_YET:
        return warning(DELIVERING, told, _try_it(subject))
    remedy = _REMEDIES.get(found.reason, f"`{advised(f'describe {subject.name}')}`")
    return (failed if found.status == "False" else warning)(DELIVERING, told, remedy)
