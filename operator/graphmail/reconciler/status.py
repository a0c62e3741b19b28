"""The status and its conditions, from what came of the work. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from graphmail.backoff import Pace
from graphmail.decision import (
    Decision,
    Policy,
    Reason,
    awaits_credentials,
    blocked_reason,
    planned_renewal,
    taken_up,
)
from graphmail.reconciler.delivering import delivering, delivers, unchecked
from graphmail.reconciler.result import Checked, Deed, Result
from graphmail.resource import FolderState, FolderSubscription, GraphMailSubscription, Status
from graphmail.resource.conditions import ConditionType, Wanted, set_conditions
from graphmail.resource.folders import arranged, is_first, view, wanted_folders
from graphmail.resource.moments import write_time
from graphmail.resource.names import ANNOTATION_CREDENTIAL, ANNOTATION_RENEW, API_VERSION, KIND


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
    finding: Decision | None = None
    """Why the mailbox was found silent, where it was."""


def status_body(resource: GraphMailSubscription, status: Status) -> dict[str, Any]:
    """The body of a server-side apply of the status. Uid and version make sure that it never reaches a namesake created later."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": resource.metadata.name,
            "namespace": resource.metadata.namespace,
            "uid": resource.metadata.uid,
            "resourceVersion": resource.metadata.resource_version,
        },
        "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def status_after(resource: GraphMailSubscription, folder: str, result: Result, around: Surroundings) -> Status:
    """The status after a piece of work on one of its folders."""
    before = resource.status
    observed = result.observed_credential if result.observed_credential is not None else before.observed_credential
    updates: dict[str, Any] = {
        "last_attempt_time": around.now,
        "observed_credential": observed,
        "last_handled_credential": _told_in_vain(resource, observed),
    }
    seen = view(resource, folder)
    attempt = _attempt(seen, result, around)
    if is_first(resource, folder):
        updates |= attempt
        if _looked_up(result):
            updates["last_handled_adoption"] = result.looked_up or before.last_handled_adoption
        if result.granted and result.held is not None:
            updates["last_renewal_time"] = result.held.granted_at
        if around.finding is not None and result.success:
            updates["silent_replacements"] = (before.silent_replacements or 0) + 1
            updates["newest_message_time"] = None  # whatever comes: one proof is acted on once
        attempt = {}
    held = result.held.subscription_id if result.held is not None else None
    told = {"lifecycle": taken_up(seen, held, around.now), "since_time": _since(before, folder, result, around)}
    row = _row(folder, result).model_copy(update=attempt | told)
    others = [other for other in before.subscriptions if other.folder != folder]
    updates["subscriptions"] = arranged(resource, [*others, row], several=around.policy.several_folders)
    status = before.model_copy(update=updates)
    return _finish(resource, status, _work_conditions(resource, folder, status, result, around), around)


def _told_in_vain(resource: GraphMailSubscription, observed: str | None) -> str | None:
    """What the annotation says of the credential, where the attempt found another one: it is not tried again for the same word."""
    told = resource.metadata.annotations.get(ANNOTATION_CREDENTIAL)
    return told if told and told != observed else None


def _since(before: Status, folder: str, result: Result, around: Surroundings) -> datetime | None:
    """Since when the folder has this subscription."""
    known, held = before.folder(folder), result.held
    if held is None:
        return None
    same = known is not None and known.subscription_id == held.subscription_id
    new = result.granted and result.deed is not Deed.RENEW
    return known.since_time if known is not None and same and not new else around.now


def status_checked(resource: GraphMailSubscription, result: Result, around: Surroundings) -> Status:
    """The status after a check of delivery, which tells nothing of the subscription itself."""
    refused = result.checked is Checked.REFUSED
    updates = {
        "last_attempt_time": around.now,
        "last_delivery_check_time": around.now,
        "newest_message_time": result.newest and min(result.newest, around.now),
        "observed_credential": result.observed_credential or resource.status.observed_credential,
        "unchecked_credential": result.observed_credential if refused else None,
    }
    rows = arranged(resource, resource.status.subscriptions, several=around.policy.several_folders)
    status = resource.status.model_copy(update=updates | {"subscriptions": rows})
    return _finish(resource, status, [*unchecked(resource, result), _synced(around.synced)], around)


def _attempt(seen: GraphMailSubscription, result: Result, around: Surroundings) -> dict[str, Any]:
    """What is told of the attempts for a folder."""
    before = seen.status
    counted = result.verdict is not None and result.verdict.counted
    answered = seen.metadata.annotations.get(ANNOTATION_RENEW) if result.answers_request else None
    return {
        "next_attempt_time": around.retry_at,
        "consecutive_failures": 0 if result.success else before.consecutive_failures + int(counted),
        "pending_create_time": _pending(before, result, around),
        "last_handled_renewal": answered or before.last_handled_renewal,
    }


def _pending(before: Status, result: Result, around: Surroundings) -> datetime | None:
    """A create that got no answer is waited for from now on. Of an earlier one nothing is known until it was looked for."""
    if result.unknown:
        return around.now
    return None if result.settled else before.pending_create_time


def _looked_up(result: Result) -> bool:
    """The id that the row names was looked up. A look that failed for now is repeated: else a twin would be made beside it, and it lost."""
    lasting = result.verdict is None or result.verdict.pace is Pace.SLOW
    return result.deed is Deed.ADOPT and lasting


def status_intending(resource: GraphMailSubscription, folder: str, around: Surroundings) -> Status:
    """The status before a replacement that must delete first: should the process die, whether anything is left is asked at once."""
    status = resource.status
    if is_first(resource, folder):
        return status.model_copy(update={"pending_create_time": around.now})
    rows = [
        row.model_copy(update={"pending_create_time": around.now}) if row.folder == folder else row
        for row in status.subscriptions
    ]
    return status.model_copy(update={"subscriptions": rows})


def status_reported(resource: GraphMailSubscription, around: Surroundings) -> Status:
    """The status brought up to date without any work: a changed spec, a suspension, a written outcome.

    A changed spec ends every wait, by the next attempt: where one is waited for, a mere report does not count the change as seen.
    """
    rows = [
        row.model_copy(update={"lifecycle": taken_up(view(resource, row.folder), row.subscription_id, around.now)})
        for row in arranged(resource, resource.status.subscriptions, several=around.policy.several_folders)
    ]
    status = resource.status.model_copy(update={"subscriptions": rows})
    if around.finding is not None:
        status = status.model_copy(update={"newest_message_time": None})
    seen = status.observed_generation if _waits(resource) else resource.metadata.generation
    wanted = [_synced(around.synced)]
    if resource.spec.suspend:
        resume = f"`graphmail resume {resource.metadata.name}` (spec.suspend: false)"
        message = f"suspended: no calls to Graph. {resume} begins them again, or the product, where its row is paused"
        wanted.append(Wanted(ConditionType.READY, False, Reason.SUSPENDED.value, message))
    elif status.condition(ConditionType.READY) is None:
        wanted.append(Wanted(ConditionType.READY, False, Reason.NOT_SUBSCRIBED.value, "there is no subscription yet"))
    return _finish(resource, status, wanted, around).model_copy(update={"observed_generation": seen})


def _waits(resource: GraphMailSubscription) -> bool:
    """An attempt has failed, and the next one waits: for its time, or for a person. A suspended resource waits for neither."""
    status = resource.status
    if resource.spec.suspend:
        return False
    times = [status.next_attempt_time, *(row.next_attempt_time for row in status.subscriptions)]
    return blocked_reason(status) is not None or any(moment is not None for moment in times)


def status_observed(
    resource: GraphMailSubscription, adopted: GraphMailSubscription, decision: Decision, around: Surroundings
) -> Status:
    """The status of a resource for which nothing is done: what would be done, and when.

    Args:
        adopted: the resource as the row says. Its subscription is not put into the status: it was not looked up at Graph.
    """
    rows = arranged(resource, resource.status.subscriptions, several=around.policy.several_folders)
    status = resource.status.model_copy(update={"subscriptions": rows})
    wanted = [Wanted(ConditionType.READY, "Unknown", Reason.OBSERVING.value, decision.message)]
    planned = planned_renewal(adopted, around.policy)
    expires_at = adopted.status.expiration_time
    return _finish(resource, status, wanted, around).model_copy(
        update={"next_renewal_time": planned, "expiration_time": expires_at}
    )


def _finish(resource: GraphMailSubscription, status: Status, wanted: list[Wanted], around: Surroundings) -> Status:
    notified = around.notified_at or status.last_notification_time
    if all(one.type is not ConditionType.DELIVERING for one in wanted):
        wanted.append(delivering(resource, status, around.finding, notified))
    generation, first = resource.metadata.generation, status.subscriptions[0]
    status = status.model_copy(
        update={
            "observed_generation": generation,
            "conditions": set_conditions(status.conditions, wanted, now=around.now, generation=generation),
            "last_notification_time": notified,
            "silent_replacements": None if delivers(wanted) else status.silent_replacements,
            "subscription_id": first.subscription_id,
            "expiration_time": first.expiration_time,
        }
    )
    return status.model_copy(
        update={"next_renewal_time": planned_renewal(resource.model_copy(update={"status": status}), around.policy)}
    )


def _row(folder: str, result: Result) -> FolderSubscription:
    """What is told of a folder's subscription."""
    held, verdict = result.held, result.verdict
    row = FolderSubscription.pending(folder)
    if held is not None:
        row = FolderSubscription(
            folder=folder,
            state=FolderState.ACTIVE,
            subscription_id=held.subscription_id,
            expiration_time=held.expires_at,
            granted_time=held.granted_at,
            notification_url=held.notification_url,
            change_types=list(held.change_types) if held.change_types is not None else None,
            lifecycle_notification_url=held.lifecycle_notification_url,
            client_state=held.client_state,
        )
    if verdict is None:
        return row
    return row.model_copy(update={"reason": verdict.reason, "message": verdict.in_full})


def _work_conditions(
    resource: GraphMailSubscription, folder: str, status: Status, result: Result, around: Surroundings
) -> list[Wanted]:
    verdict = result.verdict
    return [
        _ready(resource, folder, status, result, around),
        *_authorized(resource.status, result),
        _synced(around.synced),
        Wanted(ConditionType.STALLED, True, verdict.reason, verdict.in_full)
        if verdict is not None and verdict.terminal
        else Wanted(ConditionType.STALLED, None),
    ]


def _ready(
    resource: GraphMailSubscription, folder: str, status: Status, result: Result, around: Surroundings
) -> Wanted:
    """Every folder that is to be watched is covered, and nobody has to act."""
    wanted, verdict = wanted_folders(resource, several=around.policy.several_folders), result.verdict
    rows = [row for row in status.subscriptions if row.folder in wanted]
    bare = next((row for row in rows if row.expiration_time is None or row.expiration_time <= around.now), None)
    covered = _covered(rows)
    if resource.spec.suspend:
        return Wanted(ConditionType.READY, False, Reason.SUSPENDED.value, f"suspended: no calls to Graph; {covered}")
    if verdict is None:
        if bare is None:
            return Wanted(ConditionType.READY, True, "Subscribed", covered)
        reason, message = bare.reason or Reason.NOT_SUBSCRIBED.value, bare.message or covered
        return Wanted(ConditionType.READY, False, reason, _named(bare.folder, rows, message))
    message = _named(folder, rows, verdict.in_full if bare is not None else f"{covered}; {verdict.in_full}")
    ready = bare is None and not verdict.terminal and not verdict.awaits_credentials
    return Wanted(ConditionType.READY, ready, verdict.reason, message)


def _covered(rows: list[FolderSubscription]) -> str:
    expiries = [row.expiration_time for row in rows]
    if None in expiries:
        return "there is no subscription"
    return f"covered until {write_time(min(moment for moment in expiries if moment is not None))}"


def _named(folder: str, rows: list[FolderSubscription], message: str) -> str:
    """With several folders, the message says which one it is about."""
    return message if len(rows) == 1 else f"folder {folder}: {message}"


def _authorized(before: Status, result: Result) -> list[Wanted]:
    """Where nothing is known of a credential, what was known stays; but what was waited for has come, or nobody would have tried."""
    verdict = result.verdict
    if verdict is not None and verdict.awaits_credentials:
        return [Wanted(ConditionType.AUTHORIZED, "Unknown", verdict.reason, verdict.in_full)]
    if verdict is not None and verdict.authorized is False:
        return [Wanted(ConditionType.AUTHORIZED, False, verdict.reason, verdict.in_full)]
    if verdict is None or result.signed_in:
        return [Wanted(ConditionType.AUTHORIZED, True, "SignedIn", "signed in, and Graph accepts the token")]
    if awaits_credentials(before):
        return [Wanted(ConditionType.AUTHORIZED, "Unknown", verdict.reason, verdict.in_full)]
    return []


def _synced(synced: bool | None) -> Wanted:
    if synced is None:
        return Wanted(ConditionType.SYNCED, None)
    if synced:
        return Wanted(ConditionType.SYNCED, True, "Recorded", "Postgres has the latest outcome")
    message = "Postgres cannot be reached, or refuses it: the outcome is kept in memory and written when it is back"
    return Wanted(ConditionType.SYNCED, False, "PostgresUnavailable", message)
