"""``python -m soak [--delivery] [--quick] [--plan NAME] [--seed N]``: play a simulated month, its short form or another plan, and judge it.

With ``--delivery`` it is a month of quiet nights in which subscriptions die silently.
"""

import argparse
import sys
import time
from pathlib import Path

from localstack.messages import LocalStackError, duration, run_main, say
from rig.drawing import draw_with
from rig.result import Machine
from soak import delivery, verdict
from soak.month import Month
from soak.plan import Plan
from soak.stage import stage
from soak.verdict import Verdict

FULL = ("month", "delivery")
COMMANDS = {
    "month": "make soak",
    "short": "make soak QUICK=1",
    "delivery": "make soak-delivery",
    "delivery-short": "make soak-delivery QUICK=1",
}


def main() -> None:
    """Read the command line, and do what it asks for.

    Raises LocalStackError when a figure was not reached.
    """
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--delivery", action="store_true", help="silent deaths instead of trouble of all kinds")
    parser.add_argument("--quick", action="store_true", help="the short form, less than four minutes")
    parser.add_argument("--plan", help="a plan of soak/plan.yaml by its name")
    parser.add_argument("--seed", type=int, help="deal the trouble out by another seed than the plan's")
    parser.add_argument("--state-dir", type=Path, default=Path(".soak"), help="logs, and what was found")
    options = parser.parse_args()
    usual = ("delivery", "delivery-short") if options.delivery else ("month", "short")
    name = options.plan or usual[options.quick]
    plan, begun, machine = Plan.read(name, seed=options.seed), time.monotonic(), Machine.here()
    state_dir = options.state_dir.absolute()
    with stage(plan, state_dir) as month:
        found = _played(month)
    found.write(
        state_dir, quick=name not in FULL, command=COMMANDS.get(name, f"python -m soak --plan {name}"), machine=machine
    )
    draw_with(found.picture, state_dir / "drawing.json", state_dir / "coverage.svg")
    say(f"\n{plan.days} simulated days in {duration(time.monotonic() - begun)}, seed {plan.seed}\n")
    say(found.text())
    if not found.reached:
        raise LocalStackError(f"not reached; details are in {state_dir}")


def _played(month: Month) -> Verdict:
    """Where mail arrives, silent deaths are what is asked about."""
    if month.plan.mail is None:
        month.run()
        return verdict.verdict(month)
    checks = delivery.Checks(month.control)
    month.daily.append(checks.collect)
    month.run()
    return delivery.verdict(month, checks)


if __name__ == "__main__":
    sys.exit(run_main(main))
