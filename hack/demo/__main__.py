"""``python -m demo [down]``: everything at work on this machine. DEMO_EXIT=1 checks and ends; DEMO_PAUSE=1 leaves all but the operator."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from demo import running
from localstack.messages import run_main


def main() -> None:
    """Read the command line and the environment, and do what they ask for."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "command", nargs="?", choices=["down"], help="end what DEMO_PAUSE=1, or a crashed demo, left running"
    )
    options = parser.parse_args()
    state_dir = Path(os.environ.get("DEMO_STATE") or ".demo")
    if options.command == "down":
        running.down(state_dir)
    else:
        running.demo(state_dir, running.Mode.read(os.environ))


if __name__ == "__main__":
    sys.exit(run_main(main))
