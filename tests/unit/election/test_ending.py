"""A process whose event loop hangs while it holds the lease ends by itself, with the operator's own threads, clock and heartbeat."""

import asyncio
import os
import sys

from graphmail.election import LOST

HANGS = """
import asyncio
import threading

from graphmail.election import Election, Record, Terms
from graphmail.observability.health import Heartbeat


class Seat:
    def read(self):
        return None

    def create(self, holder, seconds):
        return Record(holder, seconds, 0, "1")

    def renew(self, holder, seconds, over):
        return over


async def lead():
    heartbeat = Heartbeat()
    beating = asyncio.create_task(heartbeat.run(every=0.05))
    async with Election(Seat(), "us", Terms(6), silent_for=heartbeat.age, stands_by=print) as election:
        await election.won(asyncio.Event())
        print("hangs", flush=True)
        threading.Event().wait()


asyncio.run(lead())
"""


async def test_a_process_whose_event_loop_hangs_for_good_ends_with_the_code_of_a_lost_lease() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HANGS,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(240):
            told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert "hangs" in told.decode().splitlines()
    assert process.returncode == LOST == 3
