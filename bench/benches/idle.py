"""`make bench-idle`: a large fleet, nothing due. What does waiting cost?"""

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from benches.scale import Scale
from graphsim.client import SimulatorControl
from localstack.messages import say, step
from rig.filling import fill_graph, fill_kubernetes, fill_postgres
from rig.meter import Meter, Usage
from rig.parts import DATABASE, Parts
from rig.population import NONE_DUE, population
from rig.result import Finding, Machine, Row, at_most, exactly, finding

NAMESPACE = "bench-idle"
CUSTOMERS = 8
NO_VERIFICATION = {"GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES": "0"}
QUERIES_PER_MINUTE = 30
_WRITES = frozenset({"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"})
_SERIES = re.compile(r"apiserver_request_total\{(?P<labels>[^}]*)\} (?P<count>\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): ")


@dataclass(frozen=True, slots=True)
class Counters:
    """What has happened so far."""

    graph_calls: int
    api_writes: int
    queries: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What was read after the time of watching."""

    resources: int
    seconds: float
    graph_calls: int
    api_writes: int
    queries: int
    cpu_share: float
    rss_mb: float
    rss_empty_mb: float
    """Of the same operator with nothing to care for."""

    @property
    def kb_per_resource(self) -> float:
        """What each resource adds to the operator's memory, in thousands of bytes."""
        return 1000 * (self.rss_mb - self.rss_empty_mb) / self.resources

    def numbers(self) -> dict[str, int | float]:
        """The last line."""
        return {
            "resources": self.resources,
            "minutes": round(self.seconds / 60, 2),
            "graph_calls": self.graph_calls,
            "api_writes": self.api_writes,
            "queries": self.queries,
            "cpu_share": round(self.cpu_share, 4),
            "rss_mb": round(self.rss_mb, 1),
            "kb_per_resource": round(self.kb_per_resource, 1),
        }

    def rows(self) -> list[Row]:
        """The table."""
        minutes = self.seconds / 60
        return [
            Row("resources, none due", f"{self.resources:,}"),
            Row("minutes", f"{minutes:.1f}"),
            exactly("calls of Graph and of sign-in", self.graph_calls, 0),
            exactly("writes at the API server", self.api_writes, 0),
            at_most("queries of Postgres a minute", round(self.queries / minutes, 1), QUERIES_PER_MINUTE, "{:.1f}"),
            at_most("share of a core", round(self.cpu_share, 4), 0.02, "{:.2%}"),
            Row("memory of the operator", f"{self.rss_mb:.0f} MB"),
            Row("its memory without resources", f"{self.rss_empty_mb:.0f} MB"),
            at_most("memory a resource", round(self.kb_per_resource, 1), 25, "{:.1f} KB"),
        ]


def bench(state_dir: Path, scale: Scale) -> Finding:
    """Run it."""
    machine = Machine.here()
    with Parts(state_dir).running() as parts, parts.control() as control:
        measured = _measure(parts, control, scale)
    command = scale.command("bench-idle")
    if scale.idle_minutes != Scale.full().idle_minutes and not scale.quick:
        command += f" MINUTES={scale.idle_minutes:g}"
    return finding(
        "idle",
        quick=scale.quick or scale.idle_minutes < Scale.full().idle_minutes,
        command=command,
        machine=machine,
        rows=measured.rows(),
        numbers=measured.numbers(),
    )


def _measure(parts: Parts, control: SimulatorControl, scale: Scale) -> Measured:
    with step("Measuring the operator without resources"):
        parts.fresh_database()
        parts.fresh_namespace("bench-empty")
        empty = _settled(parts, "bench-empty")
    mailboxes = population(scale.idle_resources, CUSTOMERS, NONE_DUE, datetime.now(UTC))
    with step(f"Filling in {len(mailboxes):,} resources, none due"):
        fill_postgres(parts, mailboxes, fill_graph(control, mailboxes))
        fill_kubernetes(parts, NAMESPACE, mailboxes)
        _log_statements(parts)
    with parts.operator(NAMESPACE, NO_VERIFICATION) as pid, Meter(pid) as meter:
        meter.await_quiet(share=0.05, seconds=10.0, timeout=120.0)
        say(f"Watching for {scale.idle_minutes:g} minutes ...")
        before, began = _count(parts, control), meter.usage.last
        time.sleep(scale.idle_minutes * 60)
        after, ended = _count(parts, control), meter.usage.last
    seconds = ended.at - began.at
    return Measured(
        resources=len(mailboxes),
        seconds=seconds,
        graph_calls=after.graph_calls - before.graph_calls,
        api_writes=after.api_writes - before.api_writes,
        queries=after.queries - before.queries,
        cpu_share=(ended.cpu - began.cpu) / seconds,
        rss_mb=ended.rss / 1e6,
        rss_empty_mb=empty.last.rss / 1e6,
    )


def _settled(parts: Parts, namespace: str) -> Usage:
    with parts.operator(namespace, NO_VERIFICATION) as pid, Meter(pid) as meter:
        meter.await_quiet(share=0.05, seconds=10.0, timeout=60.0)
        return meter.usage


def _log_statements(parts: Parts) -> None:
    """Every statement in this database is a line of the server's log from now on; sessions of ours look elsewhere."""
    with psycopg.connect(parts.postgres.url(), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {DATABASE} SET log_statement = 'all'")


def _count(parts: Parts, control: SimulatorControl) -> Counters:
    return Counters(
        graph_calls=control.requests(limit=0).total,
        api_writes=api_writes(str(parts.cluster.request("GET", "/metrics", timeout=30.0))),
        queries=statements((parts.state_dir / "postgres.log").read_text(errors="replace")),
    )


def api_writes(metrics: str) -> int:
    """Writes of our resources and of events that the API server has counted. Its own, to leases and priorities, are left out."""
    total = 0
    for series in _SERIES.finditer(metrics):
        labels = dict(_LABEL.findall(series["labels"]))
        ours = labels.get("group") == "graphmail.dev" or labels.get("resource") == "events"
        if ours and labels.get("verb") in _WRITES:
            total += int(float(series["count"]))
    return total


def statements(log: str) -> int:
    """Statements in a log of Postgres that was told to write them all."""
    return len(_STATEMENT.findall(log))
