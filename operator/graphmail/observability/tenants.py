"""The totals of a tenant: what is told where a series for each mailbox would be too much, and what graphs of tenants are drawn from."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from graphmail.observability import families
from graphmail.observability.families import Family
from graphmail.observability.standing import Standing, State
from graphmail.resource import Status
from graphmail.resource.conditions import ConditionType

Sample = tuple[Family, tuple[str, ...], int]
"""A metric, the values of its labels, and its value."""


@dataclass(slots=True)
class Tenant:
    """What is known of one tenant's mailboxes. Moments and failures are of those alone that are to be covered."""

    counts: Counter[tuple[State, str]] = field(default_factory=Counter)
    unready: dict[tuple[State, str], datetime] = field(default_factory=dict)
    uncovered: dict[str, datetime] = field(default_factory=dict)
    expiration: datetime | None = None
    renewal: datetime | None = None
    notification: datetime | None = None
    unheard: datetime | None = None
    failures: int = 0
    silent: Counter[str] = field(default_factory=Counter)

    def add(
        self,
        standing: Standing,
        status: Status,
        *,
        expiration: datetime | None,
        uncovered: datetime | None,
        unheard: datetime | None,
        failures: int,
    ) -> None:
        """One more mailbox of it."""
        kind = (standing.state, standing.reason)
        self.counts[kind] += 1
        if standing.since is not None:
            self.unready[kind] = _earlier(self.unready.get(kind), standing.since)
        if not standing.expects_cover:
            return
        delivering = status.condition(ConditionType.DELIVERING)
        if delivering is not None and delivering.status == "False":
            self.silent[delivering.reason] += 1
        if uncovered is not None:
            self.uncovered[standing.reason] = _earlier(self.uncovered.get(standing.reason), uncovered)
        if expiration is not None:
            self.expiration = _earlier(self.expiration, expiration)
        if status.next_renewal_time is not None:
            self.renewal = _earlier(self.renewal, status.next_renewal_time)
        if unheard is not None:
            self.unheard = _earlier(self.unheard, unheard)
        notified = status.last_notification_time
        if notified is not None and (self.notification is None or notified > self.notification):
            self.notification = notified
        self.failures = max(self.failures, failures)

    def samples(self, namespace: str, tenant: str) -> Iterator[Sample]:
        """Its series."""
        labels = (namespace, tenant)
        for (state, reason), number in self.counts.items():
            yield families.TENANT_SUBSCRIPTIONS, (*labels, state.value, reason), number
        for (state, reason), since in self.unready.items():
            yield families.TENANT_UNREADY, (*labels, state.value, reason), int(since.timestamp())
        for reason, since in self.uncovered.items():
            yield families.TENANT_UNCOVERED, (*labels, reason), int(since.timestamp())
        for family, moment in (
            (families.TENANT_EXPIRATION, self.expiration),
            (families.TENANT_RENEWAL, self.renewal),
            (families.TENANT_NOTIFICATION, self.notification),
            (families.TENANT_UNHEARD, self.unheard),
        ):
            if moment is not None:
                yield family, labels, int(moment.timestamp())
        yield families.TENANT_FAILURES, labels, self.failures
        for reason, number in self.silent.items():
            yield families.TENANT_SILENT, (*labels, reason), number


def _earlier(known: datetime | None, moment: datetime) -> datetime:
    return moment if known is None else min(known, moment)
