"""`make bench-receiver`: Graph posts as much as it ever may. How soon has it its answer?"""

import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import uvloop

from benches.scale import Scale
from demo.stack import answers
from graphmail.resource.names import LIFECYCLE_PATH, NOTIFICATIONS_PATH
from localstack.messages import say, step
from localstack.processes import free_port
from rig.filling import Tokens, fill_kubernetes, fill_postgres
from rig.meter import Meter
from rig.parts import PROGRAMS, Parts
from rig.population import NONE_DUE, Mailbox, population
from rig.posting import Answer, Post, post_all
from rig.result import Finding, Machine, Row, at_least, at_most, finding

NAMESPACE = "bench-receiver"
CUSTOMERS = 8
GRAPH_SECONDS = 3.0
"""An answer that takes longer counts as none."""
_LIFECYCLE, _FORGED = 50, 99
"""Of a hundred requests these are a lifecycle notification and a forged one."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found."""

    asked: Sequence[Answer]
    seconds: float
    cpu_share: float
    rss_mb: float
    times_written: int
    """Mailboxes whose last notification stands in Postgres afterwards."""

    @property
    def per_second(self) -> float:
        """Notifications that were answered with 2xx."""
        return sum(200 <= one.status < 300 for one in self.asked) / self.seconds

    @property
    def p99_ms(self) -> float:
        """Of the answers' times, the one that 99 of 100 do not exceed."""
        ordered = sorted(one.seconds for one in self.asked)
        return 1_000 * ordered[max(0, int(len(ordered) * 0.99) - 1)]

    @property
    def in_time(self) -> float:
        """The share that was answered with 2xx within Graph's time."""
        good = sum(200 <= one.status < 300 and one.seconds <= GRAPH_SECONDS for one in self.asked)
        return good / len(self.asked)

    def numbers(self) -> dict[str, int | float]:
        """The last line."""
        return {
            "notifications": len(self.asked),
            "notifications_per_second": round(self.per_second, 1),
            "p99_ms": round(self.p99_ms, 1),
            "answered_within_3s": round(self.in_time, 5),
            "not_taken": sum(not 200 <= one.status < 300 for one in self.asked),
            "cpu_share": round(self.cpu_share, 3),
            "rss_mb": round(self.rss_mb, 1),
            "times_written": self.times_written,
        }

    def rows(self, scale: Scale) -> list[Row]:
        """The table."""
        wanted = 0.99 * scale.receiver_per_second
        return [
            Row("requests", f"{len(self.asked):,}"),
            at_least("taken a second", round(self.per_second, 1), wanted, "{:.1f}"),
            at_least("answered within 3 s", self.in_time, 1.0, "{:.3%}"),
            Row("99 of 100 answered within", f"{self.p99_ms:.1f} ms"),
            at_most("share of a core", round(self.cpu_share, 3), 1.0, "{:.1%}"),
            Row("memory of the receiver", f"{self.rss_mb:.0f} MB"),
            Row("mailboxes whose time was written", f"{self.times_written:,}"),
        ]


def bench(state_dir: Path, scale: Scale) -> Finding:
    """Run it."""
    machine = Machine.here()
    with Parts(state_dir).running() as parts:
        measured = _measure(parts, scale)
    return finding(
        "receiver",
        quick=scale.quick,
        command=scale.command("bench-receiver"),
        machine=machine,
        rows=measured.rows(scale),
        numbers=measured.numbers(),
    )


def _measure(parts: Parts, scale: Scale) -> Measured:
    mailboxes = population(scale.receiver_mailboxes, CUSTOMERS, NONE_DUE, datetime.now(UTC))
    with step(f"Filling in {len(mailboxes):,} mailboxes"):
        unused = Tokens("unused", "unused", datetime.now(UTC) + timedelta(hours=1))
        fill_postgres(parts, mailboxes, {mailbox.address: unused for mailbox in mailboxes})
        fill_kubernetes(parts, NAMESPACE, mailboxes)
    product, port = free_port(), free_port()
    environ = parts.environ(NAMESPACE) | {
        "GRAPHMAIL_RECEIVER_URL": "https://mail.example.com",
        "GRAPHMAIL_RECEIVER_FORWARD_URL": f"http://127.0.0.1:{product}/hook",
        "GRAPHMAIL_RECEIVER_ADDRESS": f"127.0.0.1:{port}",
    }
    posts = requests(f"http://127.0.0.1:{port}", mailboxes, scale.receiver_per_second * scale.receiver_seconds)
    ready = parts.metrics_url.replace("/metrics", "/readyz")
    with (
        parts.program("product", [PROGRAMS / "python", "-m", "rig.product", str(product)], environ),
        parts.program("receiver", [PROGRAMS / "graphmail", "receiver"], environ, ready=lambda: answers(ready)) as pid,
        Meter(pid) as meter,
    ):
        say(f"Posting {len(posts):,} requests, {scale.receiver_per_second} a second ...")
        began = time.time()
        asked = uvloop.run(post_all(posts, scale.receiver_per_second))
        ended = time.time()
        usage = meter.usage
    return Measured(
        asked=asked,
        seconds=len(posts) / scale.receiver_per_second,
        cpu_share=usage.cpu_between(began, ended) / (ended - began),
        rss_mb=usage.last.rss / 1e6,
        times_written=_written(parts),  # an orderly stop has written what waited
    )


def requests(url: str, mailboxes: Sequence[Mailbox], count: int) -> list[Post]:
    """So many, the same at every run: mostly mail that arrived, and of each hundred one word about a subscription and one forgery."""
    chance = random.Random(count)  # noqa: S311  # an order, no secret
    return [_request(url, chance.choice(mailboxes), number % 100) for number in range(count)]


def _request(url: str, mailbox: Mailbox, kind: int) -> Post:
    item: dict[str, object] = {
        "subscriptionId": mailbox.subscription_id,
        "subscriptionExpirationDateTime": mailbox.expires_at.isoformat(),
        "tenantId": mailbox.customer.directory,
        "clientState": "forged" if kind == _FORGED else mailbox.client_state,
    }
    if kind == _LIFECYCLE:
        return _post(url + LIFECYCLE_PATH, item | {"lifecycleEvent": "reauthorizationRequired"})
    resource = f"Users/{mailbox.number}/Messages/{kind}"
    data = {"@odata.type": "#Microsoft.Graph.Message", "@odata.id": resource, "id": str(kind)}
    return _post(url + NOTIFICATIONS_PATH, item | {"changeType": "created", "resource": resource, "resourceData": data})


def _post(url: str, item: Mapping[str, object]) -> Post:
    return Post(url, json.dumps({"value": [item]}).encode())


def _written(parts: Parts) -> int:
    statement = "SELECT count(*) FROM email_provider_health WHERE last_notification_received_at IS NOT NULL"
    with psycopg.connect(parts.database_url) as connection:
        [[count]] = connection.execute(statement).fetchall()
    return int(count)
