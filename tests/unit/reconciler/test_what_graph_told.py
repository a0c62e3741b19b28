"""What Graph tells of a subscription is taken up once: acted on, told to people, and written into the status."""

import itertools
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta

import pytest

from graphmail.decision import Action
from graphmail.observability.events import EventReason
from graphmail.observability.metrics import Metrics
from graphmail.resource.lifecycle import LifecycleEvent
from graphmail.resource.moments import write_time
from graphmail.resource.names import ANNOTATION_LIFECYCLE
from support.reconciling import HELD, HOOK, NOW, Microsoft, Play, Reply, holding

NEW = "bbbbbbbb-0000-4000-8000-000000000002"
GONE = Reply(404, body=b'{"error": {"code": "ResourceNotFound", "message": "gone"}}')
AWAY = Reply(503, body=b'{"error": {"code": "ServiceUnavailable", "message": "away"}}')
TWIN = Reply(
    409,
    body=json.dumps(
        {
            "error": {
                "code": "ObjectIdentifierInUse",
                "message": f"Subscription Id {HELD} already exists for the requested combination",
            }
        }
    ).encode(),
)
Begin = Callable[..., Play]


def subscription(named: str, status: int) -> Reply:
    """Graph's answer that tells of a subscription which lives for days."""
    body = {
        "id": named,
        "expirationDateTime": write_time(NOW + timedelta(days=6)),
        "notificationUrl": f"{HOOK}?gms=here.p1.inbox",
        "resource": "/users/ann@example.com/mailFolders('inbox')/messages",
        "changeType": "created",
    }
    return Reply(status, body=json.dumps(body).encode())


CREATED, RENEWED = subscription(NEW, 201), subscription(HELD, 200)


def told(*events: LifecycleEvent, at: datetime = NOW) -> dict[str, str]:
    return {ANNOTATION_LIFECYCLE: json.dumps({HELD: {event.value: at.isoformat() for event in events}})}


@pytest.fixture
async def begin() -> AsyncIterator[Begin]:
    """A mailbox that is well covered, and that Graph has told something of."""
    async with AsyncExitStack() as stack:

        def made(replies: Sequence[Reply], annotations: dict[str, str], conditions: Sequence[object] = ()) -> Play:
            status = {**holding(hours=150), "conditions": list(conditions)}
            play = Play(Microsoft(replies), status, annotations, metrics=Metrics(list, "0"))
            stack.push_async_callback(play.http.aclose)
            return play

        yield made


def calls(play: Play) -> list[str]:
    return [f"{asked.method} {asked.path.removeprefix('/v1.0/subscriptions')}" for asked in play.microsoft.asked]


def counted(play: Play, event: LifecycleEvent) -> float | None:
    return play.metrics.registry.get_sample_value("graphmail_lifecycle_notifications_total", {"event": event.value})


def delivering(play: Play) -> tuple[str, str]:
    condition = play.entry.resource.status.condition("Delivering")
    assert condition is not None
    return condition.status, condition.reason


async def test_what_graph_has_removed_is_made_anew_and_that_it_is_gone_is_no_error(begin: Begin) -> None:
    play = begin([CREATED, GONE], told(LifecycleEvent.SUBSCRIPTION_REMOVED))
    await play.look()
    assert calls(play) == ["POST ", f"DELETE /{HELD}"]
    status = play.entry.resource.status
    assert (status.subscription_id, status.consecutive_failures) == (NEW, 0)
    assert play.announced == [EventReason.SUBSCRIPTION_REMOVED, EventReason.REPLACED]
    assert counted(play, LifecycleEvent.SUBSCRIPTION_REMOVED) == 1


async def test_where_graph_refuses_it_beside_the_removed_one_that_one_goes_first(begin: Begin) -> None:
    play = begin([TWIN, GONE, CREATED], told(LifecycleEvent.SUBSCRIPTION_REMOVED))
    await play.look()
    assert calls(play) == ["POST ", f"DELETE /{HELD}", "POST "]
    assert play.entry.resource.status.subscription_id == NEW


async def test_one_that_cannot_be_made_anew_is_tried_again_after_growing_pauses(begin: Begin) -> None:
    play = begin([AWAY], told(LifecycleEvent.SUBSCRIPTION_REMOVED))
    for _ in range(5):
        await play.look()
    assert calls(play) == ["POST "] * 5
    pauses = [later.at - earlier.at for earlier, later in itertools.pairwise(play.microsoft.asked)]
    assert pauses == sorted(pauses)
    assert pauses[0] >= timedelta(seconds=1)
    assert counted(play, LifecycleEvent.SUBSCRIPTION_REMOVED) == 1
    play.microsoft.replies = [*[AWAY] * 5, CREATED, GONE]
    await play.look()
    assert play.entry.resource.status.subscription_id == NEW


async def test_what_graph_asks_a_renewal_for_is_renewed_once_and_never_reauthorized(begin: Begin) -> None:
    play = begin([RENEWED], told(LifecycleEvent.REAUTHORIZATION_REQUIRED))
    for _ in range(3):
        await play.look()
    assert calls(play)[0] == f"PATCH /{HELD}"
    assert set(calls(play)[1:]) <= {f"GET /{HELD}"}
    assert play.announced == [EventReason.RENEWAL_ASKED_BY_GRAPH, EventReason.RENEWED]


async def test_a_question_that_a_renewal_has_answered_is_only_told(begin: Begin) -> None:
    play = begin([RENEWED], told(LifecycleEvent.REAUTHORIZATION_REQUIRED, at=NOW - timedelta(hours=101)))
    await play.look()
    assert (play.microsoft.calls, play.announced) == (0, [EventReason.RENEWAL_ASKED_BY_GRAPH])


async def test_missed_notifications_call_nobody_at_graph_and_are_told_until_one_arrives(begin: Begin) -> None:
    play = begin([GONE], told(LifecycleEvent.MISSED))
    play.arrives(NOW - timedelta(minutes=1))
    await play.look()
    assert (play.microsoft.calls, play.announced) == (0, [EventReason.NOTIFICATIONS_MISSED])
    assert delivering(play) == ("False", "NotificationsMissed")
    play.arrives(NOW + timedelta(seconds=1))
    await play.look()
    assert delivering(play) == ("True", "NotificationArrived")
    assert counted(play, LifecycleEvent.MISSED) == 1


async def test_that_a_stalled_mailbox_has_missed_some_is_told_all_the_same(begin: Begin) -> None:
    stalled = {"type": "Stalled", "status": "True", "reason": "ReauthorizationRequired", "message": "sign in again"}
    play = begin([GONE], told(LifecycleEvent.MISSED), [stalled | {"lastTransitionTime": write_time(NOW)}])
    for _ in range(3):
        await play.look()
    assert (play.microsoft.calls, play.announced) == (0, [EventReason.NOTIFICATIONS_MISSED])
    assert delivering(play) == ("False", "NotificationsMissed")
    assert counted(play, LifecycleEvent.MISSED) == 1
    assert play.entry.resource.status.says("Stalled", "True")


async def test_a_replacement_does_not_make_up_for_what_was_missed(begin: Begin) -> None:
    play = begin([CREATED, GONE], told(LifecycleEvent.MISSED, LifecycleEvent.SUBSCRIPTION_REMOVED))
    await play.look()
    assert play.entry.resource.status.subscription_id == NEW
    assert delivering(play) == ("False", "NotificationsMissed")
    assert set(play.announced) == {
        EventReason.NOTIFICATIONS_MISSED,
        EventReason.SUBSCRIPTION_REMOVED,
        EventReason.REPLACED,
    }


@pytest.mark.parametrize("count", range(4))
async def test_from_the_annotation_to_the_end_it_takes_few_steps(begin: Begin, count: int) -> None:
    for events in itertools.combinations(LifecycleEvent, count):
        removed = LifecycleEvent.SUBSCRIPTION_REMOVED in events
        play = begin([CREATED, GONE] if removed else [RENEWED], told(*events))
        await play.look()
        assert play.reconciler.decide(play.entry).decision.action is Action.NOTHING, events
        assert play.microsoft.calls <= 2, events
        assert play.api.asked <= 2, events
        assert all(counted(play, event) == (event in events) for event in LifecycleEvent), events
