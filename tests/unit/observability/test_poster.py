"""Which events are posted, and which are left untold when too many come at once."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from graphmail.cluster import Cluster, ClusterError
from graphmail.observability.events import EventBook, EventReason
from graphmail.observability.metrics import Metrics
from graphmail.poster import ROUTINE_A_SECOND, ROUTINE_AT_ONCE, Poster
from graphmail.resource import GraphMailSubscription

NOW = datetime(2026, 11, 24, 4, 5, 6, tzinfo=UTC)
WAVE = 500


class ApiServer:
    """Takes every event."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.refusal: ClusterError | None = None

    async def post_event(self, event: Mapping[str, Any]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.events.append(event)


class Rig:
    """A poster, what it posts to, and a clock in its hand."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.api = ApiServer()
        self.metrics = Metrics(list, version="1")
        self.poster = Poster(
            cast("Cluster", self.api), EventBook(), self.metrics, lambda: NOW, monotonic=lambda: self.seconds
        )

    async def tell(self, count: int, reason: EventReason, *, routine: bool) -> int:
        """Tell of so many mailboxes; how many of them came to the API server."""
        before = len(self.api.events)
        for number in range(count):
            self.poster(mailbox(number), reason, f"covered, told at {before}", routine=routine)
        running = asyncio.create_task(self.poster.run())
        await self.poster.drain(10)
        running.cancel()
        return len(self.api.events) - before


@pytest.fixture
def rig() -> Rig:
    return Rig()


def mailbox(number: int) -> GraphMailSubscription:
    return GraphMailSubscription.parse(
        {
            "metadata": {"name": f"box-{number}", "namespace": "mail", "uid": f"uid-{number}"},
            "spec": {
                "tenant": "acme",
                "providerID": f"p-{number}",
                "mailbox": f"box{number}@contoso.com",
                "notificationURL": "https://app.example.com/hook",
            },
        }
    )


async def test_of_a_wave_of_planned_renewals_only_some_get_an_event_and_the_others_are_counted(rig: Rig) -> None:
    assert await rig.tell(WAVE, EventReason.RENEWED, routine=True) == ROUTINE_AT_ONCE
    untold = f"graphmail_events_dropped_total {WAVE - ROUTINE_AT_ONCE:.1f}"
    assert untold in rig.metrics.render().decode()


async def test_after_a_wave_events_of_planned_renewals_come_back_one_a_second(rig: Rig) -> None:
    await rig.tell(WAVE, EventReason.RENEWED, routine=True)
    rig.seconds += 7 / ROUTINE_A_SECOND
    assert await rig.tell(WAVE, EventReason.RENEWED, routine=True) == 7


@pytest.mark.parametrize("reason", [EventReason.RENEWED, EventReason.RENEWAL_FAILED])
async def test_what_is_no_routine_gets_its_event_in_the_middle_of_a_wave(rig: Rig, reason: EventReason) -> None:
    await rig.tell(WAVE, EventReason.RENEWED, routine=True)
    assert await rig.tell(WAVE, reason, routine=False) == WAVE


async def test_a_missing_right_is_told_once_and_again_after_it_was_there() -> None:
    rig = Rig()
    forbidden = ClusterError(403, "Forbidden", 'User "a" cannot create resource "events" in API group ""')
    with capture_logs() as lines:
        for refusal in (forbidden, None, forbidden):
            rig.api.refusal = refusal
            await rig.tell(2, EventReason.SUSPENDED, routine=False)
    told = [line["log_level"] for line in lines if line["event"] == "an event could not be posted"]
    assert told == ["error", "debug", "error", "debug"]
