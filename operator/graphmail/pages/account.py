"""How a mailbox stands, in words for the product's own pages. Pure."""

import uuid
from enum import StrEnum

from graphmail.database import MailboxState
from graphmail.decision import Reason, awaits_credentials
from graphmail.resource import GraphMailSubscription
from graphmail.resource.conditions import ConditionType
from graphmail.resource.names import ANNOTATION_PAUSED


class State(StrEnum):
    """How a mailbox stands, in one word."""

    COVERED = "covered"
    """A subscription lives, and the last attempt went well."""
    FAILING = "failing"
    """A subscription lives; the last attempt failed, and is made again."""
    UNCOVERED = "uncovered"
    """There is no living subscription; the operator works on it."""
    ACTION_REQUIRED = "action_required"
    """Only a person can mend it."""
    WAITING = "waiting"
    """Nobody has consented yet."""
    SUSPENDED = "suspended"
    OBSERVED = "observed"
    """The operator only observes."""


_SIGN_IN = "The mailbox's owner signs in again in the product, and consents."
_ADMINISTRATOR = "An administrator mends the app in Entra; the message says how."
REMEDIES = {
    "ReauthorizationRequired": _SIGN_IN,
    "CredentialInvalid": "Correct the app's secret, certificate or directory in the provider's settings.",
    "AppDisabled": _ADMINISTRATOR,
    "PermissionMissing": "An administrator grants Mail.Read, and lets the app's access policy include this mailbox.",
    "TokenRefused": _ADMINISTRATOR,
    "MailboxNotEnabled": "Give the mailbox an Exchange Online licence, or remove the provider.",
    "FolderNotFound": "Correct the provider's folder.",
    "NotificationEndpointFailed": "Make the product's webhook reachable from the internet over https, without a redirect.",
    "SubscriptionQuotaFull": "Delete subscriptions of other apps to this mailbox.",
    "ClientStateTooLong": "Shorten the provider's verification token to 128 characters.",
}
"""What a person must do, by the reason; only where the operator cannot help itself, or a person can shorten the wait."""


def account(resource: GraphMailSubscription) -> MailboxState | None:
    """How that mailbox stands; None for a resource that mirrors no row of the product."""
    spec, status = resource.spec, resource.status
    if not _mirrors_the_product(resource):
        return None
    state = state_of(resource)
    told = status.condition(ConditionType.STALLED) or status.condition(ConditionType.READY)
    reason = told.reason if told is not None else Reason.NOT_SUBSCRIBED.value
    return MailboxState(
        tenant=spec.tenant,
        provider_id=spec.provider_id,
        mailbox=spec.mailbox,
        namespace=resource.metadata.namespace,
        resource=resource.metadata.name,
        subscription_id=status.subscription_id,
        expires_at=status.expiration_time,
        state=state.value,
        reason=reason,
        message=told.message if told is not None else "the operator has not looked at it yet",
        what_to_do=what_to_do(resource, state, reason),
        next_renewal_at=status.next_renewal_time,
        last_renewal_at=status.last_renewal_time,
        last_notification_at=status.last_notification_time,
    )


def state_of(resource: GraphMailSubscription) -> State:
    """The first that holds."""
    status = resource.status
    ready = status.condition(ConditionType.READY)
    checks = {
        State.SUSPENDED: resource.spec.suspend,
        State.OBSERVED: ready is not None and ready.reason == Reason.OBSERVING.value,
        State.ACTION_REQUIRED: status.condition(ConditionType.STALLED) is not None,
        State.WAITING: awaits_credentials(status),
        State.UNCOVERED: ready is None or ready.status != "True",
        State.FAILING: status.next_attempt_time is not None,
    }
    return next((state for state, holds in checks.items() if holds), State.COVERED)


def what_to_do(resource: GraphMailSubscription, state: State, reason: str) -> str:
    """What a person does about it; empty: nothing."""
    if state is State.SUSPENDED:
        paused = resource.metadata.annotations.get(ANNOTATION_PAUSED)
        if paused is not None:
            return f"Nothing, or end the pause in the product: the provider says {paused}."
        return f"Nothing, or resume it: spec.suspend of the resource {resource.metadata.name} is true."
    if state is State.WAITING:
        return "The mailbox's owner signs in in the product, and consents; or what the message names is put in place."
    if state is State.ACTION_REQUIRED:
        return REMEDIES.get(reason, "The message says what is wrong; the operator starts again when it is mended.")
    return REMEDIES.get(reason, "") if state in {State.UNCOVERED, State.FAILING} else ""


def _mirrors_the_product(resource: GraphMailSubscription) -> bool:
    """The product's keys are UUIDs: anything else was written by hand."""
    return resource.mirrored and all(map(_is_uuid, (resource.spec.tenant, resource.spec.provider_id)))


def _is_uuid(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
