"""`graphmail check`: whether everything that the operator needs is there, and how to mend what is not."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import Annotated

import typer

from graphmail.cli.check.endpoint import check_endpoint
from graphmail.cli.check.environment import check_settings
from graphmail.cli.check.findings import Finding, Findings, Verdict, failed, skipped
from graphmail.cli.check.ground import WRONG_SETTINGS, Check, Ground, Wish
from graphmail.cli.check.kubernetes import check_kubernetes
from graphmail.cli.check.microsoft import check_microsoft
from graphmail.cli.check.postgres import check_postgres
from graphmail.cli.check.rival import check_rival
from graphmail.cli.clusters import Place
from graphmail.cli.conduct import conduct
from graphmail.cli.failures import FAILED, explain
from graphmail.cli.options import ContextOption, KubeconfigOption, NamespaceOption, OutputOption
from graphmail.cli.output import OutputFormat, Screen
from graphmail.cli.page import Page

PAGE = Page(
    "Try everything that the operator needs.",
    """
    In order: settings, Postgres, the API server, Microsoft sign-in, Graph, the notification
    URL; and look for a rival that renews the same mailboxes. Each line says what was found; what is wrong comes with a remedy.

    Nothing is changed. Sign-in is tried as an app, or with a token that a row still has; an expired token of a user is refreshed only
    with --sign-in, and the new one is then kept in the row. Exit code 1: something failed. Warnings do not count.
    """,
    {
        "graphmail check": "before the first run, and when something is wrong",
        "graphmail check --provider 7b1d...": "with the credential of this provider",
        "graphmail check --provider 7b1d... --sign-in": "and fetch a new token",
        "graphmail check --client-id 94d0... --sign-in": "as this app, after its certificate was replaced",
        "graphmail check -o json": "for programs",
    },
    settings=None,
)

CHECKS: tuple[tuple[tuple[str, ...], Check], ...] = (
    (("settings",), partial(check_settings, page=PAGE)),
    (("database", "schema", "grants"), check_postgres),
    (("api server", "crd", "rights", "namespace"), check_kubernetes),
    (("sign-in", "graph", "clock"), check_microsoft),
    (("notifications",), check_endpoint),
    (("rival",), check_rival),
)
"""What is tried together, in this order: each stands on what those before it found usable."""

STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "bold red", Verdict.SKIPPED: "dim"}


def check(
    *,
    provider: Annotated[
        str | None,
        typer.Option("--provider", "-p", metavar="ID", help="Try Microsoft with this provider's credential."),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", "-t", metavar="ID", help="Tenant of that provider, or any provider of it.")
    ] = None,
    client_id: Annotated[
        str | None,
        typer.Option(
            "--client-id", metavar="ID", help="Try Microsoft as this app, with the credential of any mailbox of it."
        ),
    ] = None,
    sign_in: Annotated[
        bool, typer.Option("--sign-in", help="Fetch a new token, and keep it in the provider's row.")
    ] = False,
    output: OutputOption = OutputFormat.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Try everything that the operator needs."""
    conduct(_check(Wish(provider, tenant, client_id, sign_in, Place(namespace, kubeconfig, context)), output))


async def _check(wish: Wish, output: OutputFormat) -> int:
    screen = Screen.of_process()
    findings = []
    with screen.progress("checking") as show:
        async with aclosing(examine(wish)) as found:
            async for finding in found:
                findings.append(finding)
                show(f"checked {finding.check}")
                if output is OutputFormat.TABLE:
                    tell(finding, screen)
    if output is OutputFormat.JSON:
        screen.json([finding.as_json() for finding in findings])
    return FAILED if any(finding.verdict is Verdict.FAILED for finding in findings) else 0


async def examine(wish: Wish) -> Findings:
    """Everything that is found, as it is found."""
    async with AsyncExitStack() as opened:
        ground = Ground(wish, opened)
        for names, look in CHECKS:
            last, told = None, set()
            try:
                async with aclosing(look(ground)) as found:
                    async for finding in found:
                        last = finding
                        told.add(finding.check)
                        yield finding
            except Exception as error:
                # One check that goes wrong must not hide what the others find.
                last = failed(names[0], "; ".join(explain(error)))
                yield last
            for finding in _left_out(names, told, last, ground):
                yield finding


def _left_out(names: Sequence[str], told: Collection[str], last: Finding | None, ground: Ground) -> Iterator[Finding]:
    """What was not tried, since what it stands on is not there. Where the last finding is a good one, there was nothing more to try."""
    if last is None or last.verdict not in {Verdict.FAILED, Verdict.SKIPPED}:
        return
    why = WRONG_SETTINGS if ground.settings is None else f"needs {last.check}"
    known = {*told, last.check, *(["namespace"] if ground.installation else [])}
    yield from (skipped(name, why) for name in names if name not in known)


def tell(finding: Finding, screen: Screen, width: int = 13) -> None:
    """A finding for people: its verdict first, so that trouble is seen at a glance. `width`: of the column of checks."""
    name = finding.check.ljust(width)
    screen.say(f"  {name}  {finding.found}", lead=f"{finding.verdict:<7}", style=STYLES[finding.verdict])
    if finding.remedy:
        screen.say(f"{'':<7}  {'':<{width}}  -> {finding.remedy}")
