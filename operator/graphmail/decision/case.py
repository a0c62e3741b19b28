"""What the checks decide about: a resource as one folder sees it, the time, the policy, and what the process knows beside it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from graphmail.decision.words import Action, Decision, Known, Policy, Reason
from graphmail.resource import CredentialSource, GraphMailSubscription, Status
from graphmail.resource.conditions import ConditionType
from graphmail.resource.names import ANNOTATION_CREDENTIAL, ANNOTATION_RENEW

_LATEST_RETRY = timedelta(hours=2)
"""Twice the longest backoff, and twice the longest Retry-After that is heeded."""


@dataclass(frozen=True, slots=True)
class Case:
    """One folder of a mailbox, and what a check may know of it."""

    resource: GraphMailSubscription
    now: datetime
    policy: Policy
    known: Known

    def decision(self, action: Action, reason: Reason, message: str, again_at: datetime | None = None) -> Decision:
        """The answer of a check; looked at again with the next tick, where it does not say."""
        return Decision(action, reason, message, again_at or self.now + self.policy.tick)

    def annotation(self, name: str) -> str | None:
        """The value of an annotation; None: there is none."""
        return self.resource.metadata.annotations.get(name)

    @property
    def requested(self) -> bool:
        """A person asked for a renewal with a value that was not acted on yet."""
        value = self.annotation(ANNOTATION_RENEW)
        return bool(value) and value != self.resource.status.last_handled_renewal

    @property
    def changed(self) -> bool:
        """A person changed, resumed or deleted the resource since the last attempt: that ends every wait for time to pass."""
        return self.resource.metadata.generation != self.resource.status.observed_generation

    @property
    def credential_changed(self) -> bool:
        """There is another credential than that of the last attempt: in the Secret, or in the row, as the mirror tells.

        Each word of the mirror's annotation is worth one attempt: what was read then may differ from it, where somebody else has
        written it, or the row has changed once more.
        """
        status = self.resource.status
        if self.in_secret:
            found = self.known.found_credential
            return found is not None and found != (status.observed_credential or "")
        told = self.annotation(ANNOTATION_CREDENTIAL)
        return bool(told) and told not in {status.observed_credential, status.last_handled_credential}

    @property
    def in_secret(self) -> bool:
        """The credential stands in a Secret, of whose changes nobody tells."""
        return self.resource.spec.credentials.source is CredentialSource.SECRET

    @property
    def backing_off(self) -> bool:
        """An attempt has failed, and the next one is not due yet. No backoff is as long as some that people have written."""
        again = self.resource.status.next_attempt_time
        if again is None or not self.now < again <= self.now + _LATEST_RETRY:
            return False
        return not self.changed and not (self.unauthorized and self.credential_changed)

    @property
    def unauthorized(self) -> bool:
        """The credential was at fault in the last attempt: another one may be better."""
        return self.resource.status.says(ConditionType.AUTHORIZED, "False")

    @property
    def held(self) -> bool:
        """Graph holds a subscription of ours, or may hold one."""
        status = self.resource.status
        return status.subscription_id is not None or status.pending_create_time is not None


def awaits_credentials(status: Status) -> bool:
    """Nobody has given a credential yet."""
    authorized = status.condition(ConditionType.AUTHORIZED)
    return authorized is not None and authorized.reason == Reason.AWAITING_CREDENTIALS.value


def blocked_reason(status: Status) -> Reason | None:
    """Why nothing is tried until a person acts; None: nothing waits for one."""
    if status.says(ConditionType.STALLED, "True"):
        return Reason.STALLED
    return Reason.AWAITING_CREDENTIALS if awaits_credentials(status) else None
