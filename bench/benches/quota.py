"""`make bench-quota`: a whole fleet is due at once, and Graph's quota is the only limit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from benches.scale import Scale
from localstack.messages import say, step
from rig import account
from rig.filling import fill_graph, fill_kubernetes, fill_postgres
from rig.meter import Meter, await_standstill
from rig.parts import Parts
from rig.population import ALL_DUE, Mailbox, population
from rig.result import Finding, Machine, Row, at_least, at_most, exactly, finding

NAMESPACE = "bench-quota"
CUSTOMERS = 8
LATENCY_MS = 150
WRITES_PER_SECOND = 100
"""What Graph allows one app over all tenants: 2,000 in 20 seconds."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was read after the run."""

    mailboxes: int
    account: account.Account
    urgency: float
    """Mean place, from 0 to 1, of the tenth that expires first in the order of writes."""
    duplicates: int
    postgres_synced: int
    kubernetes_synced: int
    cpu_start: float
    """Seconds of the operator's processor time before the first write at Graph."""
    cpu_work: float
    """From then on until it rests again."""
    rss_mb: float
    cpu_parts: Mapping[str, float]
    """Seconds of processor time that the others on the machine used, from before the start of the operator to the end."""

    @property
    def share(self) -> float:
        """Renewals, of the most that Graph allows in the time."""
        return self.account.renewals / (WRITES_PER_SECOND * self.account.seconds) if self.account.seconds else 0.0

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of processor time for one renewal."""
        return 1000 * self.cpu_work / max(1, self.account.renewals)

    def _others(self) -> str:
        shares = (f"{part} {1000 * cpu / max(1, self.account.renewals):.1f}" for part, cpu in self.cpu_parts.items())
        return f"{', '.join(shares)} ms"

    def numbers(self) -> dict[str, int | float]:
        """The last line."""
        return {
            "renewals": self.account.renewals,
            "seconds": round(self.account.seconds, 2),
            "quota_share": round(self.share, 4),
            "http_429": self.account.http_429,
            "duplicates": self.duplicates,
            "cpu_ms_per_renewal": round(self.cpu_ms, 2),
            "postgres_synced": self.postgres_synced,
        }

    def rows(self) -> list[Row]:
        """The table."""
        return [
            exactly("renewals", self.account.renewals, self.mailboxes),
            Row("seconds, first to last write", f"{self.account.seconds:.1f}"),
            at_least("share of Graph's quota", round(self.share, 4), 0.97, "{:.3f}"),
            exactly("answers 429", self.account.http_429, 0),
            exactly("mailboxes covered twice", self.duplicates, 0),
            Row(
                "mean place of the most urgent tenth", f"{self.urgency:.0%} of the way (first come, first served: 50%)"
            ),
            exactly("other writes at Graph", self.account.other_writes, 0),
            at_most("operator's processor time a renewal", round(self.cpu_ms, 2), 5, "{:.2f} ms"),
            Row("its processor time to start", f"{self.cpu_start:.1f} s"),
            Row("its memory at the end", f"{self.rss_mb:.0f} MB"),
            Row("the others' processor time a renewal", self._others()),
            exactly("rows of Postgres that have the outcome", self.postgres_synced, self.mailboxes),
            exactly("statuses that have the outcome", self.kubernetes_synced, self.mailboxes),
        ]


def bench(state_dir: Path, scale: Scale) -> Finding:
    """Run it."""
    machine = Machine.here()
    with Parts(state_dir).running() as parts:
        measured = _measure(parts, scale.quota_mailboxes)
    return finding(
        "quota",
        quick=scale.quick,
        command=scale.command("bench-quota"),
        machine=machine,
        rows=measured.rows(),
        numbers=measured.numbers(),
        curve=measured.account.curve,
    )


def _measure(parts: Parts, count: int) -> Measured:
    begun = datetime.now(UTC)
    mailboxes = population(count, CUSTOMERS, ALL_DUE, begun)
    with parts.control() as control:
        with step(f"Filling in {count:,} mailboxes of {CUSTOMERS} Entra tenants, all due"):
            control.change_settings(graph_latency_ms=LATENCY_MS, quotas_enforced=True)
            fill_postgres(parts, mailboxes, fill_graph(control, mailboxes))
            fill_kubernetes(parts, NAMESPACE, mailboxes)
        say(f"Renewing them (about {count / WRITES_PER_SECOND + 10:.0f} s) ...")
        before = parts.cpu()
        with parts.operator(NAMESPACE, {}) as pid, Meter(pid) as meter:
            await_standstill(lambda: _synced_rows(parts, begun), count)
            meter.await_quiet()
            calls = account.read_calls(control)
            told = account.account_of(calls)
            return Measured(
                mailboxes=count,
                account=told,
                urgency=account.urgency(calls, _earliest_first(mailboxes)),
                duplicates=account.duplicates(control),
                postgres_synced=_synced_rows(parts, begun),
                kubernetes_synced=_synced_statuses(parts, begun),
                cpu_start=meter.usage.cpu_at(told.began),
                cpu_work=meter.usage.last.cpu - meter.usage.cpu_at(told.began),
                rss_mb=meter.usage.last.rss / 1e6,
                cpu_parts={part: cpu - before[part] for part, cpu in parts.cpu().items()},
            )


def _earliest_first(mailboxes: Sequence[Mailbox]) -> list[str]:
    return [mailbox.subscription_id for mailbox in sorted(mailboxes, key=lambda mailbox: mailbox.expires_at)]


def _synced_rows(parts: Parts, begun: datetime) -> int:
    """Rows that say when they were renewed, and until when."""
    with psycopg.connect(parts.database_url) as connection:
        found = connection.execute(
            """SELECT count(*) FROM microsoft_email_provider_config c
               JOIN email_provider_health h ON h.tenant = c.tenant AND h.provider_id = c.email_provider_id::text
               WHERE c.last_subscription_renewal >= %(begun)s AND c.webhook_expires_at > now() + interval '6 days'
                 AND h.last_renewal_attempt_at >= %(begun)s AND h.last_renewal_result = 'success'""",
            {"begun": begun},
        ).fetchone()
    return int(found[0]) if found else 0


def _synced_statuses(parts: Parts, begun: datetime) -> int:
    """Resources whose status tells of a renewal in this run."""
    items = parts.cluster.request("GET", parts.resources_path(NAMESPACE), timeout=60.0)["items"]
    moments = (item.get("status", {}).get("lastRenewalTime", "") for item in items)
    return sum(moment >= begun.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in moments)
