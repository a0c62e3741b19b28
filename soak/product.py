"""What the product and its customers do meanwhile: rows change, consents come and go."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from graphsim.client import SimulatorControl
from graphsim.control_models import GrantView
from rig.filling import CLIENT_ID, SECRET
from rig.parts import Parts
from rig.population import Customer, Mailbox

_PROVIDER = """
INSERT INTO email_providers (id, tenant, provider_type, provider_name, mailbox, is_active, status)
VALUES (%(id)s, %(tenant)s, 'microsoft', %(mailbox)s, %(mailbox)s, true, 'connected')"""
_CONFIG = """
INSERT INTO microsoft_email_provider_config
  (email_provider_id, tenant, client_id, client_secret, tenant_id, redirect_uri, access_token, refresh_token, token_expires_at)
VALUES (%(id)s, %(tenant)s, %(client_id)s, %(secret)s, %(directory)s, 'https://desk.example.com/callback', %(access_token)s,
        %(refresh_token)s, %(token_expires_at)s)"""
_CONSENT = """
UPDATE microsoft_email_provider_config SET access_token = %(access_token)s, refresh_token = %(refresh_token)s,
  token_expires_at = %(token_expires_at)s, updated_at = now()
WHERE tenant = %(tenant)s AND email_provider_id = %(id)s"""
_PAUSE = """
UPDATE email_providers SET inbound_paused_at = %(at)s, inbound_pause_reason = CASE WHEN %(at)s::timestamptz IS NOT NULL THEN 'manual' END,
  updated_at = now() WHERE tenant = %(tenant)s AND id = %(id)s"""
_DELETE = (
    "DELETE FROM microsoft_email_provider_config WHERE tenant = %(tenant)s AND email_provider_id = %(id)s",
    "DELETE FROM email_provider_health WHERE tenant = %(tenant)s AND provider_id = %(id)s::text",
    "DELETE FROM email_providers WHERE tenant = %(tenant)s AND id = %(id)s",
)
_CLAIMS = "SELECT count(*) FROM graphmail.claims WHERE until > now() AND begun_at < %(before)s"
_END_CLAIMS = "UPDATE graphmail.claims SET until = now() WHERE until > now() AND holder LIKE %(holder)s"


@dataclass(slots=True)
class Product:
    """The product's database, and Microsoft as its customers and administrators see it."""

    parts: Parts
    control: SimulatorControl
    chance: random.Random
    secrets: list[str] = field(default_factory=lambda: [SECRET])
    """Of the app, the first one first."""

    def _run(self, *statements: str, **values: Any) -> None:
        with psycopg.connect(self.parts.database_url) as connection:
            for statement in statements:
                connection.execute(statement, values)

    def add(self, number: int, customer: Customer, now: float) -> Mailbox:
        """Somebody connects a mailbox; nothing subscribes it but the operator."""
        moment = datetime.fromtimestamp(now, UTC)
        mailbox = Mailbox(number, customer, moment, moment)
        self.control.add_mailbox(customer.directory, mailbox.address)
        grant = self.control.add_grant(mailbox.address, CLIENT_ID)
        values = {"mailbox": mailbox.address, "client_id": CLIENT_ID, "secret": self.secrets[-1]}
        self._run(_PROVIDER, _CONFIG, **values, **_row(mailbox), **_tokens(grant), directory=customer.directory)
        return mailbox

    def delete(self, mailbox: Mailbox) -> None:
        """Somebody removes a provider."""
        self._run(*_DELETE, **_row(mailbox))

    def pause(self, mailbox: Mailbox) -> None:
        """Somebody pauses a provider."""
        self._run(_PAUSE, **_row(mailbox), at=datetime.now(UTC))

    def resume(self, mailbox: Mailbox) -> None:
        """And takes it up again."""
        self._run(_PAUSE, **_row(mailbox), at=None)

    def revoke(self, mailbox: Mailbox) -> None:
        """An administrator of the customer takes the consent back; the product is not told."""
        self.control.revoke_grant(mailbox.address, client_id=CLIENT_ID)

    def consent(self, mailbox: Mailbox) -> None:
        """A user signs in again, and the product stores what came of it."""
        self._run(_CONSENT, **_row(mailbox), **_tokens(self.control.add_grant(mailbox.address, CLIENT_ID)))

    def add_secret(self, *, old_dies: bool) -> str:
        """The app gets a new secret; the old one stays good as well unless it dies."""
        fresh = f"{SECRET}-{len(self.secrets)}"
        self.control.change_app(CLIENT_ID, secrets=[fresh] if old_dies else [self.secrets[-1], fresh])
        self.secrets.append(fresh)
        return fresh

    def store_secret(self) -> None:
        """The product learns the newest secret."""
        self._run(
            "UPDATE microsoft_email_provider_config SET client_secret = %(secret)s, updated_at = now()",
            secret=self.secrets[-1],
        )

    def end_old_secret(self) -> None:
        """Only the newest secret is good."""
        self.control.change_app(CLIENT_ID, secrets=[self.secrets[-1]])

    def lose(self, candidates: Iterable[Mailbox]) -> Mailbox | None:
        """A subscription vanishes at Graph, and nobody is told. Whose; None when there was none to lose."""
        for mailbox in candidates:
            held = self.control.subscriptions(mailbox=mailbox.address)
            if held:
                self.control.drop_subscription(self.chance.choice(held).id)
                return mailbox
        return None

    def silence(self, candidates: Iterable[Mailbox]) -> Mailbox | None:
        """A subscription delivers nothing from now on, and is alive in every answer. Whose; None when all are silent already."""
        return next((mailbox for mailbox in candidates if self.control.silence(mailbox=mailbox.address)), None)

    def claims_before(self, moment: datetime) -> int:
        """Claims that were made before a moment, in real time, and hold: they are given back soon, or run out within two minutes."""
        with psycopg.connect(self.parts.database_url) as connection:
            [[count]] = connection.execute(_CLAIMS, {"before": moment}).fetchall()
        return int(count)

    def let_claims_run_out(self, pid: int) -> None:
        """What the claims of a killed process would do within two real minutes: nobody is left who could act under them."""
        self._run(_END_CLAIMS, holder=f"%-{pid}-%")


def _row(mailbox: Mailbox) -> dict[str, Any]:
    return {"tenant": mailbox.customer.tenant, "id": mailbox.provider_id}


def _tokens(grant: GrantView) -> dict[str, Any]:
    return {
        "access_token": grant.access_token,
        "refresh_token": grant.refresh_token,
        "token_expires_at": grant.access_token_expires_at,
    }
