"""`make bench-compare`: the same work by this operator, by a plain Kopf operator, and by a loop over the rows; no quotas."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benches.scale import Scale
from graphsim.client import SimulatorControl
from localstack.messages import LocalStackError, say, step
from rig import account
from rig.filling import Tokens, fill_graph, fill_kubernetes, fill_kubernetes_plainly, fill_postgres
from rig.meter import Meter, await_standstill
from rig.parts import CHECKOUT, PROGRAMS, Parts
from rig.population import ALL_DUE, Mailbox, population
from rig.result import Finding, Machine, Row, at_least, finding

CUSTOMERS = 8
LATENCY_MS = 200
UNBOUNDED = {
    f"GRAPHMAIL_QUOTA_{kind}_PER_{scope}": "1000000"
    for kind in ("WRITES", "READS", "LISTS", "REAUTHORIZE")
    for scope in ("APP", "TENANT")
} | {"GRAPHMAIL_GRAPH_CONNECTIONS": "64"}
"""The operator's own settings for a Graph without quotas: nothing is held back, and more is in flight."""
KOPF_FINALIZER = "kopf.zalando.org/KopfFinalizerMarker"


@dataclass(frozen=True, slots=True)
class Contestant:
    """What one of them did."""

    name: str
    renewals: int
    per_second: float
    cpu_ms: float
    """Processor time of its process for one renewal, from the first write at Graph until it rests again."""

    def row(self) -> Row:
        """What is said of it."""
        return Row(self.name, f"{self.per_second:.1f} a second, {self.cpu_ms:.1f} ms each ({self.renewals:,} renewals)")


@dataclass(frozen=True, slots=True)
class Compared:
    """All three."""

    ours: Contestant
    plain: Contestant
    loop: Contestant

    def numbers(self) -> dict[str, int | float]:
        """The last line."""
        return {
            "ours_per_s": round(self.ours.per_second, 1),
            "plain_kopf_per_s": round(self.plain.per_second, 1),
            "loop_per_s": round(self.loop.per_second, 2),
            "ours_cpu_ms": round(self.ours.cpu_ms, 2),
            "plain_kopf_cpu_ms": round(self.plain.cpu_ms, 2),
            "loop_cpu_ms": round(self.loop.cpu_ms, 2),
        }

    def rows(self) -> list[Row]:
        """The table."""
        speed = _ratio(self.ours.per_second, self.plain.per_second)
        cost = _ratio(self.ours.cpu_ms, self.plain.cpu_ms)
        return [
            self.ours.row(),
            self.plain.row(),
            self.loop.row(),
            at_least("ours is faster than plain Kopf by", round(speed, 2), 3, "{:.1f} times"),
            Row("its processor time, of plain Kopf's", f"{cost:.0%}", "at most a third", cost <= 1 / 3),
            at_least("ours is faster than the loop by", round(_ratio(self.ours.per_second, self.loop.per_second)), 100, "{:.0f} times"),
        ]  # fmt: skip


def _ratio(one: float, other: float) -> float:
    return one / other if other else 0.0


def bench(state_dir: Path, scale: Scale) -> Finding:
    """Run it."""
    machine = Machine.here()
    with Parts(state_dir).running() as parts, parts.control() as control:
        control.change_settings(graph_latency_ms=LATENCY_MS, quotas_enforced=False)
        ring = Ring(parts, control, scale)
        compared = Compared(loop=ring.loop(), plain=ring.plain(), ours=ring.ours())
    return finding(
        "compare",
        quick=scale.quick,
        command=scale.command("bench-compare"),
        machine=machine,
        rows=compared.rows(),
        numbers=compared.numbers(),
    )


@dataclass(frozen=True, slots=True)
class Ring:
    """Where they take turns. Each finds a fresh world: all mailboxes due, nothing renewed yet."""

    parts: Parts
    control: SimulatorControl
    scale: Scale

    def ours(self) -> Contestant:
        """This operator, with Postgres."""
        count = self.scale.compare_mailboxes
        with self._prepared("this operator", partial(fill_kubernetes, self.parts, "bench-ours")):
            program = partial(self.parts.operator, "bench-ours", UNBOUNDED)
            return self._measured("this operator", program, count)

    def plain(self) -> Contestant:
        """A plain Kopf operator, without Postgres."""
        fill = partial(fill_kubernetes_plainly, self.parts, "bench-plain", finalizer=KOPF_FINALIZER)
        with self._prepared("a plain Kopf operator", fill) as tokens:
            file = self.parts.state_dir / "tokens.json"
            file.touch(mode=0o600)
            file.write_text(json.dumps({address: kept.access_token for address, kept in tokens.items()}))
            source = CHECKOUT / "bench" / "rivals" / "plain_kopf.py"
            command: list[str | Path] = [PROGRAMS / "kopf", "run", "--standalone", "--namespace", "bench-plain", source]
            environ = self.parts.environ("bench-plain") | {"BENCH_TOKENS": str(file)}
            program = partial(self.parts.program, "plain-kopf", command, environ)
            try:
                return self._measured("a plain Kopf operator", program, self.scale.compare_mailboxes)
            finally:
                file.unlink()

    def loop(self) -> Contestant:
        """A loop over the rows, without Kubernetes."""
        rows = self.scale.loop_rows
        with self._prepared("a loop over the rows", lambda _: None):
            command = [sys.executable, "-m", "rivals.row_loop", str(rows)]
            program = partial(self.parts.program, "row-loop", command, self.parts.environ("none"))
            return self._measured(f"a loop over the rows ({rows} of them)", program, rows)

    @contextmanager
    def _prepared(self, name: str, fill: Callable[[list[Mailbox]], None]) -> Iterator[dict[str, Tokens]]:
        mailboxes = list(population(self.scale.compare_mailboxes, CUSTOMERS, ALL_DUE, datetime.now(UTC)))
        with step(f"Filling in {len(mailboxes):,} mailboxes for {name}"):
            tokens = dict(fill_graph(self.control, mailboxes))
            fill_postgres(self.parts, mailboxes, tokens)
            fill(mailboxes)
        say("Renewing ...")
        yield tokens

    def _measured(self, name: str, program: Callable[[], AbstractContextManager[int]], count: int) -> Contestant:
        with program() as pid, Meter(pid) as meter:
            done = await_standstill(lambda: account.renewed(self.control), count)
            meter.await_quiet()
            told = account.read_account(self.control)
            cpu = meter.usage.last.cpu - meter.usage.cpu_at(told.began)
        if done < count:
            raise LocalStackError(
                f"{name} stood still at {done} of {count} renewals; its log is in {self.parts.state_dir}"
            )
        return Contestant(name, told.renewals, told.per_second, 1000 * cpu / told.renewals)
