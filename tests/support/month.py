"""A month of one mailbox in virtual time: its mail, its notifications, and what the decision makes of them. No stores, no Graph."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from graphmail.decision import Action, Heard, Known, Policy, Reason, Rhythm, decide
from graphmail.resource import GraphMailSubscription
from graphmail.resource.moments import write_time

START = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday."""
HOUR = timedelta(hours=1)
COMPARED = timedelta(minutes=1)
"""The mirror tells of arrivals so often."""
ALWAYS = range(2**40)
"""In every minute something arrives in some other mailbox."""
Rate = Callable[[datetime], float]
"""Mails an hour that are to be expected at that moment."""


def office(an_hour: float, *, rest: float = 0.0) -> Rate:
    """Mail from eight to six on working days."""
    return lambda now: an_hour if now.weekday() < 5 and 8 <= now.hour < 18 else rest


def steady(an_hour: float) -> Rate:
    return lambda _: an_hour


def mails(rate: Rate, days: int, seed: int, *, burst: int = 1) -> list[datetime]:
    """When messages come: by chance, each time up to so many within a few minutes."""
    chance = random.Random(seed)
    found: list[datetime] = []
    now, end = START, START + timedelta(days=days)
    while now < end:
        for _ in range(_poisson(chance, rate(now))):
            first = now + HOUR * chance.random()
            found += [first + timedelta(minutes=2 * number) for number in range(chance.randint(1, burst))]
        now += HOUR
    return sorted(one for one in found if one < end)


def _poisson(chance: random.Random, mean: float) -> int:
    count, left = 0, chance.expovariate(1.0) if mean else 0.0
    while mean and left < mean:
        count, left = count + 1, left + chance.expovariate(1.0)
    return count


@dataclass
class Mailbox:
    """What becomes of one mailbox."""

    mail: list[datetime]
    dies: datetime | None = None
    """From then on nothing is delivered, until the subscription is replaced."""
    policy: Policy = field(default_factory=Policy)
    checks: list[datetime] = field(default_factory=list)
    replaced: list[datetime] = field(default_factory=list)

    def run(self, days: int) -> "Mailbox":
        """Every look at it."""
        end, now = START + timedelta(days=days), START
        resource, rhythm, notified = lasting(), None, None
        coming = iter(self.mail)
        arrival = next(coming, None)
        while now < end:
            while arrival is not None and arrival <= now - COMPARED:
                if self._delivers(arrival):
                    notified = arrival
                    rhythm = rhythm or Rhythm(arrival)
                    rhythm.saw(arrival)
                arrival = next(coming, None)
            known = Known(verified_at=now, notified_at=notified, heard=Heard(now, rhythm, taken=ALWAYS))
            decision = decide(resource, now=now, policy=self.policy, known=known)
            resource = self._act(resource, decision.action, decision.reason, now, notified)
            if decision.action is Action.NOTHING:
                now = min(decision.again_at, now + self.policy.tick)
        return self

    def _act(
        self, resource: GraphMailSubscription, action: Action, reason: Reason, now: datetime, notified: datetime | None
    ) -> GraphMailSubscription:
        if action is Action.CHECK_DELIVERY:
            self.checks.append(now)
            newest = max((one for one in self.mail if one <= now), default=None)
            return _with(resource, last_delivery_check_time=now, newest_message_time=newest)
        if action is Action.REPLACE:
            assert reason is Reason.SILENT_SUBSCRIPTION
            self.replaced.append(now)
            row = resource.status.subscriptions[0].model_copy(update={"since_time": now})
            return _with(resource, subscriptions=[row], silent_replacements=1)
        if action is Action.REPORT:
            return _with(resource, last_notification_time=notified)
        assert action is Action.NOTHING, (action, reason)
        return resource

    def _delivers(self, arrival: datetime) -> bool:
        dead = self.dies is not None and arrival >= self.dies
        return not dead or any(arrival > mended for mended in self.replaced)

    def most_checks_in_a_day(self) -> int:
        """Within any 24 hours."""
        day = timedelta(days=1)
        return max((sum(first <= one < first + day for one in self.checks) for first in self.checks), default=0)


def _with(resource: GraphMailSubscription, **status: Any) -> GraphMailSubscription:
    return resource.model_copy(update={"status": resource.status.model_copy(update=status)})


def lasting() -> GraphMailSubscription:
    later = write_time(START + timedelta(days=3650))
    row = {"folder": "inbox", "state": "Active", "subscriptionID": "sub", "expirationTime": later}
    return GraphMailSubscription.parse(
        {
            "metadata": {"name": "ann", "namespace": "mail", "uid": "u", "generation": 1},
            "spec": {
                "tenant": "t",
                "providerID": "p",
                "mailbox": "ann@example.com",
                "notificationURL": "https://app.example.com/hook",
            },
            "status": {
                "observedGeneration": 1,
                "subscriptionID": "sub",
                "expirationTime": later,
                "subscriptions": [{**row, "sinceTime": write_time(START)}],
                "conditions": [
                    {
                        "type": "Ready",
                        "status": "True",
                        "reason": "Subscribed",
                        "message": "",
                        "lastTransitionTime": write_time(START),
                    }
                ],
            },
        }
    )
