"""How status and metrics tell of what is rightly not done: a suspended mailbox, and a subscription that cannot be adopted."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from graphmail.observability.metrics import Metrics
from graphmail.resource import GraphMailSubscription
from graphmail.resource.moments import write_time
from graphmail.resource.names import ANNOTATION_ADOPT
from support.reconciling import HELD, HOOK, NOW, SPEC, Microsoft, Play, Reply, resource_body

GONE = Reply(404, body=b'{"error": {"code": "ResourceNotFound", "message": "gone"}}')
CREATED = Reply(
    201,
    body=json.dumps(
        {
            "id": "bbbbbbbb-0000-4000-8000-000000000002",
            "expirationDateTime": write_time(NOW + timedelta(days=6)),
            "notificationUrl": f"{HOOK}?gms=here.p1.inbox",
            "resource": "/users/ann@example.com/mailFolders('inbox')/messages",
            "changeType": "created",
        }
    ).encode(),
)
Begin = Callable[..., Play]


@pytest.fixture
async def begin() -> AsyncIterator[Begin]:
    """A mailbox of which nothing is known yet."""
    async with AsyncExitStack() as stack:

        def made(replies: Sequence[Reply], annotations: dict[str, str] | None = None) -> Play:
            play = Play(Microsoft(replies), {}, annotations, metrics=Metrics(list, "0"))
            stack.push_async_callback(play.http.aclose)
            return play

        yield made


def counted(play: Play, action: str, outcome: str) -> float | None:
    return play.metrics.registry.get_sample_value("graphmail_renewals_total", {"action": action, "outcome": outcome})


async def test_an_adoption_that_finds_nothing_is_refused_and_no_failure(begin: Begin) -> None:
    play = begin([GONE, CREATED], {ANNOTATION_ADOPT: HELD})
    await play.look()
    assert [asked.method for asked in play.microsoft.asked] == ["GET", "POST"]
    assert [counted(play, "adopt", outcome) for outcome in ("success", "failure", "refused")] == [0, 0, 1]
    assert counted(play, "create", "success") == 1


async def test_a_suspended_mailbox_says_by_which_command_and_where_it_is_resumed(begin: Begin) -> None:
    play = begin([])
    play.api.body = resource_body({}, {}, {**SPEC, "suspend": True})
    play.entry.resource = GraphMailSubscription.parse(play.api.body)
    await play.look()
    ready = play.entry.resource.status.condition("Ready")
    assert ready is not None
    assert ready.reason == "Suspended"
    for way in ("`graphmail resume ann`", "spec.suspend: false", "the product, where its row is paused"):
        assert way in ready.message
