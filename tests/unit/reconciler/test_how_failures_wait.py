"""How long the reconciler waits between attempts that fail, counted or not, and that what lives is cared for meanwhile."""

import json
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise

import httpx
import pytest

from graphmail.resource.moments import write_time
from support.reconciling import HELD, NOW, Begin, Microsoft, Play, Reply, holding

THROTTLED = b'{"error": {"code": "ApplicationThrottled", "message": "slow down"}}'
UNSTEERED = Reply(429, body=THROTTLED)
STEERED = Reply(429, headers=[(b"Retry-After", b"1")], body=THROTTLED)
FULL_TEXT = "SubscriptionCountReached has reached limit of '1000'. Please retry after '12/31/9999 11:59:59 PM'"
FULL = Reply(429, body=json.dumps({"error": {"code": "SubscriptionCountReached", "message": FULL_TEXT}}).encode())


@pytest.fixture
def begin(begin: Begin) -> Begin:
    """With the longest pauses that jitter makes."""
    return partial(begin, jitter=0.999)


def renewed_until(moment: datetime) -> Reply:
    body = {"id": HELD, "expirationDateTime": write_time(moment)}
    return Reply(200, body=json.dumps(body).encode())


async def waits(play: Play, tries: int) -> list[float]:
    """Seconds between so many calls."""
    while len(play.microsoft.asked) < tries:
        await play.look()
    moments = [asked.at for asked in play.microsoft.asked]
    return [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]


async def test_a_429_that_does_not_say_when_waits_longer_each_time(begin: Begin) -> None:
    play = begin(Microsoft([UNSTEERED]), holding(hours=20))
    found = await waits(play, 6)
    assert [round(seconds / 30) for seconds in found] == [1, 2, 4, 8, 16]
    assert play.entry.resource.status.consecutive_failures == 0


async def test_a_429_that_says_when_is_asked_again_then(begin: Begin) -> None:
    assert max(await waits(begin(Microsoft([STEERED]), holding(hours=20)), 4)) <= 31


async def test_after_a_success_the_next_failure_waits_as_the_first_one(begin: Begin) -> None:
    renewed = renewed_until(NOW + timedelta(hours=3))
    play = begin(Microsoft([UNSTEERED, UNSTEERED, UNSTEERED, renewed, UNSTEERED]), holding(hours=20))
    await waits(play, 4)
    found = await waits(play, 6)
    assert round(found[-1] / 30) == 1


class FullMailbox(Microsoft):
    """Renews what is there, and takes nothing new."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.replies = [renewed_until(self.now + timedelta(days=6)) if request.method == "PATCH" else FULL]
        return super().answer(request)


async def test_a_full_mailbox_that_refuses_a_replacement_keeps_what_lives(begin: Begin) -> None:
    status = holding(hours=60, granted_hours_ago=1)
    status["subscriptions"][0]["changeTypes"] = ["updated"]
    play = begin(FullMailbox([FULL]), status)
    await play.look()
    refused = play.entry.resource.status
    assert refused.condition("Stalled") is None
    ready = refused.condition("Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == ("True", "SubscriptionQuotaFull")
    assert "remove one that nobody needs" in ready.message
    while not any(asked.method == "PATCH" for asked in play.microsoft.asked):
        await play.look()
        assert play.microsoft.now < NOW + timedelta(hours=60), "the old one is not renewed"
        assert play.entry.resource.status.subscription_id == HELD
    assert 1 <= sum(asked.method == "POST" for asked in play.microsoft.asked) <= 240


async def test_a_full_mailbox_without_cover_stops_until_a_person_acts(begin: Begin) -> None:
    play = begin(FullMailbox([FULL]), {})
    for _ in range(5):
        await play.look()
    assert len(play.microsoft.asked) == 1
    assert play.entry.resource.status.condition("Stalled") is not None
