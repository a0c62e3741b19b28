"""What the condition Delivering says, and why. Pure."""

from collections.abc import Iterable
from datetime import datetime

from graphmail.decision import Decision, Reason, arrived_since
from graphmail.decision.silence import ends_silence, look_refused
from graphmail.reconciler.result import Checked, Result
from graphmail.resource import GraphMailSubscription, Status
from graphmail.resource.conditions import ConditionType, Wanted
from graphmail.resource.model import Condition
from graphmail.resource.moments import write_time

FOUND_SILENT = frozenset({Reason.SILENT_SUBSCRIPTION, Reason.STILL_SILENT, Reason.NOTHING_ARRIVES})
"""Why a mailbox counts as silent."""
_REFUSED = ". The credential may not read mail any more: delivery is not checked again until it changes"


def delivering(
    resource: GraphMailSubscription, status: Status, finding: Decision | None, notified_at: datetime | None
) -> Wanted:
    """What was found lasts until a notification arrives that came after it."""
    told = status.condition(ConditionType.DELIVERING)
    if finding is not None:
        return _silent(resource, finding)
    if told is not None and _lasts(told, resource, notified_at):
        refused = _REFUSED if told.status == "False" and look_refused(status) else ""
        return Wanted(ConditionType.DELIVERING, told.status, told.reason, told.message.removesuffix(_REFUSED) + refused)
    if status.missed_time is not None and not arrived_since(status.missed_time, notified_at):
        return _missed(status.missed_time)
    if notified_at is None:
        return Wanted(
            ConditionType.DELIVERING, "Unknown", "NoNotificationYet", "no notification is known to have arrived yet"
        )
    message = f"a notification arrived at {write_time(notified_at)}"
    return Wanted(ConditionType.DELIVERING, True, "NotificationArrived", message)


def _missed(at: datetime) -> Wanted:
    message = (
        f"Graph said at {write_time(at)} that notifications were missed, and none has arrived since: what came meanwhile "
        "is in the mailbox, and is to be read from there"
    )
    return Wanted(ConditionType.DELIVERING, False, Reason.NOTIFICATIONS_MISSED.value, message)


def unchecked(resource: GraphMailSubscription, result: Result) -> list[Wanted]:
    """The credential may not read mail, and nobody knows whether what is silent is also deaf. Of what was found to be, it is known."""
    if result.checked is not Checked.REFUSED or resource.status.says(ConditionType.DELIVERING, "False"):
        return []
    message = (
        f"nothing has arrived for long, and the credential may not read mail to see whether something should have: {result.note}. "
        "Delivery is not checked until the credential changes"
    )
    return [Wanted(ConditionType.DELIVERING, "Unknown", "CannotCheck", message)]


def delivers(wanted: Iterable[Wanted]) -> bool:
    """The condition says so."""
    return any(one.type is ConditionType.DELIVERING and one.status is True for one in wanted)


def _lasts(told: Condition, resource: GraphMailSubscription, notified_at: datetime | None) -> bool:
    if told.reason == Reason.NOTIFICATIONS_MISSED.value:
        return False
    if told.status == "False":
        return notified_at is None or not ends_silence(resource, notified_at)
    return told.reason == "CannotCheck" and (notified_at is None or notified_at <= told.last_transition_time)


def _silent(resource: GraphMailSubscription, finding: Decision) -> Wanted:
    """A first replacement mends a subscription that died. After it, or where many are silent, it is the way to the product."""
    consequence = {
        Reason.SILENT_SUBSCRIPTION: "The subscription is replaced; this ends with the next notification",
        Reason.STILL_SILENT: f"It is replaced again, more and more seldom. {_way(resource)}",
        Reason.NOTHING_ARRIVES: f"The way from Graph to the product is at fault, and nothing is replaced. {_way(resource)}",
    }[finding.reason]
    return Wanted(ConditionType.DELIVERING, False, finding.reason.value, f"{finding.message}. {consequence}")


def _way(resource: GraphMailSubscription) -> str:
    url, name = resource.spec.notification_url, resource.metadata.name
    return f"See whether {url} takes notifications, and hands them on: kubectl graphmail probe {name}"
