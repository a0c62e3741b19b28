"""``python -m localstack.guard FOLDER...``: wait for the end of standard input, then end what runs in these folders."""

from __future__ import annotations

import sys
from pathlib import Path

from localstack.processes import stop_all


def main() -> None:
    """Wait until whoever holds the other end of standard input is gone; see ``localstack.processes.guarded``."""
    sys.stdin.buffer.read()
    stop_all([pidfile for folder in sys.argv[1:] for pidfile in Path(folder).glob("*.pid")], grace=5.0)


if __name__ == "__main__":
    main()
