"""Times of arrival are kept while nothing can be written, one a mailbox, and only so many."""

import asyncio
from datetime import datetime, timedelta
from typing import cast

from graphmail.cluster import Cluster
from graphmail.database import Database
from graphmail.provider import ProviderKey
from graphmail.receiver.arrivals import Arrivals
from graphmail.receiver.counting import ReceiverMetrics
from graphmail.receiver.roster import Known, Roster
from support.receiving import AT, resource


def known(number: int) -> Known:
    found = Known.of(resource(f"a{number}@example.com", {f"sub-{number}": "state"}, provider=f"provider-{number}"))
    assert found is not None
    return found


def test_each_mailbox_has_one_time_and_beyond_the_bound_they_are_dropped_and_counted() -> None:
    metrics = ReceiverMetrics()
    arrivals = Arrivals(cast("Cluster", None), None, Roster(), metrics, most=2)
    for number in (0, 1, 2, 1, 0, 2):
        arrivals.note(known(number), AT + timedelta(seconds=number))
    assert len(arrivals) == 2
    assert metrics.registry.get_sample_value("graphmail_receiver_times_dropped_total") == 2


async def test_what_belongs_to_a_resource_that_is_gone_is_forgotten() -> None:
    arrivals = Arrivals(cast("Cluster", None), None, Roster(), ReceiverMetrics())
    arrivals.note(known(0), AT)
    await arrivals.flush()
    assert len(arrivals) == 0


class Silent:
    """A Postgres that is asked and does not answer yet."""

    def __init__(self) -> None:
        self.asked, self.answers = asyncio.Event(), asyncio.Event()

    async def note_notifications(self, times: list[tuple[ProviderKey, datetime]]) -> set[ProviderKey]:
        self.asked.set()
        await self.answers.wait()
        return {key for key, _ in times}


async def test_a_time_that_is_being_written_counts_as_one_that_waits() -> None:
    roster, silent, body = Roster(), Silent(), resource("a0@example.com", {"sub-0": "state"}, provider="provider-0")
    roster.note(body["metadata"]["name"], body)
    arrivals = Arrivals(cast("Cluster", None), cast("Database", silent), roster, ReceiverMetrics())
    arrivals.note(known(0), AT)
    writing = asyncio.create_task(arrivals.flush())
    await silent.asked.wait()
    assert len(arrivals) == 1
    arrivals.note(known(0), AT + timedelta(seconds=1))
    assert len(arrivals) == 1
    silent.answers.set()
    await writing
    assert len(arrivals) == 1
    await arrivals.flush()
    assert len(arrivals) == 0
