"""``python -m kind.fill``: the product's tables and the demo's rows, made from within the pod that plays Microsoft."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psycopg

from demo.filling import Filler
from graphsim.client import SimulatorControl

SCHEMA = Path(__file__).parents[2] / "tests" / "fixtures" / "product_schema.sql"


def main() -> None:
    """Fill what is empty, and leave alone what is filled: two runs are as good as one."""
    database_url = os.environ["GRAPHMAIL_DATABASE_URL"]
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT to_regclass('email_providers') IS NOT NULL").fetchone()
        if row == (True,):
            print("the tables are there already")
            return
        connection.execute(SCHEMA.read_bytes())
    subprocess.run(["graphmail", "migrate"], check=True)
    with SimulatorControl.from_environment() as control:
        filled = Filler(control, database_url, os.environ["APPLICATION_URL"]).fill()
    print(f"{len(filled)} mail providers are filled in")


if __name__ == "__main__":
    main()
