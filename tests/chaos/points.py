"""Crash points: before and after every call that leaves the operator's process. Nothing of this stands in the operator itself.

There are four doors to the outside (Graph, sign-in, Postgres, the API server), and each is one function. They are wrapped in the
process that is to be killed; a point is named after the call, such as `graph POST /subscriptions, after`.
"""

import os
import re
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import aiohttp
import requests

from graphmail.cluster import Cluster
from graphmail.database.errors import DatabaseUnavailable
from graphmail.database.session import Session
from graphmail.graph import caller
from graphmail.graph.login import Login
from graphmail.graph.transport import Unanswered

_T = TypeVar("_T")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NAMED = re.compile(r"/(namespaces|graphmailsubscriptions|events|secrets|leases)/[^/]+")
_MAILBOX = re.compile(r"[^/@]+@[^/]+")


class Phase(StrEnum):
    """When, seen from the call."""

    BEFORE = "before"
    AFTER = "after"


class Point(NamedTuple):
    """One moment in the life of the process."""

    call: str
    phase: Phase
    occurrence: int
    """The first time is 1."""

    def __str__(self) -> str:
        again = f", time {self.occurrence}" if self.occurrence > 1 else ""
        return f"{self.phase} {self.call}{again}"


class Blow(StrEnum):
    """What happens there."""

    KILL = "kill"
    """SIGKILL."""
    LOSE = "lose"
    """The call was done, and its answer is lost."""


@dataclass(frozen=True)
class Order:
    """What is to happen, and where."""

    point: Point
    blow: Blow


class Watch:
    """Counts the points that are passed, writes them down, and strikes where it was ordered to."""

    def __init__(self, trace: Path, order: Order | None) -> None:
        self._trace = trace.open("a", buffering=1)
        self._order = order
        self._passed: Counter[tuple[str, Phase]] = Counter()

    def before(self, call: str) -> None:
        """The call is about to be made."""
        self._strikes(call, Phase.BEFORE)

    def lost(self, call: str) -> bool:
        """The call was made; whether its answer is lost."""
        return self._strikes(call, Phase.AFTER)

    def _strikes(self, call: str, phase: Phase) -> bool:
        self._passed[call, phase] += 1
        point = Point(call, phase, self._passed[call, phase])
        self._trace.write(f"{point.call}\t{point.phase}\t{point.occurrence}\n")
        if self._order is None or self._order.point != point:
            return False
        if self._order.blow is Blow.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        return True


def read_trace(trace: Path) -> list[Point]:
    """The points that a process has passed, in their order."""
    fields = (line.split("\t") for line in trace.read_text().splitlines())
    return [Point(call, Phase(phase), int(occurrence)) for call, phase, occurrence in fields]


def arm(watch: Watch) -> None:
    """Put the watch at the four doors of this process."""
    _arm_graph(watch)
    _arm_sign_in(watch)
    _arm_postgres(watch)
    _arm_cluster(watch)


async def _passed(watch: Watch, call: str, made: Callable[[], Awaitable[_T]], loss: Exception) -> _T:
    watch.before(call)
    answer = await made()
    if watch.lost(call):
        raise loss
    return answer


def _arm_graph(watch: Watch) -> None:
    original = caller.exchange

    async def exchange(http: Any, request: Any, seconds: float) -> Any:
        path = _MAILBOX.sub("{mailbox}", _ID.sub("{id}", urlsplit(str(request.url)).path.removeprefix("/v1.0")))
        loss = Unanswered("the answer is lost", sent=True, code="error")
        return await _passed(watch, f"graph {request.method} {path}", partial(original, http, request, seconds), loss)

    caller.exchange = exchange  # type: ignore[attr-defined]  # the caller's own name for it


def _arm_sign_in(watch: Watch) -> None:
    original = Login.answer

    def answer(self: Login, method: str, url: str, **what: Any) -> Any:
        call = f"sign-in {method} {_ID.sub('{id}', urlsplit(url).path)}"
        watch.before(call)
        answered = original(self, method, url, **what)
        if watch.lost(call):
            raise requests.ConnectionError("the answer is lost")
        return answered

    Login.answer = answer  # type: ignore[method-assign]


def _arm_postgres(watch: Watch) -> None:
    rows, results = Session.rows, Session.results

    async def watched_rows(self: Session, statement: Any, parameters: Any) -> Any:
        loss = DatabaseUnavailable("Postgres is unavailable: the answer is lost")
        return await _passed(watch, f"postgres {_words(statement)}", partial(rows, self, statement, parameters), loss)

    async def watched_results(self: Session, statements: Any, parameters: Any) -> Any:
        loss = DatabaseUnavailable("Postgres is unavailable: the answer is lost")
        call = f"postgres {', '.join(map(_words, statements))}"
        return await _passed(watch, call, partial(results, self, statements, parameters), loss)

    Session.rows = watched_rows  # type: ignore[method-assign]
    Session.results = watched_results  # type: ignore[method-assign]


def _words(statement: Any) -> str:
    return str(statement.__name__).removesuffix("_statement").replace("_", " ")


def _arm_cluster(watch: Watch) -> None:
    """Where requests are signed in: Kopf's own pass there as well."""
    original = Cluster._sign_in  # the one place that all requests pass

    async def sign_in(self: Cluster, request: Any, handler: Any) -> Any:
        path = _NAMED.sub(r"/\1/{name}", request.url.path)
        verb = "watch" if "watch" in request.url.query else request.method
        loss = aiohttp.ClientConnectionError("the answer is lost")
        return await _passed(watch, f"kubernetes {verb} {path}", partial(original, self, request, handler), loss)

    Cluster._sign_in = sign_in  # type: ignore[method-assign]
