"""Whether a mailbox has been quiet for too long, and whether its subscription has failed to tell of a message. Pure.

A suspicion is checked: Graph is asked for the newest message of the folder. Of a message that came after the last notification, one
must arrive within the time that Graph takes. If it does not, the subscription delivers nothing, whatever Graph says of it.
"""

from datetime import datetime, timedelta

from graphmail.decision.rhythm import UNLEARNED
from graphmail.decision.stillness import tried_again
from graphmail.decision.words import Action, Known, Policy, Reason
from graphmail.resource import GraphMailSubscription, Status
from graphmail.resource.conditions import ConditionType
from graphmail.resource.moments import EARLIEST, LATEST, write_time

APART = timedelta(hours=6)
"""Between two checks of one mailbox: four a day at most, also of a process that is restarted all the time, since the status tells of the
last one."""
LONGEST_APART = timedelta(hours=96)
_TOLD_WITHIN = timedelta(minutes=1)
"""So often the mirror's comparison tells of notifications, unless it is set otherwise."""


Found = tuple[Action, Reason, str]
"""What follows, why, and what a person is told."""


def silent(resource: GraphMailSubscription, *, now: datetime, policy: Policy, known: Known) -> Found | None:
    """A message came, and its notification did not: the subscription delivers nothing, whatever Graph says of it."""
    heard, message = known.heard, resource.status.newest_message_time
    proven = proof_time(resource, policy, known)
    if heard is None or message is None or proven is None or proven > min(now, heard.until) or known.stores_away:
        return None
    last = known.notified_at or resource.status.last_notification_time
    before = f"the last one came at {write_time(last)}" if last is not None else "none ever came"
    told = f"of a message that was received at {write_time(message)} no notification has arrived; {before}"
    if heard.way_down:
        return Action.REPORT, Reason.NOTHING_ARRIVES, f"{told}; so it is in many mailboxes at once"
    replaced = resource.status.silent_replacements or 0
    if replaced == 0:
        return Action.REPLACE, Reason.SILENT_SUBSCRIPTION, told
    times = "once" if replaced == 1 else f"{replaced} times in a row"
    return Action.REPLACE, Reason.STILL_SILENT, f"{told}, though the subscription was replaced {times}"


def suspected(resource: GraphMailSubscription, *, now: datetime, policy: Policy, known: Known) -> Found | None:
    """It has been quiet for longer than is normal for this mailbox."""
    due = suspicion_time(resource, policy, known)
    if due is None or now < due or known.stores_away:
        return None
    since = quiet_since(resource, known.notified_at) or due
    message = f"nothing has arrived since {write_time(since)}: Graph is asked for the newest message"
    return Action.CHECK_DELIVERY, Reason.SILENCE_SUSPECTED, message


def next_look(resource: GraphMailSubscription, *, now: datetime, policy: Policy, known: Known) -> datetime | None:
    """When there may be something to do about silence. What is past waits until what is known of notifications is as new."""
    moments = (suspicion_time(resource, policy, known), proof_time(resource, policy, known))
    earliest = min((moment for moment in moments if moment is not None), default=None)
    return None if earliest is None else max(earliest, now) + _TOLD_WITHIN


def ends_silence(resource: GraphMailSubscription, arrived: datetime) -> bool:
    """A notification that came after the mailbox was found silent."""
    delivering = resource.status.condition(ConditionType.DELIVERING)
    if delivering is None or delivering.status != "False" or delivering.reason == Reason.NOTIFICATIONS_MISSED.value:
        return False
    return arrived > delivering.last_transition_time


def suspicion_time(resource: GraphMailSubscription, policy: Policy, known: Known) -> datetime | None:
    """When the mailbox is to be checked, if nothing arrives before that; None: never, or what the last check found is waited for."""
    heard, status = known.heard, resource.status
    if heard is None or not checkable(resource, policy) or proof_time(resource, policy, known) is not None:
        return None
    quiet = quiet_since(resource, known.notified_at)
    if quiet is None:
        return None
    checked = _checked(resource)
    begin = min(max(quiet, checked), LATEST)
    suspected = begin + (heard.rhythm.patience(begin) if heard.rhythm is not None else UNLEARNED) + heard.delay
    return max(suspected, checked + _apart(status.silent_replacements or 0))


def checkable(resource: GraphMailSubscription, policy: Policy) -> bool:
    """There is a subscription that is to tell of new messages, and its credential is not known to lack the right to read them."""
    status = resource.status
    on = policy.delivery_allowance is not None and status.subscription_id is not None
    return on and not look_refused(status) and "created" in resource.spec.change_types


def look_refused(status: Status) -> bool:
    """The credential was not let look for messages."""
    return status.unchecked_credential is not None and status.unchecked_credential == status.observed_credential


def quiet_since(resource: GraphMailSubscription, notified_at: datetime | None) -> datetime | None:
    """What came before this tells nothing: the last notification, or when the subscription was made. None: nobody knows.

    What was missed while nothing arrived in any mailbox was not this subscription's fault, nor what Graph itself says to have dropped.
    """
    status, row = resource.status, resource.status.folder(resource.spec.folders[0])
    made = (row.since_time or row.granted_time) if row is not None else None
    made = made or resource.metadata.creation_timestamp
    delivering = status.condition(ConditionType.DELIVERING)
    outage = delivering is not None and delivering.reason == Reason.NOTHING_ARRIVES.value
    excused = status.last_delivery_check_time if outage else None
    dropped = row.lifecycle.missed if row is not None and row.lifecycle is not None else None
    moments = (made, notified_at or status.last_notification_time, excused, dropped)
    return None if made is None else max(moment for moment in moments if moment is not None)


def proof_time(resource: GraphMailSubscription, policy: Policy, known: Known) -> datetime | None:
    """When the message that the last check found proves that the subscription delivers nothing, if no notification comes before that.

    Where none arrived in any mailbox around then, the product may have been down, or its database: Graph tries again, and is waited for.
    A message that was moved into the folder is older than its notification, which has its time from the check on.
    None: it proves nothing.
    """
    message, heard = resource.status.newest_message_time, known.heard
    if heard is None or message is None or not checkable(resource, policy):
        return None
    quiet = quiet_since(resource, known.notified_at)
    late = (policy.delivery_allowance or timedelta()) + heard.delay
    if quiet is None or not LATEST > message > min(quiet, LATEST) + late:
        return None
    tried = tried_again(heard, message)
    return None if tried is None else max(message + tried, _checked(resource)) + late


def _checked(resource: GraphMailSubscription) -> datetime:
    return min(resource.status.last_delivery_check_time or EARLIEST, LATEST)


def _apart(replacements: int) -> timedelta:
    """A subscription that was replaced and is still silent is looked at, and replaced, more and more seldom."""
    return min(APART * (1 << min(max(replacements - 1, 0), 8)), LONGEST_APART)
