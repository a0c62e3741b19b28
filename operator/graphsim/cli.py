"""The `graphsim` command."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from graphsim import cli_mail, cli_running, cli_world
from graphsim import control_models as m
from graphsim.cli_output import say
from graphsim.client import CONTROL_URL_VARIABLE, ControlError
from graphsim.server import ServerOptions
from graphsim.serving import ServeError, ServeRequest, serve
from graphsim.settings import SimulatorSettings

_HELP = """A simulator of Microsoft Graph mail subscriptions and of Microsoft sign-in.

Start one with `graphsim serve --state-dir DIR`, export the GRAPHSIM_CONTROL_URL it prints, and use the other verbs to
fill it, to break it, and to read back what it saw:

\b
  graphsim tenants add Contoso
  graphsim apps add product
  graphsim mailboxes add contoso.example.com ann@contoso.example.com
  graphsim fault add patch --answer throttled --count 3
  graphsim clock advance --days 2
  graphsim coverage
"""


def build() -> typer.Typer:
    """Put the command together from its verbs."""
    app = typer.Typer(no_args_is_help=True, help=_HELP, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command("serve")(serve_command)
    app.add_typer(cli_world.world)
    app.add_typer(cli_mail.reaching)
    app.add_typer(cli_running.running)
    groups = {
        "tenants": cli_world.tenants,
        "apps": cli_world.apps,
        "mailboxes": cli_world.mailboxes,
        "grants": cli_world.grants,
        "mail": cli_world.mail,
        "traffic": cli_mail.traffic,
        "lifecycle": cli_mail.lifecycle,
        "silence": cli_mail.silence,
        "fault": cli_running.fault,
        "clock": cli_running.clock,
        "settings": cli_running.settings,
        "ca": cli_running.ca,
    }
    for name, group in groups.items():
        app.add_typer(group, name=name)
    return app


def serve_command(
    *,
    state_dir: Annotated[Path, typer.Option(help="Keeps the certificate authority, and says where everything is.")],
    host: Annotated[str, typer.Option(help="Address on which Graph and sign-in listen.")] = "127.0.0.1",
    public_host: Annotated[str, typer.Option(help="Name in the URLs and in the certificate.")] = "localhost",
    port: Annotated[int, typer.Option(help="Port of Graph and sign-in (TLS); 0: any free one.")] = 0,
    control_host: Annotated[
        str, typer.Option(help="Address of the control API; anyone there is in control.")
    ] = "127.0.0.1",
    control_port: Annotated[int, typer.Option(help="Port of the control API (plain HTTP); 0: any free one.")] = 0,
    speed: Annotated[float, typer.Option(help="Simulated seconds in a real one.")] = 1.0,
    seed_file: Annotated[Path | None, typer.Option(help="A world to begin with; see `graphsim seed`.")] = None,
    allow_http: Annotated[bool, typer.Option("--allow-http", help="Accept http:// webhooks on this machine.")] = False,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="name=value; see `graphsim settings show`.")
    ] = None,
    random_seed: Annotated[int | None, typer.Option(help="Makes ids and chance repeatable.")] = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Writes DIR/graphsim.json once everything listens (and removes it at the end), and DIR/seeded.json with the secrets
    and tokens of a seed. The certificate authority in DIR/ca.pem stays the same over restarts; the world does not.
    """
    changes = cli_running.parse_assignments(setting or []) | ({"allow_http": True} if allow_http else {})
    options = ServerOptions(
        host=host,
        public_host=public_host,
        port=port,
        control_host=control_host,
        control_port=control_port,
        speed=speed,
        seed=random_seed,
    )
    request = ServeRequest(state_dir.absolute(), options, SimulatorSettings.model_validate(changes), seed_file)
    serve(request, _announce)


def main() -> None:
    """Run the command; refusals are one line on standard error and exit code 1."""
    try:
        build()(prog_name=Path(sys.argv[0]).name)
    except (ControlError, ServeError, ValueError, OSError) as error:
        sys.stderr.write(f"graphsim: {_one_line(error)}\n")
        sys.exit(1)


def _announce(health: m.Health) -> None:
    say(f"graph     {health.graph_url}")
    say(f"sign-in   {health.login_url}")
    say(f"control   {health.control_url}")
    say(f"authority {health.ca_path}")
    say(f"\nexport {CONTROL_URL_VARIABLE}={health.control_url}")
    sys.stdout.flush()


def _one_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)
