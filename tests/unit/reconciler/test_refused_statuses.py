"""The API server takes no status for hours, as where a right is missing: the mailbox is looked after, and nobody is flooded."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from graphmail.cluster import ClusterError, ClusterUnavailable
from graphmail.observability.metrics import Metrics
from support.reconciling import NOW, Microsoft, Play, Reply, holding

FOR_HOURS = 12
UNKNOWN_TO_GRAPH = Reply(404, body=b'{"error": {"code": "ResourceNotFound", "message": "gone"}}')
AWAY = Reply(503, body=b'{"error": {"code": "ServiceUnavailable", "message": "away"}}')
BUSY = ClusterUnavailable(429, "TooManyRequests", "later", retry_after=600)
FORBIDDEN = ClusterError(403, "Forbidden", "graphmail may not patch graphmailsubscriptions/status")


@pytest.fixture
async def refused() -> AsyncIterator[Play]:
    """A mailbox whose renewal fails, which cannot be told."""
    play = Play(Microsoft([AWAY]), holding(hours=20), metrics=Metrics(list, "0"), jitter=0.9)
    play.api.refusal = FORBIDDEN
    yield play
    await play.http.aclose()


async def looks_until(play: Play, hours: float) -> None:
    """Look whenever the last look says so."""
    while play.now() < NOW + timedelta(hours=hours):
        await play.look()


async def test_a_status_that_is_refused_for_hours_is_tried_at_growing_intervals(refused: Play) -> None:
    await looks_until(refused, FOR_HOURS)
    calls = len(refused.microsoft.asked)
    assert refused.api.asked - calls <= 8 + FOR_HOURS * 4


async def test_a_status_that_is_refused_for_hours_is_told_as_an_error_once(refused: Play) -> None:
    with capture_logs() as lines:
        await looks_until(refused, FOR_HOURS)
    refusals = [line["log_level"] for line in lines if "API server refuses" in line["event"]]
    assert refusals.count("error") == 1


async def test_the_mailbox_is_looked_after_meanwhile(refused: Play) -> None:
    await looks_until(refused, FOR_HOURS)
    assert len(refused.microsoft.asked) >= FOR_HOURS


async def test_what_must_not_be_created_unseen_is_tried_at_growing_intervals() -> None:
    play = Play(Microsoft([UNKNOWN_TO_GRAPH]), holding(hours=150), metrics=Metrics(list, "0"))
    play.api.refusal = FORBIDDEN
    with capture_logs() as lines:
        await looks_until(play, FOR_HOURS)
    assert {call.method for call in play.microsoft.asked} == {"GET"}
    assert len(play.microsoft.asked) <= 8 + FOR_HOURS * 4
    assert [line["event"] for line in lines if line["log_level"] == "error"] == [
        "the API server refuses the status: nothing is created until it takes one"
    ]
    await play.http.aclose()


async def test_once_it_is_taken_again_the_status_is_written_within_the_longest_pause(refused: Play) -> None:
    await looks_until(refused, FOR_HOURS)
    refused.api.refusal = None
    with capture_logs() as lines:
        await looks_until(refused, FOR_HOURS + 0.3)
    assert not refused.entry.unwritten
    assert refused.api.body["status"]["consecutiveFailures"] > 0
    assert "the API server takes the status again" in [line["event"] for line in lines]


async def test_an_error_in_answer_to_one_status_is_this_mailbox_s_own_and_no_outage(refused: Play) -> None:
    refused.api.refusal = BUSY
    with capture_logs() as lines:
        await looks_until(refused, FOR_HOURS)
    assert not refused.stores.away
    assert [line["log_level"] for line in lines if "API server refuses" in line["event"]].count("warning") == 1
    assert not [line for line in lines if line["log_level"] == "error"]


async def test_the_time_that_the_api_server_asks_for_is_kept(refused: Play) -> None:
    refused.api.refusal = BUSY
    await refused.look()
    assert refused.entry.status_pause.until == NOW + timedelta(minutes=10)
    assert refused.reconciler.decide(refused.entry).decision.again_at <= NOW + timedelta(minutes=10)
