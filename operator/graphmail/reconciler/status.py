"""The status and its conditions, from what came of the work. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from graphmail.backoff import Pace
from graphmail.decision import Policy, Reason, renewal_time
from graphmail.reconciler.result import Deed, Held, Result
from graphmail.resource import FolderState, FolderSubscription, GraphMailSubscription, Status
from graphmail.resource.conditions import ConditionType, Wanted, set_conditions
from graphmail.resource.model import write_time
from graphmail.resource.names import ANNOTATION_ADOPT, ANNOTATION_RENEW, API_VERSION, KIND

_NOT_DELIVERABLE = FolderState.NOT_DELIVERABLE


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the status also tells, beside the work itself."""

    now: datetime
    policy: Policy
    synced: bool | None
    """Postgres has the outcome; None: the resource has no row."""
    retry_at: datetime | None = None
    """After a failure: when it is tried again."""
    notified_at: datetime | None = None
    """When a notification last arrived, as far as known."""


def status_body(resource: GraphMailSubscription, status: Status) -> dict[str, Any]:
    """The body of a server-side apply of the status. The uid makes sure that it never reaches a namesake created later."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": resource.metadata.name,
            "namespace": resource.metadata.namespace,
            "uid": resource.metadata.uid,
        },
        "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def status_after(resource: GraphMailSubscription, result: Result, around: Surroundings) -> Status:
    """The status after a piece of work."""
    before, annotations = resource.status, resource.metadata.annotations
    counted = result.verdict is not None and result.verdict.counted
    observed = result.observed_credential if result.observed_credential is not None else before.observed_credential
    updates: dict[str, Any] = {
        "last_attempt_time": around.now,
        "next_attempt_time": around.retry_at,
        "consecutive_failures": 0 if result.success else before.consecutive_failures + int(counted),
        "observed_credential": observed,
        "pending_create_time": (before.pending_create_time or around.now) if result.unknown else None,
    }
    if result.answers_request:
        updates["last_handled_renewal"] = annotations.get(ANNOTATION_RENEW) or before.last_handled_renewal
    if _looked_up(result):
        updates["last_handled_adoption"] = annotations.get(ANNOTATION_ADOPT) or before.last_handled_adoption
    if result.granted and result.held is not None:
        updates["last_renewal_time"] = result.held.granted_at
    updates |= _held_fields(resource, result.held)
    return _finish(resource, before.model_copy(update=updates), _work_conditions(resource, result, around), around)


def _looked_up(result: Result) -> bool:
    """The id that the row names was looked up. A look that failed for now is repeated: else a twin would be made beside it, and it lost."""
    lasting = result.verdict is None or result.verdict.pace is Pace.SLOW
    return result.deed is Deed.ADOPT and lasting


def status_reported(resource: GraphMailSubscription, around: Surroundings) -> Status:
    """The status brought up to date without any work: a changed spec, a suspension, a written outcome."""
    status = resource.status
    wanted = [_synced(around.synced)]
    if resource.spec.suspend:
        message = "suspended: no calls to Graph. Set spec.suspend to false to resume"
        wanted.append(Wanted(ConditionType.READY, False, Reason.SUSPENDED.value, message))
    elif status.condition(ConditionType.READY) is None:
        wanted.append(Wanted(ConditionType.READY, False, Reason.NOT_SUBSCRIBED.value, "there is no subscription yet"))
    return _finish(resource, status, wanted, around)


def _finish(resource: GraphMailSubscription, status: Status, wanted: list[Wanted], around: Surroundings) -> Status:
    notified = around.notified_at or status.last_notification_time
    wanted.append(_delivering(notified))
    generation = resource.metadata.generation
    conditions = set_conditions(status.conditions, wanted, now=around.now, generation=generation)
    status = status.model_copy(
        update={"observed_generation": generation, "conditions": conditions, "last_notification_time": notified}
    )
    planned = renewal_time(resource.model_copy(update={"status": status}), around.policy)
    return status.model_copy(update={"next_renewal_time": None if resource.spec.suspend else planned})


def _held_fields(resource: GraphMailSubscription, held: Held | None) -> dict[str, Any]:
    first, *others = resource.spec.folders
    rows = [FolderSubscription(folder=first, state=FolderState.PENDING)]
    if held is not None:
        rows = [
            FolderSubscription(
                folder=first,
                state=FolderState.ACTIVE,
                subscription_id=held.subscription_id,
                expiration_time=held.expires_at,
                granted_time=held.granted_at,
                notification_url=held.notification_url,
            )
        ]
    rows += [FolderSubscription(folder=folder, state=_NOT_DELIVERABLE) for folder in others]
    return {
        "subscriptions": rows,
        "subscription_id": held.subscription_id if held else None,
        "expiration_time": held.expires_at if held else None,
    }


def _work_conditions(resource: GraphMailSubscription, result: Result, around: Surroundings) -> list[Wanted]:
    verdict = result.verdict
    return [
        _ready(resource, result, around.now),
        *_authorized(result),
        _synced(around.synced),
        Wanted(ConditionType.STALLED, True, verdict.reason, verdict.message)
        if verdict is not None and verdict.terminal
        else Wanted(ConditionType.STALLED, None),
    ]


def _ready(resource: GraphMailSubscription, result: Result, now: datetime) -> Wanted:
    held, verdict = result.held, result.verdict
    live = held is not None and held.expires_at > now
    covered = f"covered until {write_time(held.expires_at)}" if held is not None else "there is no subscription"
    if resource.spec.suspend:
        return Wanted(ConditionType.READY, False, Reason.SUSPENDED.value, f"suspended: no calls to Graph; {covered}")
    if verdict is None:
        return Wanted(ConditionType.READY, live, "Subscribed" if live else Reason.NOT_SUBSCRIBED.value, covered)
    ready = live and not verdict.terminal and not verdict.awaits_credentials
    return Wanted(
        ConditionType.READY, ready, verdict.reason, f"{covered}; {verdict.message}" if live else verdict.message
    )


def _authorized(result: Result) -> list[Wanted]:
    verdict = result.verdict
    if verdict is None:
        return [Wanted(ConditionType.AUTHORIZED, True, "SignedIn", "signed in, and Graph accepts the token")]
    if verdict.awaits_credentials:
        return [Wanted(ConditionType.AUTHORIZED, "Unknown", verdict.reason, verdict.message)]
    if verdict.authorized is False:
        return [Wanted(ConditionType.AUTHORIZED, False, verdict.reason, verdict.message)]
    return []


def _synced(synced: bool | None) -> Wanted:
    if synced is None:
        return Wanted(ConditionType.SYNCED, None)
    if synced:
        return Wanted(ConditionType.SYNCED, True, "Recorded", "Postgres has the latest outcome")
    message = "Postgres cannot be reached: the outcome is kept in memory and written when it is back"
    return Wanted(ConditionType.SYNCED, False, "PostgresUnavailable", message)


def _delivering(notified_at: datetime | None) -> Wanted:
    if notified_at is None:
        return Wanted(
            ConditionType.DELIVERING, "Unknown", "NoNotificationYet", "no notification is known to have arrived yet"
        )
    message = f"a notification arrived at {write_time(notified_at)}"
    return Wanted(ConditionType.DELIVERING, True, "NotificationArrived", message)
