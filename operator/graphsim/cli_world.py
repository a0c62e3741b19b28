"""Verbs for what exists in the simulated world: tenants, apps, mailboxes, grants, subscriptions, mail."""

from pathlib import Path
from typing import Annotated

import typer

from graphsim import control_models as m
from graphsim.cli_output import ControlOption, OutputFormat, OutputOption, connect, say, show
from graphsim.grants import RevocationReason

tenants = typer.Typer(no_args_is_help=True, help="Entra tenants.")
apps = typer.Typer(no_args_is_help=True, help="Registered apps, their secrets and their roles.")
mailboxes = typer.Typer(no_args_is_help=True, help="Users and their mailboxes.")
grants = typer.Typer(no_args_is_help=True, help="Delegated grants: a user's consent, and the end of it.")
mail = typer.Typer(no_args_is_help=True, help="Messages that arrive.")
world = typer.Typer(no_args_is_help=True)

_TENANT = {"ID": lambda t: t.id, "NAME": lambda t: t.name, "DOMAIN": lambda t: t.domain}
_APP = {
    "CLIENT ID": lambda a: a.client_id,
    "NAME": lambda a: a.name,
    "ENABLED": lambda a: a.enabled,
    "TENANTS": lambda a: len(a.roles),
}
_NEW_APP = {**_APP, "SECRET": lambda a: a.secret}
_MAILBOX = {
    "MAILBOX": lambda b: b.upn,
    "USER ID": lambda b: b.user_id,
    "TENANT": lambda b: b.tenant_id,
    "ENABLED": lambda b: b.enabled,
    "SUBSCRIPTIONS": lambda b: b.subscriptions,
}
_GRANT = {
    "ID": lambda g: g.id,
    "MAILBOX": lambda g: g.mailbox,
    "CLIENT ID": lambda g: g.client_id,
    "SCOPES": lambda g: g.scopes,
    "REVOKED": lambda g: g.revoked_for,
}
_NEW_GRANT = {"ID": _GRANT["ID"], "MAILBOX": _GRANT["MAILBOX"], "REFRESH TOKEN": lambda g: g.refresh_token}
_SUBSCRIPTION = {
    "ID": lambda s: s.id,
    "MAILBOX": lambda s: s.mailbox,
    "FOLDER": lambda s: s.folder,
    "EXPIRES": lambda s: s.expires_at,
    "RENEWALS": lambda s: s.renewals,
    "DELIVERS": lambda s: s.delivers,
    "URL": lambda s: s.notification_url,
}
_DELIVERY = {
    "SUBSCRIPTION": lambda d: d.subscription_id,
    "MAILBOX": lambda d: d.mailbox,
    "STATE": lambda d: d.state,
    "ATTEMPTS": lambda d: len(d.attempts),
    "LAST": lambda d: (d.attempts[-1].status or d.attempts[-1].error) if d.attempts else None,
    "URL": lambda d: d.url,
}


@world.command("seed")
def seed(
    file: Annotated[
        Path, typer.Argument(help="JSON: tenants, apps, mailboxes, grants, subscriptions, traffic, settings.")
    ],
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Add a whole world from a file. With -o json the answer holds the secrets and tokens that were made."""
    with connect(control_url) as control:
        made = control.seed(m.Seed.model_validate_json(file.read_bytes()))
    columns = {
        "TENANTS": lambda s: len(s.tenants),
        "APPS": lambda s: len(s.apps),
        "MAILBOXES": lambda s: len(s.mailboxes),
        "GRANTS": lambda s: len(s.grants),
        "SUBSCRIPTIONS": lambda s: len(s.subscriptions),
    }
    show(made, columns, output)


@tenants.command("add")
def add_tenant(
    *,
    name: str,
    domain: Annotated[str | None, typer.Option(help="Derived from the name when left out.")] = None,
    tenant_id: Annotated[str | None, typer.Option("--id", help="Directory id; random when left out.")] = None,
    ceiling_minutes: Annotated[int | None, typer.Option(help="Longest life of a subscription in it.")] = None,
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Add an Entra tenant."""
    with connect(control_url) as control:
        show(control.add_tenant(name, domain=domain, id=tenant_id, ceiling_minutes=ceiling_minutes), _TENANT, output)


@tenants.command("list")
def list_tenants(control_url: ControlOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show the tenants."""
    with connect(control_url) as control:
        show(control.tenants(), _TENANT, output)


@apps.command("add")
def add_app(
    *,
    name: str,
    client_id: Annotated[str | None, typer.Option(help="Random when left out.")] = None,
    tenant: Annotated[list[str] | None, typer.Option(help="Where it is installed; every tenant when left out.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="Application permission; Mail.Read when left out.")] = None,
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Add an app. Its secret is made up and shown once."""
    with connect(control_url) as control:
        made = control.add_app(name, client_id=client_id, tenants=tenant or None, roles=role or ["Mail.Read"])
    show(made, _NEW_APP, output)


@apps.command("list")
def list_apps(control_url: ControlOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show the apps."""
    with connect(control_url) as control:
        show(control.apps(), _APP, output)


@apps.command("change")
def change_app(
    client_id: str,
    *,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable")] = None,
    public: Annotated[bool | None, typer.Option("--public/--confidential", help="Without a secret, or with.")] = None,
    expire_secrets: Annotated[bool, typer.Option("--expire-secrets", help="Let every secret expire now.")] = False,
    certificate: Annotated[
        list[Path] | None, typer.Option(help="PEM of a certificate that it may sign with from now on; may be repeated.")
    ] = None,
    federated_issuer: Annotated[str | None, typer.Option(help="Issuer of the workload identity to trust.")] = None,
    federated_subject: Annotated[str, typer.Option(help="Its subject: system:serviceaccount:NAMESPACE:NAME.")] = "",
    federated_key: Annotated[Path | None, typer.Option(help="PEM of the issuer's public key.")] = None,
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Disable an app or enable it again, or change what it proves itself with."""
    federations = None
    if federated_issuer is not None:
        if federated_key is None or not federated_subject:
            raise typer.BadParameter(
                "needs --federated-subject and --federated-key too", param_hint="--federated-issuer"
            )
        federations = [
            m.FederationModel(issuer=federated_issuer, subject=federated_subject, public_key=federated_key.read_text())
        ]
    with connect(control_url) as control:
        changed = control.change_app(
            client_id,
            enabled=enabled,
            public=public,
            expire_secrets=expire_secrets,
            certificates=[path.read_text() for path in certificate] if certificate else None,
            federations=federations,
        )
    show(changed, _APP, output)


@mailboxes.command("add")
def add_mailbox(
    tenant: Annotated[str, typer.Argument(help="Directory id or domain.")],
    upn: Annotated[str, typer.Argument(help="User principal name, such as ann@contoso.example.com.")],
    folder: Annotated[list[str] | None, typer.Option(help="A folder of the user's own; may be repeated.")] = None,
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Add a user with a mailbox, and open its coverage account."""
    with connect(control_url) as control:
        show(control.add_mailbox(tenant, upn, folders=folder or []), _MAILBOX, output)


@mailboxes.command("list")
def list_mailboxes(
    tenant: Annotated[str | None, typer.Option(help="Directory id or domain.")] = None,
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show the mailboxes."""
    with connect(control_url) as control:
        show(control.mailboxes(tenant=tenant), _MAILBOX, output)


@mailboxes.command("change")
def change_mailbox(
    mailbox: str,
    *,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="In Exchange Online, or not.")] = None,
    deny: Annotated[list[str] | None, typer.Option(help="Client id that an access policy keeps out.")] = None,
    delay: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Simulated seconds that its notifications take, at least and at most."),
    ] = None,
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Take a mailbox out of Exchange Online or put it back, keep apps out of it, or delay its notifications."""
    fields = {"enabled": enabled, "denied_clients": deny or None, "delivery_delay_seconds": delay}
    with connect(control_url) as control:
        show(control.change_mailbox(mailbox, **fields), _MAILBOX, output)


@grants.command("add")
def add_grant(
    mailbox: str, client_id: str, control_url: ControlOption = None, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Let a user sign in and consent to an app; the tokens are shown once (all of them with -o json)."""
    with connect(control_url) as control:
        show(control.add_grant(mailbox, client_id), _NEW_GRANT, output)


@grants.command("list")
def list_grants(control_url: ControlOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show the grants."""
    with connect(control_url) as control:
        show(control.grants(), _GRANT, output)


@grants.command("revoke")
def revoke_grant(
    mailbox: str,
    client_id: Annotated[str | None, typer.Option(help="Only the grant for this app.")] = None,
    reason: Annotated[str, typer.Option(help="revoked, consent-removed, expired, interaction-required")] = "revoked",
    removes: Annotated[
        bool | None,
        typer.Option("--remove/--keep", help="End the user's subscriptions, too; else as the settings say."),
    ] = None,
    control_url: ControlOption = None,
) -> None:
    """End a user's grants: sign-in refuses every refresh token handed out so far.

    A changed password is `revoked`.
    """
    body = m.GrantRevocation.model_validate({"reason": reason})
    known: RevocationReason = body.reason
    with connect(control_url) as control:
        count = control.revoke_grant(mailbox, client_id=client_id, reason=known, removes=removes)
    say(f"{count} revoked")


@world.command("subscriptions")
def list_subscriptions(
    mailbox: Annotated[str | None, typer.Option(help="UPN or user id.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Directory id or domain.")] = None,
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show the live subscriptions."""
    with connect(control_url) as control:
        show(control.subscriptions(mailbox=mailbox, tenant=tenant), _SUBSCRIPTION, output)


@world.command("drop")
def drop(subscription_id: str, control_url: ControlOption = None) -> None:
    """Let a subscription vanish without a word, as Graph sometimes does."""
    with connect(control_url) as control:
        control.drop_subscription(subscription_id)
    say(f"{subscription_id} dropped")


@mail.command("send")
def send_message(
    mailbox: str,
    folder: Annotated[str, typer.Option(help="Well-known name, id or name of the folder.")] = "inbox",
    subject: str = "A message",
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Let a message arrive, and show the notifications that were posted."""
    with connect(control_url) as control:
        message = control.send_message(mailbox, folder=folder, subject=subject)
    show(message if output is OutputFormat.JSON else message.deliveries, _DELIVERY, output)


@mail.command("deliveries")
def list_deliveries(
    mailbox: Annotated[str | None, typer.Option(help="UPN or user id.")] = None,
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show the last notifications and the attempts to deliver them."""
    with connect(control_url) as control:
        show(control.deliveries(mailbox=mailbox), _DELIVERY, output)
