"""Verbs for what reaches endpoints: mail that arrives by itself, lifecycle notifications, silent death."""

from typing import Annotated

import typer

from graphsim import control_mail_models as c
from graphsim import control_models as m
from graphsim.cli_output import ControlOption, OutputFormat, OutputOption, connect, say, show
from graphsim.client import ControlError

traffic = typer.Typer(no_args_is_help=True, help="Mail that arrives by itself, by the rhythm of a week.")
lifecycle = typer.Typer(no_args_is_help=True, help="Lifecycle notifications, and what was done about them.")
silence = typer.Typer(no_args_is_help=True, help="Subscriptions that are alive and deliver nothing.")
reaching = typer.Typer(no_args_is_help=True)

_STREAM = {
    "MAILBOX": lambda s: s.mailbox,
    "FOLDER": lambda s: s.folder,
    "PROFILE": lambda s: s.profile,
    "A WEEK": lambda s: s.per_week,
    "UTC": lambda s: f"{s.utc_offset_hours:+g}",
    "ARRIVED": lambda s: s.arrived,
    "NEXT": lambda s: s.next_at,
}
_LIFECYCLE = {
    "EVENTS": lambda d: [item.event for item in d.items],
    "SUBSCRIPTIONS": lambda d: [item.subscription_id for item in d.items],
    "STATE": lambda d: d.state,
    "ATTEMPTS": lambda d: len(d.attempts),
    "LAST": lambda d: (d.attempts[-1].status or d.attempts[-1].error) if d.attempts else None,
    "URL": lambda d: d.url,
}
_REAUTHORIZATION = {
    "SUBSCRIPTION": lambda r: r.subscription_id,
    "MAILBOX": lambda r: r.mailbox,
    "ASKED": lambda r: r.asked_at,
    "TIMES": lambda r: r.times,
    "SATISFIED": lambda r: r.satisfied_at,
    "BY": lambda r: r.by,
}
_PLANNED = {"SUBSCRIPTION": lambda p: p.subscription_id, "MAILBOX": lambda p: p.mailbox, "AT": lambda p: p.at}
_DEATH = {
    "SUBSCRIPTION": lambda d: d.subscription_id,
    "MAILBOX": lambda d: d.mailbox,
    "FOLDER": lambda d: d.folder,
    "BEGAN": lambda d: d.began_at,
    "MINUTES": lambda d: d.minutes,
    "HOW": lambda d: d.how or "lasts",
    "UNDELIVERED": lambda d: d.undelivered,
}
_REPLACEMENT = {
    "OLD": lambda r: r.old_id,
    "NEW": lambda r: r.new_id,
    "MAILBOX": lambda r: r.mailbox,
    "AT": lambda r: r.at,
    "HEALTHY": lambda r: r.healthy,
}
_DELIVERED = {
    "MAILBOX": lambda d: d.mailbox,
    "FOLDER": lambda d: d.folder,
    "SUBSCRIPTION": lambda d: d.subscription_id,
    "DELIVERED": lambda d: d.delivered_at,
    "COUNT": lambda d: d.count,
}
_ENDPOINT = {
    "ENDPOINT": lambda e: e.endpoint,
    "STATE": lambda e: e.state,
    "ANSWERS": lambda e: e.answers,
    "SLOW": lambda e: e.slow,
    "UNTIL": lambda e: e.dropping_until,
    "DROPPED": lambda e: e.dropped,
}
_MailboxOption = Annotated[str | None, typer.Option("--mailbox", help="UPN or user id.")]
_TenantOption = Annotated[str | None, typer.Option("--tenant", help="Directory id or domain.")]


@traffic.command("start")
def start_traffic(
    *,
    mailbox: _MailboxOption = None,
    tenant: _TenantOption = None,
    folder: Annotated[str, typer.Option(help="Well-known name, id or name of the folder.")] = "inbox",
    seed: Annotated[int | None, typer.Option(help="The same seed brings the same mail.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="office, service, evening or machine; drawn when left out.")
    ] = None,
    per_week: Annotated[float | None, typer.Option(help="Mails a week on average; drawn when left out.")] = None,
    utc_offset: Annotated[float | None, typer.Option(help="Hours before UTC; drawn when left out.")] = None,
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Let mail arrive by itself, in all mailboxes or in those that are named.

    For example: graphsim traffic start --seed 7, and then graphsim clock speed 1728
    """
    rhythm = {"profile": profile, "per_week": per_week, "utc_offset_hours": utc_offset}
    body = m.NewTraffic.model_validate({"mailbox": mailbox, "tenant": tenant, "folder": folder, "seed": seed, **rhythm})
    with connect(control_url) as control:
        show(control.start_traffic(**body.model_dump()), _STREAM, output)


@traffic.command("list")
def list_traffic(
    mailbox: _MailboxOption = None,
    tenant: _TenantOption = None,
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show the rhythms, and how much has arrived."""
    with connect(control_url) as control:
        show(control.traffic(mailbox=mailbox, tenant=tenant), _STREAM, output)


@traffic.command("stop")
def stop_traffic(
    mailbox: _MailboxOption = None, tenant: _TenantOption = None, control_url: ControlOption = None
) -> None:
    """Let no more mail arrive by itself."""
    with connect(control_url) as control:
        say(f"{control.stop_traffic(mailbox=mailbox, tenant=tenant)} stopped")


@lifecycle.command("send")
def send_lifecycle(
    event: Annotated[
        list[str], typer.Argument(help="reauthorizationRequired, subscriptionRemoved, missed; may be mixed.")
    ],
    *,
    subscription: Annotated[list[str] | None, typer.Option(help="Subscription id; may be repeated.")] = None,
    mailbox: Annotated[list[str] | None, typer.Option(help="UPN or user id; may be repeated.")] = None,
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Send every event to every subscription that is named; those to one URL go in one POST.

    The truth does not matter: to end a subscription as well, use `graphsim remove`.
    """
    named = [{"subscription": one} for one in subscription or []] + [{"mailbox": one} for one in mailbox or []]
    if not named:
        raise ControlError("to whom? Name --subscription or --mailbox")
    orders = [c.LifecycleOrder.model_validate({"event": one, **whom}) for whom in named for one in event]
    with connect(control_url) as control:
        show(control.send_lifecycle(*orders), _LIFECYCLE, output)


@lifecycle.command("list")
def list_lifecycle(
    mailbox: _MailboxOption = None, control_url: ControlOption = None, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Show the last lifecycle notifications and the attempts to deliver them."""
    with connect(control_url) as control:
        show(control.lifecycle(mailbox=mailbox), _LIFECYCLE, output)


@lifecycle.command("reauthorizations")
def list_reauthorizations(
    mailbox: _MailboxOption = None, control_url: ControlOption = None, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Show which reauthorizations were asked for and what satisfied them; with -o json also who did both within ten minutes."""
    with connect(control_url) as control:
        account = control.reauthorizations(mailbox=mailbox)
    show(account if output is OutputFormat.JSON else account.requests, _REAUTHORIZATION, output)


@silence.command("add")
def add_silence(
    *,
    subscription: Annotated[str | None, typer.Option(help="Subscription id.")] = None,
    mailbox: _MailboxOption = None,
    tenant: _TenantOption = None,
    share: Annotated[float, typer.Option(help="Share of these, 0 to 1.")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="The same seed chooses the same.")] = None,
    within_hours: Annotated[float, typer.Option(help="At random moments of the next hours; 0: now.")] = 0.0,
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Let subscriptions die silently: Graph shows them as alive, and they deliver nothing.

    For example: graphsim silence add --share 0.05 --seed 3 --within-hours 720
    """
    chance = {"share": share, "seed": seed, "within_hours": within_hours}
    with connect(control_url) as control:
        show(control.silence(subscription, mailbox=mailbox, tenant=tenant, **chance), _PLANNED, output)


@silence.command("mend")
def mend(
    subscription: Annotated[str | None, typer.Option(help="Subscription id.")] = None,
    mailbox: _MailboxOption = None,
    control_url: ControlOption = None,
) -> None:
    """Let silent subscriptions deliver again."""
    with connect(control_url) as control:
        say(f"{control.mend(subscription, mailbox=mailbox)} mended")


@silence.command("list")
def list_silence(
    mailbox: _MailboxOption = None, control_url: ControlOption = None, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Show when silent deaths began and how they ended; -o json shows the replacements, too."""
    with connect(control_url) as control:
        account = control.silences(mailbox=mailbox)
    show(account if output is OutputFormat.JSON else account.deaths, _DEATH, output)


@silence.command("replacements")
def list_replacements(
    *,
    mailbox: _MailboxOption = None,
    healthy_only: Annotated[bool, typer.Option("--healthy", help="Only those that were healthy.")] = False,
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show the subscriptions that clients deleted for another one, and whether they had been healthy."""
    with connect(control_url) as control:
        account = control.silences(mailbox=mailbox)
    show([one for one in account.replacements if one.healthy or not healthy_only], _REPLACEMENT, output)


@reaching.command("remove")
def remove(subscription_id: str, control_url: ControlOption = None) -> None:
    """End a subscription as Graph does when it removes one: its lifecycle URL is told."""
    with connect(control_url) as control:
        control.remove_subscription(subscription_id)
    say(f"{subscription_id} removed")


@reaching.command("delivered")
def list_delivered(
    mailbox: _MailboxOption = None,
    tenant: _TenantOption = None,
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show when the last notification was taken, for each app that watches a folder."""
    with connect(control_url) as control:
        show(control.delivered(mailbox=mailbox, tenant=tenant), _DELIVERED, output)


@reaching.command("endpoints")
def list_endpoints(control_url: ControlOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show how fast the endpoints answer, and to which of them notifications are dropped."""
    with connect(control_url) as control:
        show(control.endpoints(), _ENDPOINT, output)
