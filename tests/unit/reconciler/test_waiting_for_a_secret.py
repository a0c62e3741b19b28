"""A mailbox that waits for its Secret to change: it costs next to nothing, and goes on soon after the change."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from graphmail.cluster import ClusterUnavailable
from graphmail.observability.metrics import Metrics
from graphmail.reconciler.secret_marks import SecretMarks
from graphmail.resource.conditions import ConditionType
from graphmail.resource.moments import write_time
from support.loose_ends import no_loose_ends
from support.reconciling import CREDENTIAL, NOW, Microsoft, Play, Reply, holding

LASTS = timedelta(seconds=30)
TAKEN = Reply(200, body=b'{"id": "aaaaaaaa-0000-4000-8000-000000000001", "expirationDateTime": "2026-11-27T12:00:00Z"}')
STALLED = {
    "type": "Stalled",
    "status": "True",
    "reason": "CredentialInvalid",
    "message": "",
    "lastTransitionTime": write_time(NOW),
}


@pytest.fixture
async def stalled() -> AsyncIterator[Play]:
    """A mailbox of which Microsoft has refused the credential, whatever annotations say of it."""
    status = holding(hours=100) | {"conditions": [STALLED]}
    annotations = {"graphmail.dev/credential": "written-by-hand"}
    play = Play(Microsoft([TAKEN]), status, annotations, metrics=Metrics(list, "0"))
    yield play
    await play.http.aclose()


async def looks_for(play: Play, time: timedelta) -> None:
    until = play.now() + time
    while play.now() < until:
        await play.look()


async def test_it_is_looked_at_twice_a_minute_and_microsoft_is_not_asked(stalled: Play) -> None:
    await looks_for(stalled, timedelta(hours=1))
    assert 110 <= len(stalled.desk.looked_at) <= 121
    assert stalled.microsoft.calls == 0


async def test_a_changed_secret_is_tried_within_a_minute_and_once(stalled: Play) -> None:
    await looks_for(stalled, timedelta(minutes=5))
    stalled.desk.credential = replace(CREDENTIAL, fingerprint="another")
    await looks_for(stalled, timedelta(minutes=2))
    assert [call.method for call in stalled.microsoft.asked] == ["PATCH"]
    assert stalled.microsoft.asked[0].at <= NOW + timedelta(minutes=6)
    assert not stalled.entry.resource.status.says(ConditionType.STALLED, "True")


class Reading:
    """Secrets of one fingerprint each, and how often they were read."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.refusal: ClusterUnavailable | None = None

    async def __call__(self, name: str) -> str:
        self.read.append(name)
        await asyncio.sleep(0)
        if self.refusal is not None:
            raise self.refusal
        return f"mark of {name}"


async def test_a_secret_that_many_wait_for_is_read_once_for_all_of_them() -> None:
    reading = Reading()
    marks = SecretMarks(reading)

    async def ask(name: str, now: datetime) -> str:
        return await marks.of(name, now=now, lasts=LASTS)

    names = ["shared", "own"] * 50
    found = await asyncio.gather(*(ask(name, NOW) for name in names))
    assert found == [f"mark of {name}" for name in names]
    await ask("shared", NOW + LASTS - timedelta(seconds=1))
    assert sorted(reading.read) == ["own", "shared"]
    await ask("shared", NOW + LASTS)
    assert sorted(reading.read) == ["own", "shared", "shared"]


async def test_a_secret_that_could_not_be_read_is_read_again_by_the_next_who_asks() -> None:
    reading = Reading()
    reading.refusal = ClusterUnavailable(0, "TimeoutError", "away")
    marks = SecretMarks(reading)
    with pytest.raises(ClusterUnavailable):
        await marks.of("own", now=NOW, lasts=LASTS)
    reading.refusal = None
    assert await marks.of("own", now=NOW, lasts=LASTS) == "mark of own"


async def test_a_reading_that_fails_after_everybody_has_left_is_no_surprise() -> None:
    may_fail = asyncio.Event()

    async def read(_name: str) -> str:
        await may_fail.wait()
        raise ClusterUnavailable(0, "TimeoutError", "away")

    marks = SecretMarks(read)
    with no_loose_ends():
        waiting = asyncio.create_task(marks.of("own", now=NOW, lasts=LASTS))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        [reading] = (task for task in asyncio.all_tasks() if task.get_name() == "mark of Secret own")
        may_fail.set()
        await asyncio.wait([reading])
        del marks, waiting, reading
