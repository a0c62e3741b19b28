"""``python -m localstack.guard FOLDER...``: wait for the end of standard input, then end and remove what runs in these folders."""

from __future__ import annotations

import sys
from pathlib import Path

from localstack.processes import stop_all


def main() -> None:
    """Wait until whoever holds the other end of standard input is gone; see ``localstack.processes.guarded``."""
    sys.stdin.buffer.read()
    folders = [Path(argument) for argument in sys.argv[1:]]
    stop_all([pidfile for folder in folders for pidfile in folder.glob("*.pid")], grace=5.0)

    # Imported now, for hardly ever is there anything left to do, and waiting should cost little memory.
    from localstack.postgres import PostgresServer  # noqa: PLC0415

    for folder in folders:
        PostgresServer(folder).delete()


if __name__ == "__main__":
    main()
