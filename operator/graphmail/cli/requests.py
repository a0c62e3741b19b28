"""Asking the operator for a renewal: the annotation that asks, and its echo in the status that answers."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from graphmail.cli.situation import observes
from graphmail.cli.spans import human, when
from graphmail.cli.typed import advised
from graphmail.cluster import Cluster, ClusterError
from graphmail.resource import GraphMailSubscription
from graphmail.resource.answers import complaint, is_throttled, went_well
from graphmail.resource.names import ANNOTATION_RENEW

OBSERVES = "the operator only observes (GRAPHMAIL_MODE=observe); it renews nothing until the mode is act"
_TRIES = 5


class Fate(StrEnum):
    """What became of a request."""

    REQUESTED = "requested"
    RENEWED = "renewed"
    FAILED = "failed"
    REFUSED = "refused"
    """It was not made, since an earlier one waits, or somebody changes the resource all the time."""
    SKIPPED = "skipped"
    """It was not made, since the operator makes no calls for this mailbox."""
    QUEUED = "waits for quota"
    """Graph asks to wait. The operator has taken it up, and renews by itself when its turn comes."""
    UNANSWERED = "unanswered"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the request for one mailbox."""

    name: str
    mailbox: str
    fate: Fate
    message: str = ""


def pending(resource: GraphMailSubscription) -> bool:
    """An earlier request waits to be acted on."""
    value = resource.metadata.annotations.get(ANNOTATION_RENEW)
    return bool(value) and value != resource.status.last_handled_renewal


def row_names(subscription_id: str) -> str:
    """What is known of a subscription that only the row names: the mailbox may be covered, though its status has nothing."""
    return (
        f"the row names {subscription_id}, which could not be looked up so far: it may still deliver; "
        "its expiry is webhook_expires_at in the row"
    )


def objection(resource: GraphMailSubscription, *, again: bool) -> Outcome | None:
    """Why no renewal can be asked for; None: it can."""
    fate, reason = Fate.SKIPPED, ""
    if resource.metadata.deletion_timestamp is not None:
        reason = "it is being deleted"
    elif resource.spec.suspend:
        reason = "it is suspended: no calls are made for it until it is resumed"
    elif observes(resource):
        reason = OBSERVES
    elif pending(resource) and not again:
        fate, reason = Fate.REFUSED, "an earlier request waits to be acted on; --again asks once more"
    return Outcome(resource.metadata.name, resource.spec.mailbox, fate, reason) if reason else None


async def request(cluster: Cluster, resource: GraphMailSubscription, value: str, *, again: bool) -> Outcome:
    """Ask for a renewal, unless something speaks against it. Two people who ask at the same time ask once.

    Args:
        value: what the annotation is set to; it must be new.
        again: ask even while an earlier request waits.

    Raises:
        ClusterError: the API server refuses, or cannot be reached.
    """
    name, mailbox = resource.metadata.name, resource.spec.mailbox
    for _ in range(_TRIES):
        objected = objection(resource, again=again)
        if objected is not None:
            return objected
        # The version makes the API server refuse what was decided on an older state: somebody may have asked meanwhile.
        metadata = {"resourceVersion": resource.metadata.resource_version, "annotations": {ANNOTATION_RENEW: value}}
        try:
            body = await cluster.merge(name, {"metadata": metadata})
        except ClusterError as error:
            if error.status != 409:
                raise
            body = await cluster.subscription(name)
            if body is not None:
                resource = GraphMailSubscription.parse(body)
                continue
        return Outcome(name, mailbox, Fate.GONE if body is None else Fate.REQUESTED)
    return Outcome(name, mailbox, Fate.REFUSED, "it changes all the time; try again")


def answer(resource: GraphMailSubscription, value: str, now: datetime) -> Outcome | None:
    """What the operator answered to the request of that value; None: nothing yet."""
    status = resource.status
    if status.last_handled_renewal != value:
        return None
    name, mailbox = resource.metadata.name, resource.spec.mailbox
    if went_well(status):
        expires, renewal = when(status.expiration_time, now), when(status.next_renewal_time, now)
        return Outcome(name, mailbox, Fate.RENEWED, f"expires {expires}, next renewal {renewal}")
    if is_throttled(status) and status.next_attempt_time is not None:
        message = f"the operator tries again by itself {when(status.next_attempt_time, now)}"
        return Outcome(name, mailbox, Fate.QUEUED, message)
    return Outcome(name, mailbox, Fate.FAILED, _failure(resource, now))


def no_answer(asked: GraphMailSubscription, last: GraphMailSubscription, waited: timedelta, now: datetime) -> str:
    """Why there may be no answer yet.

    Args:
        asked: the mailbox when the renewal was asked for.
        last: the mailbox as it was last seen.
    """
    if observes(last):
        return OBSERVES
    late, tried = f"no answer within {human(waited)}", last.status.last_attempt_time
    if tried is None or tried == asked.status.last_attempt_time:
        return f"{late}: is the operator running?"
    if went_well(last.status):
        return f"{late}, though the operator is at work: `{advised(f'describe {last.metadata.name}')}`"
    return f"{late}; the operator's attempt {when(tried, now)} failed: {_failure(last, now)}"


def _failure(resource: GraphMailSubscription, now: datetime) -> str:
    status = resource.status
    again = f"; the operator tries again {when(status.next_attempt_time, now)}" if status.next_attempt_time else ""
    return f"{complaint(status)}{again}"
