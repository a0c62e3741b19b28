"""The `graphmail` command. kubectl finds it as a plugin too: `kubectl graphmail`."""

import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from graphmail.cli.conduct import complain
from graphmail.cli.failures import FAILED
from graphmail.cli.options import ContextOption, KubeconfigOption, NamespaceOption
from graphmail.cli.typed import typed

COMMANDS = (
    "run",
    "receiver",
    "migrate",
    "status",
    "describe",
    "events",
    "probe",
    "renew",
    "suspend",
    "resume",
    "backfill",
    "mirror",
    "sweep",
    "check",
    "uninstall",
)
"""Each is a module of this package, with a `PAGE` and a function of its name. Only the one that is called for is imported."""

PLACELESS = frozenset({"run", "receiver", "migrate"})
"""They are told by their environment alone where to work."""

_HELP = """Keep Microsoft Graph mail subscriptions alive: the operator, and what one needs around it.

\b
  graphmail migrate    prepare the product's database
  graphmail check      see whether everything that the operator needs is there
  graphmail run        run the operator
  graphmail status     see how the mailboxes stand

Settings come from the environment (docs/settings.md). Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the lease is
lost, 130 interrupted, 141 nobody reads on. kubectl finds the same command as `kubectl graphmail`.
"""


class _Commands(typer.core.TyperGroup):
    """Imports a command when it is called for: most need a part of the operator that takes a second to import."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of a first day's work."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, or None: there is none of that name."""
        return _load(cmd_name) if cmd_name in COMMANDS else None


class _Command(typer.core.TyperCommand):
    """One command, which remembers how it was called."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What was typed; a wrong value is told without the words of the library that found it."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise

    def invoke(self, ctx: Any) -> Any:
        """Carry it out."""
        with typed(ctx.find_root().info_name, ctx.params):
            return super().invoke(ctx)


def _load(name: str) -> Any:
    module = import_module(f"graphmail.cli.{name}")
    app = _app(add_completion=False)
    app.command(name, cls=_Command, help=module.PAGE.render(), short_help=module.PAGE.summary)(getattr(module, name))
    command = typer.main.get_command(app)
    command.name = name
    return command


def _app(**settings: Any) -> typer.Typer:
    return typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, **settings)


def build() -> typer.Typer:
    """Put the command together."""
    app = _app(cls=_Commands, no_args_is_help=True, help=_HELP)
    app.callback()(_root)
    return app


def _print_version(*, wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"graphmail {version('graphmail-operator')}\n")
        raise typer.Exit


def _root(
    ctx: typer.Context,
    *,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=lambda value: _print_version(wanted=value), is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """What stands before the command: where to look, as kubectl takes it there too. What stands behind the command goes before it."""
    place = {"namespace": namespace, "kubeconfig": kubeconfig, "context": context}
    given = {name: value for name, value in place.items() if value is not None}
    command = ctx.invoked_subcommand
    if given and command in PLACELESS:
        option = next(iter(given))
        raise typer.BadParameter(f"{command} is told by its environment where to work", param_hint=f"'--{option}'")
    ctx.default_map = {str(command): given}


def main() -> None:
    """Run the command; what went wrong is told in a line each on standard error."""
    name = Path(sys.argv[0]).name
    try:
        build()(prog_name="kubectl graphmail" if name.startswith("kubectl") else "graphmail")
    except Exception as error:
        complain(error)
        sys.exit(FAILED)
