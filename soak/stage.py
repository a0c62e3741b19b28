"""What a month is played on: the parts, filled as after days of ordinary work, and two replicas that stand still until the clock runs."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from localstack.messages import step
from rig.filling import fill_graph, fill_kubernetes, fill_postgres
from rig.parts import Parts
from rig.population import Left, Mailbox, population
from soak.month import Box, Month
from soak.oracle import Allowance, Expected
from soak.plan import HOUR, Plan
from soak.product import Product
from soak.replicas import Replicas
from soak.timekeeper import Timekeeper
from soak.webhook import Webhook

NAMESPACE = "soak"
VERIFICATION_MINUTES = 360
POLL_SECONDS = 2.5
SWEEP_GRACE_MINUTES = 60
LEFT = Left(timedelta(hours=30), timedelta(days=6, hours=20))
"""What the subscriptions have left at the start."""


def settings(clock_file: Path, plan: Plan) -> dict[str, str]:
    """The replicas' settings, beside where everything is. Ticks, polls and leases are in real time."""
    usual = {
        "GRAPHMAIL_SIMULATED_CLOCK_FILE": str(clock_file),
        "GRAPHMAIL_LEADER_ELECTION": "true",  # which the benches turn off
        "GRAPHMAIL_TICK_SECONDS": "8",
        "GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES": str(VERIFICATION_MINUTES),
        "GRAPHMAIL_MIRROR_POLL_SECONDS": str(POLL_SECONDS),
        "GRAPHMAIL_MIRROR_COMPARE_SECONDS": "10",
        "GRAPHMAIL_SWEEP_INTERVAL_HOURS": "12",
        "GRAPHMAIL_SWEEP_GRACE_MINUTES": str(SWEEP_GRACE_MINUTES),
    }
    if plan.mail is None:
        return usual
    # The poll tells what has arrived, and of a silent mailbox only the comparison that nothing has: as often as the operator lets it.
    return usual | {
        "GRAPHMAIL_MIRROR_POLL_SECONDS": "3",
        "GRAPHMAIL_MIRROR_COMPARE_SECONDS": "6",
        "GRAPHMAIL_DELIVERY_ALLOWANCE_MINUTES": str(plan.mail.allowance_minutes),
    }


def allowance(plan: Plan) -> Allowance:
    """What passes at that plan's rate before something can be known and done."""
    return Allowance(
        verification=VERIFICATION_MINUTES * 60.0,
        noticing=POLL_SECONDS * plan.rate,
        handling=plan.handling_seconds * plan.rate,
        backoff=HOUR,
    )


@contextmanager
def stage(plan: Plan, state_dir: Path) -> Iterator[Month]:
    """Everything in place; all of it ends afterwards, and the logs stay."""
    for log in state_dir.glob("operator-*.log"):
        log.unlink()
    with Parts(state_dir).running() as parts, parts.control() as control:
        clock = Timekeeper(control, parts.state_dir / "clock.json", plan.rate)
        now = datetime.fromtimestamp(clock.now(), UTC)
        mailboxes = population(plan.mailboxes, plan.customers, LEFT, now)
        with step(f"Filling Graph, Postgres and Kubernetes with {plan.mailboxes} mailboxes"):
            fill_postgres(parts, mailboxes, fill_graph(control, mailboxes))
            fill_kubernetes(parts, NAMESPACE, mailboxes)
        chance = random.Random(f"{plan.seed}/product")  # noqa: S311  # a plan, no secret
        with _mail(plan, parts, mailboxes) as webhook, _two_replicas(parts, settings(clock.file, plan)) as replicas:
            yield Month(
                plan=plan,
                parts=parts,
                control=control,
                product=Product(parts, control, chance),
                replicas=replicas,
                clock=clock,
                allowance=allowance(plan),
                boxes=[Box(mailbox, Expected(clock.now())) for mailbox in mailboxes],
                webhook=webhook,
            )


@contextmanager
def _two_replicas(parts: Parts, chosen: Mapping[str, str]) -> Iterator[Replicas]:
    replicas = Replicas(parts, NAMESPACE, chosen)
    try:
        with step("Starting two replicas"):
            replicas.start()
            replicas.start()
            replicas.acting()
        yield replicas
    finally:
        replicas.stop()


@contextmanager
def _mail(plan: Plan, parts: Parts, mailboxes: Sequence[Mailbox]) -> Iterator[Webhook | None]:
    """Mail arrives as soon as time flows, to each mailbox by a rhythm that the seed chooses; where the plan wants none, nothing does."""
    if plan.mail is None:
        yield None
        return
    with parts.control() as control:
        control.change_settings(deliveries="account", delivery_delay_seconds=plan.mail.delay_seconds)
        control.start_traffic(seed=plan.seed)
        with Webhook(parts.database_url, control, mailboxes).at_work() as webhook:
            yield webhook
