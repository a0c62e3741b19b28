"""A client of the control API: typed, synchronous, for the command line, for tests and for the demo."""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel

from graphsim import control_mail_models as c
from graphsim import control_models as m
from graphsim import control_run_models as r
from graphsim.grants import RevocationReason
from graphsim.settings import SimulatorSettings

CONTROL_URL_VARIABLE = "GRAPHSIM_CONTROL_URL"
_View = TypeVar("_View", bound=BaseModel)


class ControlError(Exception):
    """The simulator refused, or could not be reached; the text says why and what to do."""


class SimulatorControl:
    """Controls a running simulator. Every method raises ControlError when the simulator refuses or is away.

    References to a mailbox are its UPN or user id, to a tenant its id or domain.
    """

    def __init__(self, control_url: str, *, timeout: float = 60.0) -> None:
        """`timeout` is in real seconds. The environment's proxies and certificates are left out of it."""
        self._client = httpx.Client(base_url=control_url, timeout=timeout, trust_env=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "SimulatorControl":
        """Use the URL in GRAPHSIM_CONTROL_URL; raises ControlError when it is not set."""
        url = (os.environ if environment is None else environment).get(CONTROL_URL_VARIABLE)
        if not url:
            raise ControlError(f"{CONTROL_URL_VARIABLE} is not set: it names the simulator's control URL")
        return cls(url)

    def __enter__(self) -> "SimulatorControl":
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # -- the world -----------------------------------------------------------------------------------------------

    def health(self) -> m.Health:
        """Ask where everything is."""
        return self._one(m.Health, "GET", "/healthz")

    def seed(self, seed: m.Seed | Mapping[str, Any]) -> m.Seeded:
        """Add a whole world in one call; the answer holds the secrets and the tokens that were made."""
        body = seed if isinstance(seed, m.Seed) else m.Seed.model_validate(seed)
        return self._one(m.Seeded, "POST", "/seed", body)

    def reset(self, *, keep_settings: bool = False) -> m.Health:
        """Forget everything but the clock and the certificate authority."""
        return self._one(m.Health, "POST", "/reset", r.ResetRequest(keep_settings=keep_settings))

    def tenants(self) -> list[m.TenantView]:
        """Ask for the tenants."""
        return self._many(m.TenantView, "/tenants")

    def add_tenant(self, name: str, **fields: Any) -> m.TenantView:
        """Add a tenant; `fields` as in NewTenant: id, domain, ceiling_minutes."""
        return self._one(m.TenantView, "POST", "/tenants", m.NewTenant(name=name, **fields))

    def apps(self) -> list[m.AppView]:
        """Ask for the apps."""
        return self._many(m.AppView, "/apps")

    def add_app(self, name: str = "app", **fields: Any) -> m.AppView:
        """Add an app; `fields` as in NewApp: client_id, secret, tenants, roles, public, certificates. The answer holds the secret."""
        return self._one(m.AppView, "POST", "/apps", m.NewApp(name=name, **fields))

    def change_app(self, client_id: str, **fields: Any) -> m.AppView:
        """Change an app; `fields` as in AppChange: enabled, secrets, expire_secrets, certificates, federations, public, roles."""
        return self._one(m.AppView, "PATCH", "/apps", m.AppChange(client_id=client_id, **fields))

    def mailboxes(self, *, mailbox: str | None = None, tenant: str | None = None) -> list[m.MailboxView]:
        """Ask for mailboxes."""
        return self._many(m.MailboxView, "/mailboxes", m.MailboxFilter(mailbox=mailbox, tenant=tenant))

    def add_mailbox(self, tenant: str, upn: str, **fields: Any) -> m.MailboxView:
        """Add a mailbox; `fields` as in NewMailbox: user_id, enabled, folders, watched, watched_folders."""
        return self._one(m.MailboxView, "POST", "/mailboxes", m.NewMailbox(tenant=tenant, upn=upn, **fields))

    def change_mailbox(self, mailbox: str, **fields: Any) -> m.MailboxView:
        """Change a mailbox; `fields` as in MailboxChange: enabled, add_folders, denied_clients, delivery_delay_seconds."""
        return self._one(m.MailboxView, "PATCH", "/mailboxes", m.MailboxChange(mailbox=mailbox, **fields))

    def grants(self) -> list[m.GrantView]:
        """Ask for the delegated grants."""
        return self._many(m.GrantView, "/grants")

    def add_grant(self, mailbox: str, client_id: str, *, scopes: Sequence[str] | None = None) -> m.GrantView:
        """Let a user sign in and consent; the answer holds a refresh token and an access token."""
        body = m.NewGrant(mailbox=mailbox, client_id=client_id, scopes=None if scopes is None else list(scopes))
        return self._one(m.GrantView, "POST", "/grants", body)

    def revoke_grant(
        self,
        mailbox: str | None = None,
        *,
        client_id: str | None = None,
        grant_id: str | None = None,
        reason: RevocationReason = "revoked",
        removes: bool | None = None,
    ) -> int:
        """End the grants of a mailbox (of one app, when named) or one by id, and with `removes` the subscriptions; answer how many."""
        body = m.GrantRevocation(
            mailbox=mailbox, client_id=client_id, grant_id=grant_id, reason=reason, removes=removes
        )
        return self._one(m.Removed, "POST", "/grants/revoke", body).count

    # -- subscriptions, messages, coverage -----------------------------------------------------------------------

    def subscriptions(
        self, *, mailbox: str | None = None, tenant: str | None = None, client_id: str | None = None
    ) -> list[m.SubscriptionView]:
        """Ask for the live subscriptions, the oldest first."""
        which = m.SubscriptionFilter(mailbox=mailbox, tenant=tenant, client_id=client_id)
        return self._many(m.SubscriptionView, "/subscriptions", which)

    def ended_subscriptions(self) -> list[m.EndedView]:
        """Ask for the last subscriptions that ended, and why."""
        return self._many(m.EndedView, "/subscriptions/ended")

    def add_subscription(
        self, mailbox: str, client_id: str, notification_url: str, **fields: Any
    ) -> m.SubscriptionView:
        """Put a subscription into the world without handshake or checks; `fields` as in NewSubscription."""
        body = m.NewSubscription(mailbox=mailbox, client_id=client_id, notification_url=notification_url, **fields)
        return self._one(m.SubscriptionView, "POST", "/subscriptions", body)

    def drop_subscription(self, subscription_id: str) -> None:
        """Let a live subscription vanish silently."""
        self._one(m.Removed, "POST", f"/subscriptions/{subscription_id}/drop")

    def remove_subscription(self, subscription_id: str) -> None:
        """End a live subscription as Graph does when it removes one: its lifecycle URL is told."""
        self._one(m.Removed, "POST", f"/subscriptions/{subscription_id}/remove")

    def send_message(self, mailbox: str, *, folder: str = "inbox", subject: str = "A message") -> m.MessageView:
        """Let a message arrive; the answer says what came of the first attempt at each endpoint."""
        body = m.NewMessage(mailbox=mailbox, folder=folder, subject=subject)
        return self._one(m.MessageView, "POST", "/messages", body)

    def deliveries(self, *, mailbox: str | None = None, tenant: str | None = None) -> list[m.DeliveryView]:
        """Ask for the last notifications and the attempts to deliver them."""
        return self._many(m.DeliveryView, "/deliveries", m.MailboxFilter(mailbox=mailbox, tenant=tenant))

    def coverage(self, *, mailbox: str | None = None, tenant: str | None = None) -> list[m.CoverageView]:
        """Ask for the coverage accounts of the watched mailboxes."""
        return self._many(m.CoverageView, "/coverage", m.MailboxFilter(mailbox=mailbox, tenant=tenant))

    def watch(
        self, mailboxes: Sequence[str] | None = None, *, watched: bool = True, folders: Sequence[str] = ()
    ) -> int:
        """Start coverage accounts anew from now (all of them for None), or close them; answer how many."""
        named = None if mailboxes is None else list(mailboxes)
        body = m.WatchChange(mailboxes=named, watched=watched, folders=list(folders))
        return self._one(m.Removed, "POST", "/coverage/watch", body).count

    # -- traffic, lifecycle, silent death ------------------------------------------------------------------------

    def start_traffic(
        self, *, mailbox: str | None = None, tenant: str | None = None, **rhythm: Any
    ) -> list[c.StreamView]:
        """Let mail arrive by itself; `rhythm` as in NewTraffic: folder, seed, profile, per_week, utc_offset_hours."""
        body = m.NewTraffic(mailbox=mailbox, tenant=tenant, **rhythm)
        return self._sent(c.StreamView, "/traffic", body)

    def traffic(self, *, mailbox: str | None = None, tenant: str | None = None) -> list[c.StreamView]:
        """Ask for the mail that arrives by itself."""
        return self._many(c.StreamView, "/traffic", m.MailboxFilter(mailbox=mailbox, tenant=tenant))

    def stop_traffic(self, *, mailbox: str | None = None, tenant: str | None = None) -> int:
        """Let no more mail arrive by itself; answer in how many folders."""
        return self._one(m.Removed, "DELETE", "/traffic", m.MailboxFilter(mailbox=mailbox, tenant=tenant)).count

    def delivered(
        self, *, since: datetime | None = None, mailbox: str | None = None, tenant: str | None = None
    ) -> list[c.DeliveredView]:
        """Ask when the last notification was taken, of all folders or of those that got one after `since`."""
        which = c.DeliveredFilter(since=since, mailbox=mailbox, tenant=tenant)
        return self._many(c.DeliveredView, "/delivered", which)

    def endpoints(self) -> list[c.EndpointView]:
        """Ask how fast the endpoints answer, and to which of them notifications are dropped."""
        return self._many(c.EndpointView, "/endpoints")

    def send_lifecycle(self, *items: c.LifecycleOrder | Mapping[str, Any]) -> list[c.LifecycleDeliveryView]:
        """Send lifecycle notifications, as in LifecycleOrder: event, and subscription or mailbox; those to one URL go together."""
        orders = [one if isinstance(one, c.LifecycleOrder) else c.LifecycleOrder.model_validate(one) for one in items]
        return self._sent(c.LifecycleDeliveryView, "/lifecycle", c.NewLifecycle(items=orders))

    def lifecycle(self, *, mailbox: str | None = None, tenant: str | None = None) -> list[c.LifecycleDeliveryView]:
        """Ask for the last lifecycle notifications and the attempts to deliver them."""
        return self._many(c.LifecycleDeliveryView, "/lifecycle", m.MailboxFilter(mailbox=mailbox, tenant=tenant))

    def reauthorizations(self, *, mailbox: str | None = None, tenant: str | None = None) -> c.ReauthorizationsView:
        """Ask which reauthorizations were asked for, what satisfied them, and who did both within ten minutes."""
        which = m.MailboxFilter(mailbox=mailbox, tenant=tenant)
        return self._one(c.ReauthorizationsView, "GET", "/lifecycle/reauthorizations", which=which)

    def silence(self, subscription: str | None = None, **which: Any) -> list[c.PlannedSilenceView]:
        """Let subscriptions die silently; `which` as in NewSilence: mailbox, tenant, client_id, share, seed, within_hours."""
        return self._sent(c.PlannedSilenceView, "/silence", c.NewSilence(subscription=subscription, **which))

    def mend(self, subscription: str | None = None, **which: Any) -> int:
        """Let silent subscriptions deliver again; `which` as in SubscriptionChoice: mailbox, tenant, client_id."""
        body = c.SubscriptionChoice(subscription=subscription, **which)
        return self._one(m.Removed, "POST", "/silence/mend", body).count

    def silences(self, *, mailbox: str | None = None, tenant: str | None = None) -> c.SilenceView:
        """Ask when silent deaths began and ended, and whether what clients replaced had been healthy."""
        return self._one(c.SilenceView, "GET", "/silence", which=m.MailboxFilter(mailbox=mailbox, tenant=tenant))

    # -- faults, settings, clock, log ----------------------------------------------------------------------------

    def faults(self) -> list[r.FaultView]:
        """Ask for the fault rules in force."""
        return self._many(r.FaultView, "/faults")

    def add_fault(self, *routes: str, **fields: Any) -> r.FaultView:
        """Put a fault rule in force for the routes (none: all); `fields` as in NewFault."""
        return self._one(r.FaultView, "POST", "/faults", r.NewFault(routes=list(routes), **fields))

    def clear_fault(self, fault_id: str) -> None:
        """Lift one rule."""
        self._one(m.Removed, "DELETE", f"/faults/{fault_id}")

    def clear_faults(self) -> int:
        """Lift every rule; answer how many there were."""
        return self._one(m.Removed, "DELETE", "/faults").count

    def answers(self) -> list[r.AnswerView]:
        """Ask for the named answers that fault rules can use."""
        return self._many(r.AnswerView, "/answers")

    def settings(self) -> SimulatorSettings:
        """Ask for the settings."""
        return self._one(SimulatorSettings, "GET", "/settings")

    def change_settings(self, **fields: Any) -> SimulatorSettings:
        """Change the named settings, as in SimulatorSettings."""
        return self._one(SimulatorSettings, "PATCH", "/settings", fields)

    def clock(self) -> r.ClockView:
        """Ask for the simulated clock."""
        return self._one(r.ClockView, "GET", "/clock")

    def change_clock(
        self, *, speed: float | None = None, paused: bool | None = None, advance_seconds: float = 0.0
    ) -> r.ClockView:
        """Set the speed, pause or resume, and jump forward, in this order."""
        body = r.ClockChange(speed=speed, paused=paused, advance_seconds=advance_seconds)
        return self._one(r.ClockView, "POST", "/clock", body)

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> r.ClockView:
        """Jump forward in simulated time."""
        total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
        return self.change_clock(advance_seconds=total)

    def requests(self, **which: Any) -> r.CallsView:
        """Ask for the log of calls, the newest first; `which` as in CallFilter, and the counts of all calls."""
        return self._one(r.CallsView, "GET", "/requests", which=r.CallFilter(**which))

    def clear_requests(self) -> int:
        """Forget the log of calls and its counts; answer how many there were."""
        return self._one(m.Removed, "DELETE", "/requests").count

    def issue_certificate(self, *names: str) -> r.CertificateView:
        """Ask for a certificate of the simulator's authority, for a webhook that serves https."""
        return self._one(r.CertificateView, "POST", "/certificates", r.CertificateRequest(names=list(names)))

    # -- plumbing ------------------------------------------------------------------------------------------------

    def _one(
        self,
        view: type[_View],
        method: str,
        path: str,
        body: BaseModel | Mapping[str, Any] | None = None,
        *,
        which: BaseModel | None = None,
    ) -> _View:
        return view.model_validate_json(self._send(method, path, body, which))

    def _many(self, view: type[_View], path: str, which: BaseModel | None = None) -> list[_View]:
        return [view.model_validate(one) for one in json.loads(self._send("GET", path, None, which))]

    def _sent(self, view: type[_View], path: str, body: BaseModel) -> list[_View]:
        return [view.model_validate(one) for one in json.loads(self._send("POST", path, body, None))]

    def _send(
        self, method: str, path: str, body: BaseModel | Mapping[str, Any] | None, which: BaseModel | None
    ) -> bytes:
        payload = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
        params = which.model_dump(mode="json", exclude_none=True) if which is not None else None
        try:
            answer = self._client.request(method, path, json=payload, params=params)
        except httpx.HTTPError as error:
            where = self._client.base_url
            raise ControlError(f"the simulator's control API at {where} does not answer: {error}") from error
        if answer.is_error:
            raise ControlError(_reason(answer))
        return answer.content


def _reason(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        body = None
    text = body.get("error") if isinstance(body, dict) else None
    return str(text or f"the control API answered {answer.status_code}")
