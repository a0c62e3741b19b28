"""One run of the demo from start to end: in each of its three modes, and whatever goes wrong."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psycopg

from demo import observed, verdict
from demo.filling import Before, Filler
from demo.scenario import FORCED, PROVIDERS, TENANTS, WRITTEN_TO
from demo.show import heading, paragraph
from demo.stack import CHECKOUT, PROGRAMS, Stack, complaint, end_running, only_one
from demo.story import Storyteller, eventually
from graphsim.client import ControlError
from localstack.cache import Cache
from localstack.messages import LocalStackError, home_relative, say, step
from localstack.toolchain import CLUSTER_TOOLS, Toolchain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from demo.verdict import Check

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_SECONDS = 1.0
LATE_SECONDS = 60.0
"""What an event, which is posted in the background, may be late by."""


class Mode(Enum):
    """What happens after the start."""

    STAY = "the story is told, and all goes on until Ctrl-C"
    EXIT = "the story is told and checked, and all ends"
    PAUSE = "all but the operator goes on in the background"

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Mode:
        """The mode that DEMO_EXIT and DEMO_PAUSE ask for; 0 counts as unset. Raises LocalStackError for both at once."""
        leaves, pauses = (environ.get(name, "0") not in {"", "0"} for name in ("DEMO_EXIT", "DEMO_PAUSE"))
        if leaves and pauses:
            raise LocalStackError("DEMO_EXIT and DEMO_PAUSE contradict each other: say one of them")
        return cls.EXIT if leaves else cls.PAUSE if pauses else cls.STAY


def demo(state_dir: Path, mode: Mode) -> None:
    """Run the demo. Raises LocalStackError when a part does not come up, or a provider did not end as it should."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup has asked to go on
            signal.signal(number, signal.default_int_handler)
    Toolchain(Cache.default(), os.environ).prepare(CLUSTER_TOOLS)
    with only_one(state_dir), _explained(state_dir):
        stack = Stack(state_dir)
        if mode is Mode.PAUSE:
            _pause(stack)
        else:
            with _ended(stack):
                before = _start(stack)
                Storyteller(stack, before).tell()
                if mode is Mode.EXIT:
                    _check(stack, before)
                else:
                    _stay(stack)


def down(state_dir: Path) -> None:
    """End whatever runs in the folder. Harmless when nothing does."""
    if state_dir.is_dir():
        end_running(state_dir)
        Stack(state_dir).stop()
    say("The demo is ended.")


# The modes


def _pause(stack: Stack) -> None:
    try:
        _start(stack)
    except BaseException:
        _stop(stack)
        raise
    heading("All but the operator is running")
    paragraph(
        f"The CRD is applied, the database is migrated, and {len(PROVIDERS)} providers stand in it. No operator runs. To start one "
        "from this checkout:"
    )
    say(f"\n  . {_path(stack.environment_file)} && {_path(PROGRAMS / 'graphmail')} run")
    say("")
    paragraph("The other commands, in a second terminal:")
    _invite(stack)
    say("\nmake demo-down ends it all.")


def _stay(stack: Stack) -> None:
    heading("It goes on running, until Ctrl-C")
    paragraph("Look at it from another terminal, in this folder:")
    _invite(stack)
    say(f"  tail -f {_path(stack.operator.log)}")
    try:
        while not (fallen := stack.fallen()):
            time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        return
    raise LocalStackError("\n".join(complaint(part) for part in fallen))


def _check(stack: Stack, before: Mapping[str, Before]) -> None:
    heading("Did each provider end as it should?")
    judged: dict[str, list[Check]] = {}

    def passed() -> bool:
        judged.update(_judge(stack, before))
        return all(check.ok for checks in judged.values() for check in checks)

    eventually(passed, LATE_SECONDS)
    for provider in PROVIDERS:
        say(f"\n{provider.mailbox} ({provider.tenant.name}): {provider.title}")
        for check in judged[provider.id]:
            say(check.line())
    total = sum(len(checks) for checks in judged.values())
    failed = sum(not check.ok for checks in judged.values() for check in checks)
    say(f"\n{len(PROVIDERS)} providers, {total} checks: {total - failed} ok, {failed} FAILED")
    if failed:
        raise LocalStackError(f"{failed} checks failed; the operator's log is {home_relative(stack.operator.log)}")


def _judge(stack: Stack, before: Mapping[str, Before]) -> dict[str, list[Check]]:
    """The checks of each provider, by its id."""
    seen, now, story = observed.observe(stack), datetime.now(UTC), verdict.Story(forced=True, written=True)
    return {
        provider.id: verdict.judge(provider, before[provider.id], seen[provider.id], now, story)
        for provider in PROVIDERS
    }


def _invite(stack: Stack) -> None:
    name = FORCED.resource
    say(f'\n  . {_path(stack.environment_file)}; export PATH="{stack.bin}:$PATH"\n')
    for line in (
        "kubectl get graphmailsubscriptions -o wide",
        f"kubectl describe gms {name}",
        f'kubectl annotate gms {name} graphmail.dev/renew-requested-at="$(date)" --overwrite',
        "graphmail status",
        f"graphsim mail send {WRITTEN_TO.mailbox}",
        "graphsim coverage                # its seconds and gaps began before the operator came; suspended mailboxes go on having one",
        "curl -s --noproxy '*' $GRAPHMAIL_METRICS_URL",
    ):
        say(f"  {line}")


# Start and end


def _start(stack: Stack) -> dict[str, Before]:
    """Start all but the operator, and fill it."""
    heading("Starting everything but the operator")
    say(f"State and logs are in {home_relative(stack.state_dir)}.")
    with step(
        "Starting etcd, kube-apiserver, Postgres, a simulated Microsoft Graph and the product's webhook (about 6 s)"
    ):
        stack.start()
    with step("Making the product's tables, migrating them, applying the CRD (about 3 s)"):
        stack.prepare()
    with step(f"Filling in {len(TENANTS)} tenants and {len(PROVIDERS)} mail providers"), stack.control() as control:
        application_url = stack.environment["APPLICATION_URL"]
        return Filler(control, stack.database_url, application_url).fill()


@contextmanager
def _ended(stack: Stack) -> Iterator[None]:
    """End all parts in the end, come what may."""
    try:
        yield
    finally:
        _stop(stack)


def _stop(stack: Stack) -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it running
    say(f"\nEnding everything; the logs stay in {home_relative(stack.state_dir)}.")
    stack.stop()


@contextmanager
def _explained(state_dir: Path) -> Iterator[None]:
    """Make one clear message of what a part of the demo says when another one fails it, or of Ctrl-C, after which nothing is kept."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted") from None
    except (ControlError, httpx.HTTPError, psycopg.Error, OSError) as error:
        raise LocalStackError(
            f"{type(error).__name__}: {error}\nThe logs of all parts are in {home_relative(state_dir.absolute())}/*.log"
        ) from error


def _path(path: Path) -> str:
    """A path as one types it from the checkout."""
    try:
        return str(path.relative_to(CHECKOUT))
    except ValueError:
        return str(path)
