"""What is told ends the mirror's pause, the connection is made anew, and a trouble is told once."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable

import pytest
from structlog.testing import capture_logs

from graphmail.database import DatabaseUnavailable, Told
from graphmail.mirror import Changes, Listener

FOREVER = 3600.0
AWAY = DatabaseUnavailable("Postgres is unavailable: no route to host")
Step = Told | Exception


class Heard(Exception):
    """All was heard."""


def script(*connections: tuple[Step, ...]) -> Callable[[str], AsyncGenerator[Told]]:
    """One connection after the other, each with what is heard there; then the test is over."""
    left = iter(connections)

    async def source(_: str) -> AsyncGenerator[Told]:
        for step in next(left, (Heard(),)):
            if isinstance(step, Exception):
                raise step
            yield step

    return source


async def listened(*connections: tuple[Step, ...]) -> tuple[Changes, list[str]]:
    """What was told, and the log, after listening to all of that."""
    changes = Changes()
    with capture_logs() as log, pytest.raises(Heard):
        await Listener("postgresql://", changes, source=script(*connections)).run(reconnect_seconds=0)
    return changes, [line["event"] for line in log]


class TestChanges:
    async def test_a_pause_ends_when_something_is_told(self) -> None:
        changes = Changes()
        resting = asyncio.create_task(changes.rest(FOREVER, asked_at=time.monotonic() - FOREVER))
        await asyncio.sleep(0)
        assert not resting.done()
        changes.tell(everything=False)
        await asyncio.wait_for(resting, timeout=30)

    async def test_what_was_told_during_the_question_ends_the_next_pause(self) -> None:
        changes = Changes()
        changes.take()
        changes.tell(everything=False)
        await asyncio.wait_for(changes.rest(FOREVER, asked_at=time.monotonic() - FOREVER), timeout=30)

    async def test_what_was_told_before_the_question_does_not(self) -> None:
        changes = Changes()
        changes.tell(everything=False)
        changes.take()
        resting = asyncio.create_task(changes.rest(FOREVER, asked_at=time.monotonic() - FOREVER))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not resting.done()
        resting.cancel()

    async def test_however_much_is_told_questions_keep_their_distance(self) -> None:
        changes = Changes()
        changes.tell(everything=False)
        begun = time.monotonic()
        await changes.rest(FOREVER, asked_at=begun - 1.8)
        assert time.monotonic() - begun >= 0.19

    async def test_a_pause_ends_by_itself(self) -> None:
        await asyncio.wait_for(Changes().rest(0.01, asked_at=time.monotonic()), timeout=30)

    async def test_all_rows_are_read_once_after_that_was_told(self) -> None:
        changes = Changes()
        changes.tell(everything=True)
        changes.tell(everything=False)
        assert changes.take() is True
        changes.tell(everything=False)
        assert changes.take() is False


class TestListener:
    async def test_it_passes_on_what_it_hears(self) -> None:
        changes, log = await listened((Told(everything=True),))
        assert changes.take() is True
        assert log == []

    async def test_after_a_lost_connection_everything_is_looked_at_again(self) -> None:
        changes, log = await listened((Told(), AWAY), (Told(everything=True),))
        assert changes.take() is True
        assert log == [
            f"changes of rows are not heard, only polled for: {AWAY}",
            "changes of rows are heard again",
        ]

    async def test_an_outage_is_told_once(self) -> None:
        _, log = await listened((AWAY,), (AWAY,), (AWAY,))
        assert log == [f"changes of rows are not heard, only polled for: {AWAY}"]

    async def test_what_stands_in_the_way_is_told(self) -> None:
        _, log = await listened((Told(everything=True, warning="no trigger tells"),))
        assert log == ["changes of rows may not be heard: no trigger tells"]
