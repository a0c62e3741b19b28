"""What a month is played on: the parts, filled as after days of ordinary work, and two replicas that stand still until the clock runs."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from localstack.messages import step
from rig.filling import fill_graph, fill_kubernetes, fill_postgres
from rig.parts import Parts
from rig.population import Left, population
from soak.month import Box, Month
from soak.oracle import Allowance, Expected
from soak.plan import HOUR, Plan
from soak.product import Product
from soak.replicas import Replicas
from soak.timekeeper import Timekeeper

NAMESPACE = "soak"
VERIFICATION_MINUTES = 360
POLL_SECONDS = 2.5
SWEEP_GRACE_MINUTES = 60
LEFT = Left(timedelta(hours=30), timedelta(days=6, hours=20))
"""What the subscriptions have left at the start."""


def settings(clock_file: Path) -> dict[str, str]:
    """The replicas' settings, beside where everything is. Ticks, polls and leases are in real time."""
    return {
        "GRAPHMAIL_SIMULATED_CLOCK_FILE": str(clock_file),
        "GRAPHMAIL_LEADER_ELECTION": "true",  # which the benches turn off
        "GRAPHMAIL_TICK_SECONDS": "8",
        "GRAPHMAIL_VERIFICATION_INTERVAL_MINUTES": str(VERIFICATION_MINUTES),
        "GRAPHMAIL_MIRROR_POLL_SECONDS": str(POLL_SECONDS),
        "GRAPHMAIL_MIRROR_COMPARE_SECONDS": "10",
        "GRAPHMAIL_SWEEP_INTERVAL_HOURS": "12",
        "GRAPHMAIL_SWEEP_GRACE_MINUTES": str(SWEEP_GRACE_MINUTES),
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
        replicas = Replicas(parts, NAMESPACE, settings(clock.file))
        chance = random.Random(f"{plan.seed}/product")  # noqa: S311  # a plan, no secret
        try:
            with step("Starting two replicas"):
                replicas.start()
                replicas.start()
                replicas.acting()
            yield Month(
                plan=plan,
                parts=parts,
                control=control,
                product=Product(parts, control, chance),
                replicas=replicas,
                clock=clock,
                allowance=allowance(plan),
                boxes=[Box(mailbox, Expected(clock.now())) for mailbox in mailboxes],
            )
        finally:
            replicas.stop()
