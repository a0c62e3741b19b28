"""What is to be done next about a row that asks for a renewal. Pure.

The row's request becomes the resource's annotation, and the status echoes its value when it was acted on. So a process that dies at
any moment leaves nothing undone and does nothing twice: the value is written into the row first, and one value is acted on once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from graphmail.database import Progress, RenewalRequest, RequestState
from graphmail.decision import Mode, Policy
from graphmail.resource import GraphMailSubscription
from graphmail.resource.answers import complaint, is_throttled, speaks, went_well
from graphmail.resource.conditions import ConditionType
from graphmail.resource.names import ANNOTATION_PAUSED, ANNOTATION_RENEW, BULK_PREFIX

FEW = 20
"""More requests than this at once are renewed after what is due anyway, as `graphmail renew --all` is."""
LEFT_TO_OTHERS = timedelta(minutes=10)
"""A request for a tenant that is not served may be another operator's; after this it is nobody's."""


@dataclass(frozen=True, slots=True)
class Move:
    """What is to be done; nothing of both: wait."""

    progress: Progress | None = None
    """To be written into the row."""
    annotate: str | None = None
    """The value that the resource's annotation is to have."""


WAIT = Move()


def judge_absent(request: RenewalRequest, *, exists: bool, policy: Policy, now: datetime) -> Move:
    """For a provider without a resource.

    Args:
        exists: there is such a row: its resource is yet to be made.
    """
    if not exists:
        return _end(request, "there is no Microsoft mail provider of this id in this tenant")
    if not policy.serves(request.key.tenant) and now - request.requested_at > LEFT_TO_OTHERS:
        return _end(request, "the operator does not serve this tenant (GRAPHMAIL_TENANTS)")
    return WAIT


def judge(
    request: RenewalRequest,
    resource: GraphMailSubscription,
    *,
    policy: Policy,
    under_way: str | None,
    many: bool,
    unwritten: bool,
) -> Move:
    """For a provider with its resource.

    Args:
        under_way: the value of another request for the provider, which the resource may not have yet.
        many: more than a few are asked for at once.
        unwritten: the status in memory is not the API server's yet, so a process that dies now would renew again.
    """
    objection = _objection(resource, policy)
    if objection:
        return _end(request, objection)
    if resource.metadata.deletion_timestamp is not None:
        return WAIT  # it comes back, or its row is gone
    asked, handled = resource.metadata.annotations.get(ANNOTATION_RENEW), resource.status.last_handled_renewal
    pending = asked if asked and asked != handled else None
    if request.answer_to is None:
        return _begin(request, pending or under_way or f"{BULK_PREFIX if many else ''}request/{request.id}")
    if handled == request.answer_to or _answered_since(request, resource, pending):
        return WAIT if unwritten else _answer(request, resource)
    if pending is None:
        return Move(annotate=request.answer_to)
    # Somebody has asked meanwhile, in place of our value: that renewal answers this request as well.
    return WAIT if pending == request.answer_to else _begin(request, pending)


def _objection(resource: GraphMailSubscription, policy: Policy) -> str:
    """Why nothing is done for the mailbox; empty: there is no reason."""
    if policy.mode is Mode.OBSERVE:
        return "the operator only observes (GRAPHMAIL_MODE=observe)"
    if resource.spec.suspend:
        paused = resource.metadata.annotations.get(ANNOTATION_PAUSED)
        return f"suspended: the provider's row says {paused}" if paused else "suspended by hand: spec.suspend is true"
    return ""


def _begin(request: RenewalRequest, value: str) -> Move:
    return Move(Progress(request.id, RequestState.RUNNING, "asked for", answer_to=value, over=request.answer_to))


def _answered_since(request: RenewalRequest, resource: GraphMailSubscription, pending: str | None) -> bool:
    """Somebody else's request took the place of ours, and was acted on after ours was made."""
    renewed = resource.status.last_renewal_time
    asked = resource.metadata.annotations.get(ANNOTATION_RENEW)
    others = asked is not None and asked != request.answer_to and pending is None
    return others and renewed is not None and renewed > request.requested_at


def _answer(request: RenewalRequest, resource: GraphMailSubscription) -> Move:
    status = resource.status
    ready, said = status.condition(ConditionType.READY), speaks(status)
    if ready is not None and went_well(status):
        return Move(Progress(request.id, RequestState.DONE, ready.message, expires_at=status.expiration_time))
    message = complaint(status)
    if said is not None and is_throttled(status):
        message = f"waiting for Graph's quota: {said.message}"
        return WAIT if request.message == message else Move(Progress(request.id, RequestState.RUNNING, message))
    if status.next_attempt_time is not None:
        message = f"{message}; the operator goes on trying by itself"
    return Move(Progress(request.id, RequestState.FAILED, message, expires_at=status.expiration_time))


def _end(request: RenewalRequest, message: str) -> Move:
    """Refused where nothing was begun, else failed."""
    refused = request.state is RequestState.QUEUED
    return Move(Progress(request.id, RequestState.REFUSED if refused else RequestState.FAILED, message))


def now_is(request: RenewalRequest, progress: Progress) -> RenewalRequest:
    """The request after that was written."""
    answer_to = progress.answer_to or request.answer_to
    return replace(request, state=progress.state, message=progress.message, answer_to=answer_to)
