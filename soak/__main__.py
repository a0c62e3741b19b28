"""``python -m soak [--quick] [--plan NAME] [--seed N]``: play a simulated month, its short form or another plan, and judge it."""

import argparse
import sys
import time
from pathlib import Path

from localstack.messages import LocalStackError, duration, run_main, say
from rig.drawing import draw_with
from rig.result import Machine
from soak.plan import Plan
from soak.stage import stage
from soak.verdict import verdict


def main() -> None:
    """Read the command line, and do what it asks for.

    Raises LocalStackError when a figure was not reached.
    """
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the short form, less than two minutes")
    parser.add_argument("--plan", help="a plan of soak/plan.yaml by its name")
    parser.add_argument("--seed", type=int, help="deal the trouble out by another seed than the plan's")
    parser.add_argument("--state-dir", type=Path, default=Path(".soak"), help="logs, and what was found")
    options = parser.parse_args()
    name = options.plan or ("short" if options.quick else "month")
    plan, begun, machine = Plan.read(name, seed=options.seed), time.monotonic(), Machine.here()
    state_dir = options.state_dir.absolute()
    with stage(plan, state_dir) as month:
        month.run()
        found = verdict(month)
    command = {"month": "make soak", "short": "make soak QUICK=1"}.get(name, f"python -m soak --plan {name}")
    found.write(state_dir, quick=name != "month", command=command, machine=machine)
    draw_with("soak.picture", state_dir / "drawing.json", state_dir / "coverage.svg")
    say(f"\n{plan.days} simulated days in {duration(time.monotonic() - begun)}, seed {plan.seed}\n")
    say(found.text())
    if not found.reached:
        raise LocalStackError(f"not reached; details are in {state_dir}")


if __name__ == "__main__":
    sys.exit(run_main(main))
