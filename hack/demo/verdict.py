"""Whether each provider ended as the scenario says, in Kubernetes, in Postgres and at the simulated Graph alike.

Every check derives from the scenario's table; each is one line that says what was expected, and what was found when that differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from demo import webhook
from demo.provider import Afterwards, Provider, SignIn
from demo.scenario import FORCED, PROVIDERS, WRITTEN_TO
from graphmail.graph import read_marker, without_marker
from graphmail.resource.conditions import ConditionType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from demo.filling import Before
    from demo.observed import Seen
    from graphsim.control_models import SubscriptionView

KUBERNETES, POSTGRES, GRAPH = "Kubernetes", "Postgres", "Graph"
LONG = timedelta(days=6)
"""A subscription that was made or renewed in the demo lasts longer than this; what the product made lasts less."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    place: str
    expected: str
    found: str
    ok: bool

    def line(self) -> str:
        """As it is shown."""
        verdict = "ok    " if self.ok else "FAILED"
        return f"  {verdict}  {self.place:<10}  {self.expected}" + ("" if self.ok else f"; found: {self.found}")


@dataclass(frozen=True, slots=True)
class Story:
    """What was done by hand in the demo, after the operator had settled."""

    forced: bool = False
    """The renewal of ``FORCED`` was asked for by annotation."""
    written: bool = False
    """A message has arrived for ``WRITTEN_TO``."""


def judge(provider: Provider, before: Before, seen: Seen, now: datetime, story: Story = Story()) -> list[Check]:
    """All checks of one provider."""
    return [
        *in_kubernetes(provider, before, seen),
        *_events(provider, seen, story),
        *_in_postgres(provider, before, seen, story),
        *_at_graph(provider, before, seen, now, story),
    ]


def in_kubernetes(provider: Provider, before: Before, seen: Seen) -> Iterator[Check]:
    """The resource's status and conditions."""
    expected, resource = provider.expected, seen.resource
    if resource is None:
        yield Check(KUBERNETES, "there is a GraphMailSubscription", "none", ok=False)
        return
    status = resource.status
    ready, authorized = status.condition(ConditionType.READY), status.condition(ConditionType.AUTHORIZED)
    yield _same(
        KUBERNETES,
        "condition Ready",
        f"{expected.ready} ({expected.reason})",
        f"{ready.status} ({ready.reason})" if ready else "absent",
    )
    yield _same(KUBERNETES, "condition Authorized", expected.authorized, authorized and authorized.status)
    yield _same(
        KUBERNETES,
        "condition Stalled",
        "True" if expected.stalled else None,
        _status_of(resource.status.condition(ConditionType.STALLED)),
    )
    yield _same(KUBERNETES, "spec.suspend", expected.reason == "Suspended", resource.spec.suspend)
    held = _wanted_id(provider, before, seen) if expected.held else None
    yield _same(KUBERNETES, "status.subscriptionID", held, status.subscription_id)
    yield _same(KUBERNETES, "consecutive failures", int(expected.result == "failure"), status.consecutive_failures)


def _events(provider: Provider, seen: Seen, story: Story) -> Iterator[Check]:
    expected = set(provider.expected.events)
    if provider is FORCED and story.forced:
        expected.add("Renewed")
    yield _same(KUBERNETES, "events", _listed(expected), _listed(seen.events))


def _in_postgres(provider: Provider, before: Before, seen: Seen, story: Story) -> Iterator[Check]:
    expected, row = provider.expected, seen.row
    subscription = _wanted_id(provider, before, seen)
    yield _same(POSTGRES, "webhook_subscription_id", subscription, row["webhook_subscription_id"])
    yield _same(POSTGRES, "webhook_expires_at is Graph's", _expiry(seen.at_graph), _whole(row["webhook_expires_at"]))
    yield _same(POSTGRES, "status of the provider", expected.provider_status, row["status"])
    if row["has_legacy"]:
        legacy = row["legacy_subscription_id"]
        yield _same(POSTGRES, "the older table agrees", row["webhook_subscription_id"], legacy)
    results = {row["last_renewal_result"] for row in seen.health}
    yield _same(
        POSTGRES, "last_renewal_result in every row of health", {expected.result} if seen.health else set(), results
    )
    if expected.result is not None:
        yield _same(POSTGRES, "rows of health", max(provider.health_rows, 1), len(seen.health))
    if provider.sign_in is SignIn.USER_STALE:
        rotated = row["refresh_token"] not in {None, before.refresh_token}
        yield Check(POSTGRES, "the refreshed token is stored", "the old one", ok=rotated)
    if provider is WRITTEN_TO and story.written:
        yield Check(POSTGRES, "the delivery is recorded", "none", ok=row["last_webhook_delivery_at"] is not None)
        yield _same(POSTGRES, "delivery_mode", "webhook", row["delivery_mode"])


def _at_graph(provider: Provider, before: Before, seen: Seen, now: datetime, story: Story) -> Iterator[Check]:
    expected, live = provider.expected, seen.at_graph
    count = 0 if expected.afterwards is Afterwards.NOTHING else 1
    yield _same(GRAPH, "live subscriptions by its tenant's app", count, len(live))
    for subscription in live:
        yield from _subscription(provider, before, subscription, now, story)
    yield _same(GRAPH, "calls were made for it", expected.called, seen.calls > 0)
    if provider.earlier and provider.earlier.lives and expected.afterwards is Afterwards.KEPT:
        yield _same(GRAPH, "seconds without cover since the start", 0.0, seen.coverage.uncovered_seconds)
    readers = sum(other.mailbox == provider.mailbox for other in PROVIDERS)
    yield _same(GRAPH, "stretches with a spare subscription", 0, len(seen.coverage.duplicates))
    if readers > 1:
        yield _same(GRAPH, "live subscriptions of the mailbox, one for each tenant", readers, seen.coverage.live)


def _subscription(
    provider: Provider, before: Before, subscription: SubscriptionView, now: datetime, story: Story
) -> Iterator[Check]:
    expected = provider.expected
    if expected.afterwards is Afterwards.KEPT:
        kept = before.subscription.id if before.subscription else None
        yield _same(GRAPH, "it kept its id", kept, subscription.id)
    elif expected.afterwards is Afterwards.NEW and before.subscription:
        yield _same(GRAPH, "its id is a new one", True, subscription.id != before.subscription.id)
    renewed = expected.marked or (provider is FORCED and story.forced)
    marker = read_marker(subscription.notification_url)
    yield _same(GRAPH, "provider in the URL's marker", provider.id if renewed else None, marker and marker.provider)
    path = without_marker(subscription.notification_url).endswith(webhook.PATH)
    yield Check(GRAPH, "it delivers to the product's route", subscription.notification_url, ok=path)
    yield _same(GRAPH, "it lasts six days and more", renewed, subscription.expires_at - now > LONG)


def _wanted_id(provider: Provider, before: Before, seen: Seen) -> str | None:
    """The id that status and row must name: what Graph holds, which is checked against the scenario by itself."""
    if provider.expected.afterwards is Afterwards.KEPT:
        return before.subscription.id if before.subscription else None
    return seen.at_graph[0].id if seen.at_graph else None


def _expiry(live: tuple[SubscriptionView, ...]) -> datetime | None:
    return _whole(live[0].expires_at) if live else None


def _whole(moment: datetime | None) -> datetime | None:
    """In whole seconds, as Kubernetes has times."""
    return None if moment is None else moment.replace(microsecond=0)


def _status_of(condition: Any) -> str | None:
    return None if condition is None else str(condition.status)


def _listed(reasons: Any) -> str:
    return ", ".join(sorted(set(reasons))) or "none"


def _same(place: str, what: str, expected: Any, found: Any) -> Check:
    return Check(place, f"{what}: {_shown(expected)}", _shown(found), ok=expected == found)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, set):
        return ", ".join(sorted(map(_shown, value))) or "there is none"
    return str(value)


def settled(before: Mapping[str, Before], seen: Mapping[str, Seen]) -> list[Provider]:
    """The providers whose resource is not yet as the scenario says."""
    return [
        provider
        for provider in PROVIDERS
        if not all(check.ok for check in in_kubernetes(provider, before[provider.id], seen[provider.id]))
    ]
