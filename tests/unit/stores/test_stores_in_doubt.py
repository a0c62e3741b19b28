"""Whether the API server is away: it is where it gives no answer, and not where one call is answered with an error."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from graphmail.cluster import ClusterUnavailable
from graphmail.observability.metrics import Store
from graphmail.stores import Stores
from support.waiting import eventually

UNANSWERED = ClusterUnavailable(0, "TimeoutError", "cannot be reached")
BUSY = ClusterUnavailable(429, "TooManyRequests", "later", retry_after=1)


class Probed:
    """Stores of which one is asked, and says how it is."""

    def __init__(self) -> None:
        self.up = True
        self.asked = 0
        self.stores = Stores({Store.KUBERNETES: self.probe})

    async def probe(self) -> bool:
        self.asked += 1
        return self.up

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        watching = asyncio.create_task(self.stores.watch(seconds=0.01))
        yield
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


@pytest.fixture
def probed() -> Probed:
    return Probed()


async def test_no_answer_means_that_it_is_away(probed: Probed) -> None:
    probed.stores.unanswered(UNANSWERED)
    assert probed.stores.away


async def test_an_error_in_answer_to_one_call_means_that_it_is_asked_once_whether_it_is_there(probed: Probed) -> None:
    probed.stores.unanswered(BUSY)
    assert not probed.stores.away
    async with probed.watched():
        await eventually(lambda: probed.asked, "it was asked")
        assert not probed.stores.away
        await asyncio.sleep(0.05)
    assert probed.asked == 1


async def test_if_it_is_not_it_is_away(probed: Probed) -> None:
    probed.up = False
    probed.stores.unanswered(BUSY)
    async with probed.watched():
        await eventually(lambda: probed.stores.away, "it is away")
        probed.up = True
        await eventually(lambda: not probed.stores.away, "it is back")
