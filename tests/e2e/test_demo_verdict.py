"""The demo's verdict is worth something: it fails where nothing was done, and where the wrong thing was."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from demo.filling import Before, Subscribed
from demo.observed import Seen
from demo.provider import Afterwards, Provider
from demo.scenario import PROVIDERS, TENANTS
from demo.stack import CHECKOUT
from demo.verdict import GRAPH, POSTGRES, judge
from graphsim.control_models import CoverageView, SubscriptionView

NOW = datetime(2026, 3, 2, 9, 17, 11, tzinfo=UTC)


def before(provider: Provider) -> Before:
    if provider.earlier is None:
        return Before(None, "token")
    return Before(Subscribed("earlier", NOW + provider.earlier.left), "token")


def untouched(provider: Provider) -> Seen:
    """A provider as it was filled in, when no operator has ever run."""
    earlier = before(provider).subscription
    lives = provider.earlier is not None and provider.earlier.lives
    live = [subscription(provider, "earlier")] if lives else []
    return Seen(
        resource=None,
        events=(),
        row={
            "status": provider.provider_status,
            "webhook_subscription_id": earlier.id if earlier else None,
            "webhook_expires_at": earlier.expires_at if earlier else None,
            "refresh_token": "token",
            "has_legacy": False,
            "last_webhook_delivery_at": None,
            "delivery_mode": "polling" if provider.polling else "webhook",
        },
        health=tuple({"last_renewal_result": None} for _ in range(provider.health_rows)),
        at_graph=tuple(live),
        coverage=coverage(provider, len(live)),
        calls=0,
    )


def subscription(provider: Provider, subscription_id: str) -> SubscriptionView:
    assert provider.earlier is not None
    return SubscriptionView(
        id=subscription_id,
        mailbox=provider.mailbox,
        user_id="user",
        tenant_id=provider.tenant.directory,
        client_id=provider.tenant.client_id,
        delegated=provider.delegated,
        folder="inbox",
        resource="me/mailFolders('inbox')/messages",
        change_type="created",
        notification_url="https://desk.example/api/email/webhooks/microsoft",
        lifecycle_url=None,
        has_client_state=True,
        delivers=True,
        expires_at=NOW + provider.earlier.left,
        created_at=NOW,
        renewals=0,
        renewed_at=None,
    )


def coverage(provider: Provider, live: int) -> CoverageView:
    return CoverageView(
        mailbox=provider.mailbox,
        user_id="user",
        tenant_id=provider.tenant.directory,
        since=NOW,
        live=live,
        uncovered_seconds=0.0,
        gaps=[],
        duplicates=[],
        folders={},
    )


def failures(provider: Provider, seen: Seen, place: str) -> list[str]:
    checks = judge(provider, before(provider), seen, NOW + timedelta(seconds=9))
    return [check.line() for check in checks if check.place == place and not check.ok]


@pytest.mark.parametrize("provider", [one for one in PROVIDERS if one.expected.called], ids=lambda one: one.title)
def test_a_provider_that_nobody_has_cared_for_fails_in_every_place(provider: Provider) -> None:
    checks = judge(provider, before(provider), untouched(provider), NOW)
    assert {check.place for check in checks if not check.ok} == {"Kubernetes", POSTGRES, GRAPH}


@pytest.mark.parametrize("provider", [one for one in PROVIDERS if not one.expected.called], ids=lambda one: one.title)
def test_a_call_for_a_provider_that_is_to_be_left_alone_fails(provider: Provider) -> None:
    seen = untouched(provider)
    assert failures(provider, seen, GRAPH) == []
    [line] = failures(provider, replace(seen, calls=1), GRAPH)
    assert line == "  FAILED  Graph       calls were made for it: no; found: yes"


def test_a_kept_subscription_that_was_replaced_fails() -> None:
    provider = next(one for one in PROVIDERS if one.expected.afterwards is Afterwards.KEPT and one.expected.held)
    seen = replace(untouched(provider), at_graph=(subscription(provider, "another"),))
    lines = failures(provider, seen, GRAPH)
    assert "  FAILED  Graph       it kept its id: earlier; found: another" in lines


def test_a_spare_subscription_fails() -> None:
    provider = next(one for one in PROVIDERS if one.expected.afterwards is Afterwards.KEPT)
    pair = (subscription(provider, "earlier"), subscription(provider, "spare"))
    lines = failures(provider, replace(untouched(provider), at_graph=pair), GRAPH)
    assert "  FAILED  Graph       live subscriptions by its tenant's app: 1; found: 2" in lines


def test_the_scenario_is_three_tenants_and_a_dozen_providers_with_names_of_their_own() -> None:
    assert len(TENANTS) == 3
    assert len(PROVIDERS) >= 12
    assert (
        len({provider.id for provider in PROVIDERS})
        == len({provider.resource for provider in PROVIDERS})
        == len(PROVIDERS)
    )
    assert {provider.tenant for provider in PROVIDERS} == set(TENANTS)


def test_only_what_lived_before_is_expected_to_be_kept() -> None:
    kept = [provider for provider in PROVIDERS if provider.expected.afterwards is Afterwards.KEPT]
    assert kept
    assert all(provider.earlier is not None and provider.earlier.lives for provider in kept)


def test_the_documentation_tells_of_every_provider() -> None:
    text = (CHECKOUT / "docs" / "demo.md").read_text()
    table = [line for line in text.splitlines() if line.startswith("| ")][1:]
    told = [f"| {one.tenant.name.split()[0]} | `{one.mailbox}` | {one.story} | {one.becomes} |" for one in PROVIDERS]
    assert table == told
