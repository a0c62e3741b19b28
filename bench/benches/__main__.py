"""``python -m benches NAME|all [--quick]``: run a bench; ``python -m benches publish``: tell of it in the documentation."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benches import compare, idle, publish, quota, receiver
from benches.scale import Scale
from localstack.messages import LocalStackError, run_main, say
from rig import quiet
from rig.result import Finding, text_table

BENCHES = {"quota": quota.bench, "compare": compare.bench, "idle": idle.bench, "receiver": receiver.bench}


def main() -> None:
    """Read the command line, and do what it asks for."""
    parser = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    parser.add_argument("what", choices=[*BENCHES, "all", "publish"])
    parser.add_argument("--quick", action="store_true", help="a small size, to see that it works")
    parser.add_argument("--minutes", type=float, help="how long bench-idle watches")
    parser.add_argument("--state-dir", type=Path, default=Path(".bench"), help="logs, and what was found")
    options = parser.parse_args()
    if options.what == "publish":
        publish.publish(options.state_dir)
        return
    scale = Scale.small() if options.quick else Scale.full()
    if options.minutes:
        scale = replace(scale, idle_minutes=options.minutes)
    missed = [name for name in _in_turn(options.what, quick=options.quick) if not _run(name, options.state_dir, scale)]
    if missed and not options.quick:
        raise LocalStackError(f"not reached: {', '.join(missed)}")


def _in_turn(what: str, *, quick: bool) -> Iterator[str]:
    """One, or all of them; what one has left of the load is not told of the next."""
    if what != "all":
        yield what
        return
    for number, name in enumerate(BENCHES):
        if number and not quick:
            say("\nWaiting until the machine is quiet again ...")
            quiet.rest()
        yield name


def _run(name: str, state_dir: Path, scale: Scale) -> bool:
    """Run one, print what it found, and say whether all was reached."""
    found = BENCHES[name](state_dir, scale)
    found.write(state_dir)
    _show(found)
    return all(row.reached is not False for row in found.rows)


def _show(found: Finding) -> None:
    machine = found.machine
    say(
        f"\n{found.bench}, on {machine.cores} cores ({machine.processor}), Python {machine.python}, commit {found.commit};"
    )
    say(f"load average of the minute before: {machine.load_before}\n")
    say(text_table(found.rows))
    say("")
    say(found.last_line())


if __name__ == "__main__":
    sys.exit(run_main(main))
