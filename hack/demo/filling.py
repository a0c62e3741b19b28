"""Fills Postgres and the simulated Graph with the scenario, as the product and its users would have left them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
from psycopg.rows import TupleRow

from demo import webhook
from demo.provider import Provider, SignIn, Tenant
from demo.scenario import PROVIDERS, TENANTS
from graphsim.client import SimulatorControl
from graphsim.control_models import GrantView, Health, NewApp, NewGrant, NewMailbox, NewTenant, Seed

SECRET = "demo-app-secret"  # noqa: S105  # of simulated apps, which open nothing
Connection = psycopg.Connection[TupleRow]

_TENANT = "INSERT INTO tenants (tenant, client_name, email) VALUES (%s, %s, %s)"
_PROVIDER = """
INSERT INTO email_providers (id, tenant, provider_type, provider_name, mailbox, is_active, status, inbound_paused_at, inbound_pause_reason)
VALUES (%(id)s, %(tenant)s, 'microsoft', %(name)s, %(mailbox)s, %(active)s, %(status)s,
        CASE WHEN %(paused)s::text IS NOT NULL THEN now() END, %(paused)s)
"""
_CONFIG = """
INSERT INTO microsoft_email_provider_config
  (email_provider_id, tenant, client_id, client_secret, tenant_id, redirect_uri, access_token, refresh_token, token_expires_at,
   webhook_subscription_id, webhook_expires_at, webhook_verification_token, delivery_mode)
VALUES (%(id)s, %(tenant)s, %(client_id)s, %(client_secret)s, %(directory)s, %(redirect_uri)s, %(access_token)s, %(refresh_token)s,
        %(token_expires_at)s, %(subscription)s, %(expires_at)s, %(client_state)s, %(delivery_mode)s)
"""
_HEALTH = "INSERT INTO email_provider_health (tenant, provider_id, provider_type) VALUES (%s, %s, 'microsoft')"
_LEGACY = """
INSERT INTO email_provider_configs
  (id, tenant, name, provider_type, mailbox, webhook_subscription_id, webhook_expires_at, connection_status)
VALUES (%(id)s, %(tenant)s, %(name)s, 'microsoft', %(mailbox)s, %(subscription)s, %(expires_at)s, 'connected')
"""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription that the product made: its id, and when it expires."""

    id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Before:
    """How a provider's row began."""

    subscription: Subscribed | None
    refresh_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Filler:
    """Fills both."""

    control: SimulatorControl = field(repr=False)
    database_url: str
    application_url: str

    def fill(self) -> dict[str, Before]:
        """Make all providers, and tell how each began, by its id. The simulator's log and accounts then start anew.

        Raises:
            httpx.HTTPError: the simulated Graph refused a subscription.
        """
        seeded = self.control.seed(_seed())
        grants = {(grant.mailbox, grant.client_id): grant for grant in seeded.grants}
        with psycopg.connect(self.database_url) as connection, _Product(self.control.health()) as product:
            for tenant in TENANTS:
                connection.execute(_TENANT, [tenant.id, tenant.name, f"it@{tenant.domain}"])
            before = {
                provider.id: self._add(connection, product, provider, grants.get(_consent(provider)))
                for provider in PROVIDERS
            }
        for provider in PROVIDERS:
            if provider.sign_in is SignIn.USER_REVOKED:
                self.control.revoke_grant(provider.mailbox, client_id=provider.tenant.client_id)
        self.control.clear_requests()
        self.control.watch()
        return before

    def _add(self, connection: Connection, product: _Product, provider: Provider, grant: GrantView | None) -> Before:
        subscription = self._subscription(product, provider, grant)
        row = {
            **_row(provider),
            **_tokens(provider, grant),
            "subscription": subscription.id if subscription else None,
            "expires_at": subscription.expires_at if subscription else None,
        }
        connection.execute(_PROVIDER, row)
        connection.execute(_CONFIG, row)
        for _ in range(provider.health_rows):
            connection.execute(_HEALTH, [provider.tenant.id, provider.id])
        if subscription:
            connection.execute(_LEGACY, row)
        return Before(subscription, row["refresh_token"])

    def _subscription(self, product: _Product, provider: Provider, grant: GrantView | None) -> Subscribed | None:
        if provider.earlier is None:
            return None
        expires_at = datetime.now(UTC) + provider.earlier.left
        if not provider.earlier.lives:
            return Subscribed(provider.earlier_id, expires_at)
        token = grant.access_token if grant else product.app_token(provider.tenant)
        owner = "me" if grant else f"users/{provider.mailbox}"
        return product.subscribe(
            token or "",
            {
                "changeType": "created",
                "notificationUrl": f"{self.application_url}{webhook.PATH}",
                "resource": f"{owner}/mailFolders('inbox')/messages",
                "expirationDateTime": expires_at.isoformat(),
                "clientState": _client_state(provider),
            },
        )


class _Product:
    """The product itself, in the time before the operator: it subscribes without a marker."""

    def __init__(self, where: Health) -> None:
        self._where = where
        context = ssl.create_default_context(cafile=where.ca_path)
        self._client = httpx.Client(verify=context, trust_env=False)

    def __enter__(self) -> _Product:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def app_token(self, tenant: Tenant) -> str:
        """A token for the tenant's app itself."""
        form = {
            "grant_type": "client_credentials",
            "client_id": tenant.client_id,
            "client_secret": SECRET,
            "scope": f"{self._where.graph_url.removesuffix('/v1.0')}/.default",
        }
        answer = self._client.post(f"{self._where.login_url}/{tenant.directory}/oauth2/v2.0/token", data=form)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def subscribe(self, token: str, body: dict[str, Any]) -> Subscribed:
        """A subscription, made by Graph's own API: the handshake with the webhook takes place."""
        headers = {"Authorization": f"Bearer {token}"}
        answer = self._client.post(f"{self._where.graph_url}/subscriptions", json=body, headers=headers)
        answer.raise_for_status()
        made = answer.json()
        return Subscribed(made["id"], datetime.fromisoformat(made["expirationDateTime"]))


def _seed() -> Seed:
    mailboxes = {provider.mailbox: _owner(provider).directory for provider in PROVIDERS}
    return Seed(
        tenants=[NewTenant(name=tenant.name, id=tenant.directory, domain=tenant.domain) for tenant in TENANTS],
        apps=[NewApp(name=f"{tenant.name} mail", client_id=tenant.client_id, secret=SECRET) for tenant in TENANTS],
        mailboxes=[NewMailbox(upn=mailbox, tenant=directory) for mailbox, directory in mailboxes.items()],
        grants=[
            NewGrant(mailbox=provider.mailbox, client_id=provider.tenant.client_id)
            for provider in PROVIDERS
            if provider.delegated
        ],
    )


def _owner(provider: Provider) -> Tenant:
    """The tenant in whose Entra directory the mailbox is: not always the one that reads it."""
    return next(tenant for tenant in TENANTS if provider.mailbox.endswith(f"@{tenant.domain}"))


def _consent(provider: Provider) -> tuple[str, str]:
    return provider.mailbox, provider.tenant.client_id


def _client_state(provider: Provider) -> str:
    return f"state-{provider.id}"


def _row(provider: Provider) -> dict[str, Any]:
    return {
        "id": provider.id,
        "tenant": provider.tenant.id,
        "name": f"{provider.mailbox} ({provider.tenant.name})",
        "mailbox": provider.mailbox,
        "active": provider.active,
        "status": provider.provider_status,
        "paused": provider.paused,
        "client_id": provider.tenant.client_id,
        "client_secret": SECRET,
        "directory": "common" if provider.sign_in is SignIn.NOTHING else _owner(provider).directory,
        "redirect_uri": f"https://desk.{provider.tenant.domain}/api/auth/microsoft/callback",
        "client_state": _client_state(provider) if provider.earlier else None,
        "delivery_mode": "polling" if provider.polling else "webhook",
    }


def _tokens(provider: Provider, grant: GrantView | None) -> dict[str, Any]:
    """The row's tokens. Both the stale one's and the revoked one's access token have run out: sign-in must be asked."""
    if grant is None:
        return {"access_token": None, "refresh_token": None, "token_expires_at": None}
    valid = provider.sign_in is SignIn.USER
    return {
        "access_token": grant.access_token,
        "refresh_token": grant.refresh_token,
        "token_expires_at": grant.access_token_expires_at if valid else datetime.now(UTC) - timedelta(hours=2),
    }
