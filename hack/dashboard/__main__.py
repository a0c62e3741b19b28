"""``python -m dashboard FILE`` writes the dashboard for Grafana."""

from __future__ import annotations

import sys
from pathlib import Path

from dashboard.board import text


def main() -> None:
    """Write the file that the command line names."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m dashboard FILE")
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
