"""`graphmail probe`: whether a mailbox's notifications can arrive, and do, step by step."""

import re
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from graphmail.cli.check import tell
from graphmail.cli.check.findings import Finding, Findings, Verdict, failed
from graphmail.cli.clusters import Place, connected
from graphmail.cli.completion import NAMES
from graphmail.cli.conduct import conduct
from graphmail.cli.databases import open_database
from graphmail.cli.failures import FAILED, explain
from graphmail.cli.options import ContextOption, KubeconfigOption, NamespaceOption, OutputOption
from graphmail.cli.output import OutputFormat, Screen, count
from graphmail.cli.page import Page
from graphmail.cli.probe.delivery import check_delivery
from graphmail.cli.probe.subject import Subject
from graphmail.cli.probe.subscriptions import ask_graph, check_status
from graphmail.cli.probe.urls import try_url
from graphmail.cli.selection import Selection, selected
from graphmail.database import Database
from graphmail.resource import GraphMailSubscription

PAGE = Page(
    "Try whether a mailbox's notifications arrive.",
    """
    In order: the notification URL, as Graph tries it (its address, the certificate, the handshake), the lifecycle URL
    where there is one, whether the subscription lives, when the last notification came, and what the operator says of it;
    at the end what is wrong, and the remedy. Nothing is changed, and no notification is sent.

    You need the right to get graphmailsubscriptions (to list them, where an address is given). Graph is asked where the
    mailbox's credential can be read, as in the operator's pod; a user's expired token is refreshed only with --sign-in,
    and the new one is then kept in the row. Exit code 1: something failed. Warnings do not count.
    """,
    {
        "graphmail probe ann-contoso-example-1f0c3a2b": "by the name of its resource",
        "graphmail probe ann@contoso.example": "by its address",
        "graphmail probe ann@contoso.example -o json": "for programs",
    },
    settings=(
        "GRAPHMAIL_NAMESPACE",
        "GRAPHMAIL_DATABASE_URL",
        "APPLICATION_URL",
        "GRAPHMAIL_WEBHOOK_PATH",
        "GRAPHMAIL_RECEIVER_URL",
        "GRAPHMAIL_RECEIVER_FORWARD_URL",
        "MICROSOFT_GRAPH_BASE_URL",
        "MICROSOFT_LOGIN_BASE_URL",
        "GRAPHMAIL_CREDENTIALS_DIR",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_CLIENT_ID",
        "AZURE_TENANT_ID",
        "AZURE_AUTHORITY_HOST",
    ),
)

WIDTH = 20
"""Characters of the longest step's name."""
_REASON = re.compile(r"(?P<word>[A-Z][A-Za-z]+): ")
"""The word of docs/observability.md, where what was found begins with one."""
Step = Callable[[Subject], Findings]


def probe(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a resource, or address of a mailbox.", **NAMES)],
    sign_in: Annotated[
        bool, typer.Option("--sign-in", help="Fetch a new token, and keep it in the provider's row.")
    ] = False,
    output: OutputOption = OutputFormat.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Probe one mailbox."""
    conduct(_probe(name, output, Place(namespace, kubeconfig, context), sign_in=sign_in))


async def _probe(name: str, output: OutputFormat, place: Place, *, sign_in: bool) -> int:
    settings = place.read(PAGE)
    screen = Screen.of_process()
    reports = []
    async with AsyncExitStack() as opened:
        cluster = await opened.enter_async_context(connected(place.target(settings).client()))
        resources = await selected(cluster, Selection((name,)))
        database = None
        if settings.database_url is not None:
            database = await opened.enter_async_context(open_database(settings, Database))
        for number, resource in enumerate(resources):
            if number and output is OutputFormat.TABLE:
                screen.say("")
            subject = Subject(resource, settings, cluster, datetime.now(UTC), database, sign_in)
            reports.append((resource, await _one(subject, screen, output)))
    if output is OutputFormat.JSON:
        screen.json([as_json(resource, findings) for resource, findings in reports])
    return FAILED if any(wrong(findings) for _, findings in reports) else 0


async def _one(subject: Subject, screen: Screen, output: OutputFormat) -> list[Finding]:
    findings = []
    with screen.progress(f"probing {subject.name}") as show:
        async with aclosing(examine(subject)) as found:
            async for finding in found:
                findings.append(finding)
                show(f"probed {finding.check}")
                if output is OutputFormat.TABLE:
                    tell(finding, screen, WIDTH)
    if output is OutputFormat.TABLE:
        for line in conclusion(subject.resource, findings):
            screen.say(line)
    return findings


# --- the steps -------------------------------------------------------------------------------------------------------


async def _urls(subject: Subject) -> Findings:
    for url in subject.notification_urls:
        async with aclosing(try_url(url)) as found:
            async for finding in found:
                yield finding


async def _lifecycle_urls(subject: Subject) -> Findings:
    for url in subject.lifecycle_urls:
        async with aclosing(try_url(url, "lifecycle ")) as found:
            async for finding in found:
                yield finding


async def _status(subject: Subject) -> Findings:
    for finding in check_status(subject):
        yield finding


STEPS: tuple[tuple[str, Step], ...] = (
    ("handshake", _urls),
    ("lifecycle handshake", _lifecycle_urls),
    ("ready", _status),
    ("graph", ask_graph),
    ("notification", check_delivery),
)
"""In this order, which is that of causes: what fails first explains what fails after it."""


async def examine(subject: Subject) -> Findings:
    """Everything that is found, as it is found."""
    for name, look in STEPS:
        try:
            async with aclosing(look(subject)) as found:
                async for finding in found:
                    yield finding
        except Exception as error:
            # One step that goes wrong must not hide what the others find.
            yield failed(name, "; ".join(explain(error)))


# --- what follows ----------------------------------------------------------------------------------------------------


def wrong(findings: Sequence[Finding]) -> list[Finding]:
    """What failed, the likeliest cause first."""
    return [finding for finding in findings if finding.verdict is Verdict.FAILED]


def conclusion(resource: GraphMailSubscription, findings: Sequence[Finding]) -> list[str]:
    """What is wrong in the end, and what to do about it first."""
    broken, mailbox = wrong(findings), resource.spec.mailbox
    if broken:
        first, tried = broken[0], count(len(findings), "step")
        reason = _REASON.match(first.found)
        told = f'"{first.check}"{": " + reason["word"] if reason else ""} ({len(broken)} of {tried} failed)'
        return [f"{mailbox}: the first failure is {told}", *([f"  -> {first.remedy}"] if first.remedy else [])]
    warned = sum(finding.verdict is Verdict.WARNING for finding in findings)
    left = sum(finding.verdict is Verdict.SKIPPED for finding in findings)
    limits = [f"{count(warned, 'warning')} to look at"] if warned else []
    limits += [f"{count(left, 'step')} could not be tried"] if left else []
    return [f"{mailbox}: nothing is wrong{', but ' + ' and '.join(limits) if limits else ''}"]


def as_json(resource: GraphMailSubscription, findings: Sequence[Finding]) -> dict[str, Any]:
    """What programs get."""
    broken = wrong(findings)
    return {
        "name": resource.metadata.name,
        "mailbox": resource.spec.mailbox,
        "well": not broken,
        "wrong": broken[0].found if broken else None,
        "remedy": broken[0].remedy if broken else None,
        "findings": [finding.as_json() for finding in findings],
    }
