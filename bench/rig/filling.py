"""Puts the mailboxes of a bench everywhere they stand after days of ordinary work: at Graph, in Postgres, and as resources.

What the operator itself writes is written by its own code, with its own field managers, so that it finds what it would have left.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from graphmail.cluster import Cluster, load_configuration
from graphmail.decision import Policy
from graphmail.graph import Marker, add_marker
from graphmail.mirror.desired import Template, desired
from graphmail.provider import Provider, client_state_fingerprint
from graphmail.reconciler.result import Deed, Held, Result
from graphmail.reconciler.status import Surroundings, status_after, status_body
from graphmail.resource import GraphMailSubscription
from graphmail.resource.names import MIRROR, OPERATOR
from graphsim.client import SimulatorControl
from graphsim.control_models import GrantView, NewApp, NewGrant, NewMailbox, NewSubscription, NewTenant, Seed
from rig.parts import INSTALLATION, Parts
from rig.population import Customer, Mailbox

CLIENT_ID = "00000000-0000-4000-8000-00000000be0c"
"""The product's one app, which all customers have consented to: its quota is what all share."""
SECRET = "bench-app-secret"  # noqa: S105  # of a simulated app, which opens nothing
NOTIFICATION_URL = "https://desk.example.com/api/email/webhooks/microsoft"
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a user's consent gave the product."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime


def fill_graph(control: SimulatorControl, mailboxes: Sequence[Mailbox]) -> Mapping[str, Tokens]:
    """A new world at Microsoft with these mailboxes, a consent and a subscription each. The tokens, by address."""
    control.reset(keep_settings=True)
    customers = list(dict.fromkeys(mailbox.customer for mailbox in mailboxes))
    now = datetime.fromtimestamp(control.clock().now.timestamp(), UTC)
    seeded = control.seed(
        Seed(
            tenants=[_entra_tenant(customer) for customer in customers],
            apps=[NewApp(name="desk", client_id=CLIENT_ID, secret=SECRET)],
            mailboxes=[NewMailbox(upn=mailbox.address, tenant=mailbox.customer.directory) for mailbox in mailboxes],
            grants=[NewGrant(mailbox=mailbox.address, client_id=CLIENT_ID) for mailbox in mailboxes],
            subscriptions=[_subscription(mailbox, now) for mailbox in mailboxes],
        )
    )
    control.clear_requests()
    control.watch()
    return {grant.mailbox: _tokens(grant) for grant in seeded.grants}


def _entra_tenant(customer: Customer) -> NewTenant:
    return NewTenant(name=customer.domain, id=customer.directory, domain=customer.domain)


def notification_url(mailbox: Mailbox) -> str:
    """Where Graph delivers for it: with the operator's marker, as after any renewal."""
    return add_marker(NOTIFICATION_URL, Marker(INSTALLATION, mailbox.provider_id, "inbox"))


def _subscription(mailbox: Mailbox, now: datetime) -> NewSubscription:
    return NewSubscription(
        id=mailbox.subscription_id,
        mailbox=mailbox.address,
        client_id=CLIENT_ID,
        notification_url=notification_url(mailbox),
        minutes=(mailbox.expires_at - now).total_seconds() / 60,
        delegated=True,
        client_state=mailbox.client_state,
    )


def _tokens(grant: GrantView) -> Tokens:
    if not grant.access_token or not grant.refresh_token or grant.access_token_expires_at is None:
        raise AssertionError("a consent gives tokens")
    return Tokens(grant.access_token, grant.refresh_token, grant.access_token_expires_at)


# --- Postgres --------------------------------------------------------------------------------------------------------

_TENANT = "INSERT INTO tenants (tenant, client_name, email) VALUES (%s, %s, %s)"
_ROWS = (
    """INSERT INTO email_providers (id, tenant, provider_type, provider_name, mailbox, is_active, status, updated_at)
       VALUES (%(id)s, %(tenant)s, 'microsoft', %(mailbox)s, %(mailbox)s, true, 'connected', %(granted_at)s)""",
    """INSERT INTO microsoft_email_provider_config
         (email_provider_id, tenant, client_id, client_secret, tenant_id, redirect_uri, access_token, refresh_token, token_expires_at,
          webhook_subscription_id, webhook_expires_at, last_subscription_renewal, webhook_verification_token, delivery_mode, updated_at)
       VALUES (%(id)s, %(tenant)s, %(client_id)s, %(client_secret)s, %(directory)s, 'https://desk.example.com/callback', %(access_token)s,
               %(refresh_token)s, %(token_expires_at)s, %(subscription)s, %(expires_at)s, %(granted_at)s, %(client_state)s, 'webhook',
               %(granted_at)s)""",
    """INSERT INTO email_provider_health
         (tenant, provider_id, provider_type, subscription_status, subscription_expires_at, last_renewal_attempt_at, last_renewal_result)
       VALUES (%(tenant)s, %(id)s::text, 'microsoft', 'healthy', %(expires_at)s, %(granted_at)s, 'success')""",
    """INSERT INTO graphmail.provider_state (tenant, provider_id, subscription_id, expires_at, recorded_at)
       VALUES (%(tenant)s, %(id)s, %(subscription)s, %(expires_at)s, %(granted_at)s)""",
    """INSERT INTO graphmail.claims (tenant, provider_id, holder, token, begun_at)
       VALUES (%(tenant)s, %(id)s, 'an earlier process', 1, %(granted_at)s)""",
)


def fill_postgres(parts: Parts, mailboxes: Sequence[Mailbox], tokens: Mapping[str, Tokens]) -> None:
    """A fresh database with the rows of these mailboxes, as the product and the operator have left them."""
    parts.fresh_database()
    rows = [_row(mailbox, tokens[mailbox.address]) for mailbox in mailboxes]
    with psycopg.connect(parts.database_url) as connection, connection.cursor() as cursor:
        for customer in dict.fromkeys(mailbox.customer for mailbox in mailboxes):
            cursor.execute(_TENANT, [customer.tenant, customer.domain, f"it@{customer.domain}"])
        for statement in _ROWS:
            cursor.executemany(statement, rows)
    with psycopg.connect(parts.database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _row(mailbox: Mailbox, tokens: Tokens) -> dict[str, Any]:
    return {
        "id": mailbox.provider_id,
        "tenant": mailbox.customer.tenant,
        "mailbox": mailbox.address,
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
        "directory": mailbox.customer.directory,
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "token_expires_at": tokens.expires_at,
        "subscription": mailbox.subscription_id,
        "expires_at": mailbox.expires_at,
        "granted_at": mailbox.granted_at,
        "client_state": mailbox.client_state,
    }


# --- Kubernetes ------------------------------------------------------------------------------------------------------


def fill_kubernetes(parts: Parts, namespace: str, mailboxes: Sequence[Mailbox]) -> None:
    """A fresh namespace with the resources of these mailboxes, as the mirror and the reconciler have left them."""
    parts.fresh_namespace(namespace)
    asyncio.run(_apply_all(parts, namespace, mailboxes, _Resources(namespace)))


def fill_kubernetes_plainly(parts: Parts, namespace: str, mailboxes: Sequence[Mailbox], finalizer: str) -> None:
    """The same resources as another operator has left them: with its finalizer, without what is ours alone."""
    parts.fresh_namespace(namespace)
    asyncio.run(_apply_all(parts, namespace, mailboxes, _Resources(namespace, finalizer)))


@dataclass(frozen=True, slots=True)
class _Resources:
    namespace: str
    finalizer: str | None = None
    """Another operator's; None: ours."""

    def body(self, mailbox: Mailbox) -> dict[str, Any]:
        body = desired(_provider(mailbox), None, Template(self.namespace, NOTIFICATION_URL))
        if self.finalizer is not None:
            body["metadata"]["finalizers"] = [self.finalizer]
        return body


async def _apply_all(parts: Parts, namespace: str, mailboxes: Sequence[Mailbox], resources: _Resources) -> None:
    configuration = load_configuration(str(parts.cluster.kubeconfig))
    async with Cluster(configuration, namespace, connections=_AT_ONCE) as cluster:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def fill(mailbox: Mailbox) -> None:
            async with limit:
                made = await cluster.apply(resources.body(mailbox), manager=MIRROR)
                resource = GraphMailSubscription.parse(made)
                await cluster.apply_status(_status(resource, mailbox), manager=OPERATOR)

        await asyncio.gather(*map(fill, mailboxes))


def _provider(mailbox: Mailbox) -> Provider:
    return Provider(
        key=mailbox.key,
        mailbox=mailbox.address,
        active=True,
        pause_reason=None,
        polling=False,
        folders=(),
        subscription_id=None,  # its resource knows it already: there is nothing to adopt
        expires_at=None,
        credential="",
        last_notification_at=None,
        updated_at=mailbox.granted_at,
    )


def _status(resource: GraphMailSubscription, mailbox: Mailbox) -> dict[str, Any]:
    held = Held(
        mailbox.subscription_id,
        mailbox.expires_at,
        notification_url(mailbox),
        mailbox.granted_at,
        client_state=client_state_fingerprint(mailbox.client_state),
    )
    around = Surroundings(now=mailbox.granted_at, policy=Policy(), synced=True)
    result = Result(Deed.RENEW, held, granted=True, observed_credential="bench")
    status = status_after(resource, resource.spec.folders[0], result, around)
    return status_body(resource, status)
