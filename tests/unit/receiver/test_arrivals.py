"""Times of arrival are kept while nothing can be written, one a mailbox, and only so many."""

from datetime import timedelta
from typing import cast

from graphmail.cluster import Cluster
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
