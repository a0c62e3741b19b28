"""``python -m chaos [--quick] [--jobs N] [--only SCENARIO]``: kill the operator at every call that leaves its process.

The last line is one JSON object: how many points there are, how many runs were made, and how many ended as an undisturbed one does.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from chaos.campaign import Ground, Outcome, open_ground, orders, strike, undisturbed
from chaos.points import Order
from chaos.scenarios import SCENARIOS, Scenario
from localstack.cache import Cache
from localstack.messages import LocalStackError, run_main, say
from localstack.toolchain import CLUSTER_TOOLS, Toolchain

TIMES = 3
"""A call that a deed makes more often is struck the first three times."""
MOST_MISSED = 0.2
"""Of all blows. Some calls (a watch that begins anew, an event, the second time of a poll) a run makes oftener than another one."""


def main() -> None:
    """Read the command line, and run the campaign."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="every twenty-fourth blow only")
    parser.add_argument("--jobs", type=int, default=6, help="runs side by side: most of one is waiting")
    parser.add_argument("--only", choices=[scenario.name for scenario in SCENARIOS], help="this deed alone")
    parser.add_argument("--state-dir", type=Path, default=Path(".chaos"), help="logs of all runs")
    options = parser.parse_args()
    scenarios = [scenario for scenario in SCENARIOS if options.only in {None, scenario.name}]
    Toolchain(Cache.default(), os.environ).prepare(CLUSTER_TOOLS)
    shutil.rmtree(options.state_dir, ignore_errors=True)
    options.state_dir.mkdir(parents=True)
    outcomes = asyncio.run(_campaign(options.state_dir.absolute(), scenarios, options.jobs, 24 if options.quick else 1))
    if not _told(outcomes):
        raise LocalStackError("not every blow was survived, or too many did not strike")


async def _campaign(state_dir: Path, scenarios: Sequence[Scenario], jobs: int, every: int) -> list[Outcome]:
    slots = asyncio.Semaphore(jobs)
    async with open_ground(state_dir) as ground:
        return [outcome for scenario in scenarios for outcome in await _all_blows(ground, scenario, slots, every)]


async def _all_blows(ground: Ground, scenario: Scenario, slots: asyncio.Semaphore, every: int) -> list[Outcome]:
    peace = await undisturbed(ground, scenario)
    blows = orders(peace, most=TIMES)[::every]
    say(f"{scenario.name}: {len(blows)} blows ...")

    async def one(order: Order) -> Outcome:
        async with slots:
            outcome = await strike(ground, scenario, order, peace)
        if outcome.trouble or not outcome.struck:
            _tell(outcome)
        return outcome

    return list(await asyncio.gather(*map(one, blows)))


def _tell(outcome: Outcome) -> None:
    what = f"{outcome.scenario}: {outcome.order.blow} {outcome.order.point}"
    say(f"  {what}: {outcome.trouble or 'the point was not passed this time; the end was the same'}")


def _told(blows: Sequence[Outcome]) -> bool:
    struck = [outcome for outcome in blows if outcome.struck or outcome.trouble]
    survived = [outcome for outcome in struck if not outcome.trouble]
    missed = len(blows) - len(struck)
    say(f"{missed} of {len(blows)} blows did not strike: their point was not passed again")
    if missed > MOST_MISSED * len(blows):
        say(f"that is more than {MOST_MISSED:.0%}: too little of the campaign was done")
    points = {(outcome.scenario, outcome.order.point) for outcome in struck}
    print(json.dumps({"points": len(points), "runs": len(struck), "survived": len(survived)}), flush=True)
    return len(survived) == len(struck) > 0 and missed <= MOST_MISSED * len(blows)


if __name__ == "__main__":
    sys.exit(run_main(main))
