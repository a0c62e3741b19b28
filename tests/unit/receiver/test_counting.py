"""The receiver's metrics: what alerts compare is there before anything has happened."""

from itertools import product

import pytest

from graphmail.receiver.counting import ANNOTATION, KINDS, POSTGRES, Outcome, ReceiverMetrics

NOTIFICATIONS = "graphmail_receiver_notifications_total"
BATCHES = "graphmail_receiver_batch_writes_total"


@pytest.mark.parametrize(("kind", "outcome"), list(product(KINDS, Outcome)))
def test_every_outcome_is_told_before_it_first_happens_so_that_a_rate_sees_the_first(
    kind: str, outcome: Outcome
) -> None:
    metrics, labels = ReceiverMetrics(), {"kind": kind, "outcome": outcome.value}
    assert metrics.registry.get_sample_value(NOTIFICATIONS, labels) == 0
    metrics.notifications({(kind, outcome): 1})
    assert metrics.registry.get_sample_value(NOTIFICATIONS, labels) == 1


@pytest.mark.parametrize(("place", "succeeded"), list(product((POSTGRES, ANNOTATION), (True, False))))
def test_so_is_every_outcome_of_a_write(place: str, succeeded: bool) -> None:
    metrics, labels = ReceiverMetrics(), {"place": place, "outcome": "success" if succeeded else "failure"}
    assert metrics.registry.get_sample_value(BATCHES, labels) == 0
    metrics.batch(place, succeeded=succeeded)
    assert metrics.registry.get_sample_value(BATCHES, labels) == 1


def test_whether_it_is_ready_is_asked_at_each_scrape() -> None:
    metrics, ready = ReceiverMetrics(), [False]
    metrics.ready(lambda: ready[0])
    assert metrics.registry.get_sample_value("graphmail_receiver_ready") == 0
    ready[0] = True
    assert metrics.registry.get_sample_value("graphmail_receiver_ready") == 1
