"""Verbs for the running simulator: faults, clock, settings, the log of requests, the coverage account, certificates."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from graphsim.cli_output import ControlOption, OutputFormat, OutputOption, connect, say, show, show_json
from graphsim.client import ControlError
from graphsim.tls import CA_FILE, Authority

fault = typer.Typer(no_args_is_help=True, help="Rules for calls that go wrong on purpose.")
clock = typer.Typer(no_args_is_help=True, help="The simulated clock.")
settings = typer.Typer(no_args_is_help=True, help="The behaviour of the simulated Graph.")
ca = typer.Typer(no_args_is_help=True, help="The simulator's certificate authority.")
running = typer.Typer(no_args_is_help=True)

_FAULT = {
    "ID": lambda f: f.id,
    "ROUTES": lambda f: f.routes or "every",
    "MAILBOX": lambda f: f.mailbox,
    "EFFECT": lambda f: f.effect,
    "HITS": lambda f: f.hits,
    "LEFT": lambda f: "no end" if f.left is None else f.left,
}
_ANSWER = {
    "NAME": lambda a: a.name,
    "FROM": lambda a: a.service,
    "STATUS": lambda a: a.status,
    "CODE": lambda a: a.code,
    "MEANING": lambda a: a.meaning,
}
_CLOCK = {"NOW": lambda c: c.now, "SPEED": lambda c: f"{c.speed:g}", "PAUSED": lambda c: c.paused}
_CALL = {
    "AT": lambda c: c.at,
    "ROUTE": lambda c: c.route,
    "STATUS": lambda c: c.status or "cut",
    "CODE": lambda c: c.code,
    "MAILBOX": lambda c: c.mailbox,
    "SUBSCRIPTION": lambda c: c.subscription,
    "FAULT": lambda c: c.fault,
    "MS": lambda c: c.milliseconds,
}
_COUNT = {
    "ROUTE": lambda c: c.route,
    "METHOD": lambda c: c.method,
    "STATUS": lambda c: c.status or "cut",
    "COUNT": lambda c: c.count,
}
_COVERAGE = {
    "MAILBOX": lambda a: a.mailbox,
    "LIVE": lambda a: a.live,
    "UNCOVERED SECONDS": lambda a: a.uncovered_seconds,
    "GAPS": lambda a: len(a.gaps),
    "DUPLICATES": lambda a: len(a.duplicates),
    "SINCE": lambda a: a.since,
}


@fault.command("add")
def add_fault(
    *,
    route: Annotated[list[str] | None, typer.Argument(help="Routes, such as create or token; none: every one.")] = None,
    answer: Annotated[str | None, typer.Option(help="A known answer; `graphsim fault answers` lists them.")] = None,
    status: Annotated[int | None, typer.Option(help="An HTTP status instead of a known answer.")] = None,
    body: Annotated[str | None, typer.Option(help="The body that goes with --status.")] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Cut the connection.")] = False,
    after_commit: Annotated[bool, typer.Option("--after-commit", help="Let the work happen; lose the answer.")] = False,
    delay_ms: Annotated[float, typer.Option(help="Real milliseconds before the work.")] = 0.0,
    retry_after: Annotated[str | None, typer.Option(help="Seconds or a date; '' removes the header.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Directory id or domain.")] = None,
    mailbox: Annotated[str | None, typer.Option(help="UPN or user id.")] = None,
    client: Annotated[str | None, typer.Option(help="Client id.")] = None,
    count: Annotated[int | None, typer.Option(help="How many calls; no end when left out.")] = None,
    share: Annotated[float, typer.Option(help="Share of the calls, 0 to 1.")] = 1.0,
    skip: Annotated[int, typer.Option(help="Let so many calls pass first.")] = 0,
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Let calls go wrong: answer an error, cut the connection, lose the answer, or be slow.

    For example: graphsim fault add patch --answer subscription-not-found --mailbox ann@contoso.example.com --count 1
    """
    fields: dict[str, Any] = {
        "answer": answer, "status": status, "body": body, "drop": drop, "after_commit": after_commit,
        "delay_ms": delay_ms, "retry_after": retry_after, "tenant": tenant, "mailbox": mailbox, "client": client,
        "count": count, "share": share, "skip": skip,
    }  # fmt: skip
    with connect(control_url) as control:
        show(control.add_fault(*(route or []), **fields), _FAULT, output)


@fault.command("list")
def list_faults(control_url: ControlOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show the rules in force, and how often each one hit."""
    with connect(control_url) as control:
        show(control.faults(), _FAULT, output)


@fault.command("answers")
def list_answers(control_url: ControlOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show the known answers of Graph and of sign-in."""
    with connect(control_url) as control:
        show(control.answers(), _ANSWER, output)


@fault.command("clear")
def clear_faults(
    fault_id: Annotated[str | None, typer.Argument(help="One rule; all of them when left out.")] = None,
    control_url: ControlOption = None,
) -> None:
    """Lift one rule, or all."""
    with connect(control_url) as control:
        if fault_id is not None:
            control.clear_fault(fault_id)
        say(f"{1 if fault_id is not None else control.clear_faults()} lifted")


@clock.command("show")
def show_clock(control_url: ControlOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show simulated time."""
    with connect(control_url) as control:
        show(control.clock(), _CLOCK, output)


@clock.command("speed")
def set_speed(
    speed: Annotated[float, typer.Argument(help="Simulated seconds in a real one.")],
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Let simulated time run faster or slower."""
    with connect(control_url) as control:
        show(control.change_clock(speed=speed), _CLOCK, output)


@clock.command("pause")
def pause(control_url: ControlOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Let simulated time stand still."""
    with connect(control_url) as control:
        show(control.change_clock(paused=True), _CLOCK, output)


@clock.command("resume")
def resume(control_url: ControlOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Let simulated time flow again."""
    with connect(control_url) as control:
        show(control.change_clock(paused=False), _CLOCK, output)


@clock.command("advance")
def advance(
    *,
    days: float = 0,
    hours: float = 0,
    minutes: float = 0,
    seconds: float = 0,
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Jump forward: graphsim clock advance --days 3."""
    with connect(control_url) as control:
        show(control.advance(days=days, hours=hours, minutes=minutes, seconds=seconds), _CLOCK, output)


@settings.command("show")
def show_settings(control_url: ControlOption = None) -> None:
    """Show the settings as JSON."""
    with connect(control_url) as control:
        show_json(control.settings())


@settings.command("set")
def change_settings(
    assignment: Annotated[list[str], typer.Argument(help="name=value, the value as JSON; may be repeated.")],
    control_url: ControlOption = None,
) -> None:
    """Change settings: graphsim settings set duplicates=refuse ceiling_minutes=4230."""
    with connect(control_url) as control:
        show_json(control.change_settings(**parse_assignments(assignment)))


@running.command("health")
def health(control_url: ControlOption = None) -> None:
    """Show where everything is, as JSON."""
    with connect(control_url) as control:
        show_json(control.health())


@running.command("reset")
def reset(
    keep_settings: Annotated[bool, typer.Option("--keep-settings", help="Leave the settings as they are.")] = False,
    control_url: ControlOption = None,
) -> None:
    """Forget everything but the clock and the certificate authority."""
    with connect(control_url) as control:
        show_json(control.reset(keep_settings=keep_settings))


@running.command("requests")
def list_requests(
    *,
    route: Annotated[str | None, typer.Option(help="Name of a route, such as patch or token.")] = None,
    status: Annotated[int | None, typer.Option(help="HTTP status; 0: the connection was cut.")] = None,
    mailbox: Annotated[str | None, typer.Option(help="UPN.")] = None,
    subscription: Annotated[str | None, typer.Option(help="Subscription id.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many, the newest first.")] = 50,
    counts: Annotated[bool, typer.Option("--counts", help="Only how many there were of each kind.")] = False,
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show the calls that Graph and sign-in saw, the newest first."""
    with connect(control_url) as control:
        found = control.requests(route=route, status=status, mailbox=mailbox, subscription=subscription, limit=limit)
    if output is OutputFormat.JSON:
        show_json(found)
    elif counts:
        show(found.counts, _COUNT, output)
    else:
        show(found.calls, _CALL, output)


@running.command("coverage")
def show_coverage(
    mailbox: Annotated[str | None, typer.Option(help="UPN or user id.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Directory id or domain.")] = None,
    gaps_only: Annotated[bool, typer.Option("--gaps", help="Only mailboxes with a gap.")] = False,
    control_url: ControlOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show for how long each watched mailbox had no live subscription since SINCE, and how often one app had two on a folder.

    The intervals stand in -o json.
    """
    with connect(control_url) as control:
        accounts = control.coverage(mailbox=mailbox, tenant=tenant)
    show([account for account in accounts if account.gaps or not gaps_only], _COVERAGE, output)


@ca.command("export")
def export_ca(
    state_dir: Annotated[Path, typer.Option(help="The simulator's state directory; made when it does not exist.")],
    out: Annotated[Path | None, typer.Option(help="A file; standard output when left out.")] = None,
) -> None:
    """Write the authority's certificate, for clients that are to trust the simulator."""
    certificate = Authority(state_dir).certificate()
    if out is None:
        say(certificate.rstrip())
    else:
        out.write_text(certificate)


@ca.command("issue")
def issue_certificate(
    names: Annotated[list[str], typer.Argument(help="Host names and addresses.")],
    out: Annotated[Path, typer.Option(help="A directory: gets tls.crt, tls.key and ca.pem.")],
    control_url: ControlOption = None,
) -> None:
    """Issue a certificate, so that a webhook can serve https that the simulator trusts."""
    with connect(control_url) as control:
        issued = control.issue_certificate(*names)
    out.mkdir(parents=True, exist_ok=True)
    key = out / "tls.key"
    key.touch(mode=0o600)
    key.write_text(issued.private_key)
    (out / "tls.crt").write_text(issued.certificate)
    (out / CA_FILE).write_text(issued.authority)
    say(f"{out}/tls.crt, tls.key and {CA_FILE} written")


def parse_assignments(assignments: list[str]) -> dict[str, Any]:
    """Read `name=value` pairs, each value as JSON or else as text; raises ControlError for one without a sign."""
    parsed: dict[str, Any] = {}
    for assignment in assignments:
        name, sign, text = assignment.partition("=")
        if not sign:
            raise ControlError(f"{assignment!r} is not name=value")
        try:
            parsed[name] = json.loads(text)
        except ValueError:
            parsed[name] = text
    return parsed
