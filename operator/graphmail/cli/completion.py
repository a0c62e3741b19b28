"""What the shell offers while somebody types: names, addresses, tenants and providers from the cluster, quickly or not at all."""

import asyncio
import io
import logging
import os
import shlex
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout, suppress
from typing import Any, TypedDict

SECONDS = 2.0
"""Whoever presses the tab key waits no longer."""
MOST = 1_000
"""Candidates; no shell shows more in a useful way."""
_KUBECTL_PLAIN, _KUBECTL_NO_FILES = 0, 4
"""What kubectl's shells do after our candidates (cobra, ShellCompDirective): offer files, too, or nothing else."""

Read = Callable[[Any], str]


class Complete(TypedDict):
    """What an option or argument is told, so that it completes."""

    autocompletion: Callable[..., list[str]]


def _completes(*reads: Read) -> Complete:
    def candidates(ctx: Any, incomplete: str) -> list[str]:
        try:
            return offered(_resources(_given(ctx)), reads, incomplete)
        except Exception:  # a shell that completes must never show an error
            return []

    return {"autocompletion": candidates}


def _given(ctx: Any) -> dict[str, Any]:
    """The options that are typed already, before the command and behind it."""
    before = ctx.parent.params if ctx.parent is not None else {}
    return before | {name: value for name, value in ctx.params.items() if value is not None}


def offered(resources: Iterable[Any], reads: Iterable[Read], incomplete: str) -> list[str]:
    """The words that begin like that, each once, in order."""
    words = {read(resource) for resource in resources for read in reads}
    return sorted(word for word in words if word.startswith(incomplete))[:MOST]


def _resources(given: dict[str, Any]) -> list[Any]:
    """All mailboxes, from where the options that are typed already point to."""
    from graphmail.cli.clusters import Place  # noqa: PLC0415 - the help imports no part of the operator
    from graphmail.cli.page import Page  # noqa: PLC0415
    from graphmail.cli.selection import Selection, selected  # noqa: PLC0415

    logging.disable(logging.CRITICAL)
    place = Place(given.get("namespace"), given.get("kubeconfig"), given.get("context"))
    target = place.target(place.read(Page("", "", {}, settings=("GRAPHMAIL_NAMESPACE",))))

    async def ask() -> list[Any]:
        async with asyncio.timeout(SECONDS), target.client() as cluster:
            return await selected(cluster, Selection())

    return asyncio.run(ask())


NAMES = _completes(lambda one: one.metadata.name, lambda one: one.spec.mailbox)
TENANTS = _completes(lambda one: one.spec.tenant)
PROVIDERS = _completes(lambda one: one.spec.provider_id)


def kubectl_complete() -> None:
    """`kubectl_complete-graphmail`, which kubectl runs to complete `kubectl graphmail ...`: a candidate a line, then `:` and a number.

    The candidates are those of the shells' own protocol (typer's, for bash).
    """
    from graphmail.cli import build  # noqa: PLC0415 - its modules import this one

    words = ["graphmail", *sys.argv[1:]]
    os.environ |= {"_GRAPHMAIL_COMPLETE": "complete_bash", "COMP_WORDS": shlex.join(words)}
    os.environ["COMP_CWORD"] = str(len(words) - 1)
    said = io.StringIO()
    with redirect_stdout(said), suppress(Exception, SystemExit):
        build()(prog_name="graphmail")
    candidates = said.getvalue().split()
    sys.stdout.write(
        "".join(f"{word}\n" for word in candidates) + f":{_KUBECTL_NO_FILES if candidates else _KUBECTL_PLAIN}\n"
    )
