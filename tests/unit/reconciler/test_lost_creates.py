"""A create whose answer is lost: what it made is found and kept, and nothing else is taken for it (design, rules 1 and 3)."""

import itertools
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest

from graphmail.observability.metrics import Metrics
from graphmail.resource.model import write_time
from support.reconciling import APP, HELD, HOOK, NOW, Microsoft, Play, Reply

LOST = {"observedGeneration": 1, "observedCredential": "fp", "pendingCreateTime": write_time(NOW - timedelta(minutes=5))}
"""A create was begun minutes ago, and nobody knows what came of it."""
SUBSCRIPTIONS = "/v1.0/subscriptions"


def subscription(name: str = HELD, *, mailbox: str = "ann@example.com", app: str = APP, days: int = 5) -> dict[str, Any]:
    """One with our marker, as Graph tells of it."""
    return {
        "id": name,
        "applicationId": app,
        "resource": f"/users/{mailbox}/mailFolders('inbox')/messages",
        "changeType": "created",
        "notificationUrl": f"{HOOK}?gms=here.p1.inbox",
        "expirationDateTime": write_time(NOW + timedelta(days=days)),
    }


@dataclass
class Graph(Microsoft):
    """Graph with its subscriptions in memory."""

    replies: list[Reply] = field(default_factory=list)
    held: dict[str, dict[str, Any]] = field(default_factory=dict)
    spoils: list[Callable[[httpx.Request], httpx.Response | None]] = field(default_factory=list)
    """Each is asked first, once for a call, and may answer in Graph's place."""
    numbers: Any = field(default_factory=itertools.count)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.replies = [self._reply(request)]
        return super().answer(request)

    def made(self, count: int) -> bool:
        """So many creates have arrived."""
        return [asked.method for asked in self.asked].count("POST") == count

    def _reply(self, request: httpx.Request) -> Reply:
        name = request.url.path.removeprefix(SUBSCRIPTIONS).strip("/")
        if request.method == "POST":
            made = subscription(f"cccccccc-0000-4000-8000-{next(self.numbers):012}")
            self.held[made["id"]] = made
            return _told(made, 201)
        if not name:
            return _told({"value": list(self.held.values())})
        if name not in self.held:
            return Reply(404, body=b'{"error": {"code": "ResourceNotFound", "message": "The object was not found."}}')
        if request.method == "DELETE":
            del self.held[name]
            return Reply(204)
        return _told(self.held[name])


def _told(body: Any, status: int = 200) -> Reply:
    return Reply(status, body=json.dumps(body).encode())


@pytest.fixture
async def graph() -> Graph:
    return Graph()


Playing = Callable[[dict[str, Any]], Play]


@pytest.fixture
async def playing(graph: Graph) -> AsyncIterator[Playing]:
    """A mailbox with that status before that Graph."""
    plays = []

    def begin(status: dict[str, Any]) -> Play:
        plays.append(Play(graph, status, metrics=Metrics(list, "0")))
        return plays[-1]

    yield begin
    for play in plays:
        await play.http.aclose()


def known(play: Play) -> str | None:
    return play.entry.resource.status.subscription_id


async def test_what_a_lost_create_made_is_kept(graph: Graph, playing: Playing) -> None:
    graph.held = {HELD: subscription()}
    play = playing(LOST)
    await play.look()
    assert known(play) == HELD
    assert graph.made(0)


OTHERS = [
    subscription(mailbox="before@example.com"),
    subscription(app="99999999-0000-4000-8000-000000000001"),
]


@pytest.mark.parametrize("other", OTHERS, ids=["the mailbox that the provider had before", "another app"])
async def test_what_serves_another_is_not_taken_for_what_a_lost_create_made(
    graph: Graph, playing: Playing, other: dict[str, Any]
) -> None:
    graph.held = {HELD: other}
    play = playing(LOST)
    await play.look()
    assert known(play) not in {None, HELD}
    assert HELD in graph.held


async def test_what_serves_another_mailbox_is_no_leftover_of_a_lost_create(graph: Graph, playing: Playing) -> None:
    ours = subscription("bbbbbbbb-0000-4000-8000-000000000002", days=1)
    graph.held = {HELD: subscription(mailbox="before@example.com"), ours["id"]: ours}
    play = playing(LOST)
    await play.look()
    assert known(play) == ours["id"]
    assert set(graph.held) == {HELD, ours["id"]}


async def test_a_lost_create_whose_url_has_changed_meanwhile_is_kept(graph: Graph, playing: Playing) -> None:
    graph.held = {HELD: subscription() | {"notificationUrl": "https://old.example.com/hook?gms=here.p1.inbox"}}
    play = playing(LOST)
    await play.look()
    assert known(play) == HELD


async def test_a_deletion_leaves_alone_what_serves_another_mailbox(graph: Graph, playing: Playing) -> None:
    ours = subscription("bbbbbbbb-0000-4000-8000-000000000002")
    graph.held = {HELD: subscription(mailbox="before@example.com"), ours["id"]: ours}
    play = playing(LOST)
    spec = play.entry.resource.spec.model_copy(update={"suspend": True, "suspend_policy": "Delete"})
    play.entry.resource = play.entry.resource.model_copy(update={"spec": spec})
    play.api.body["spec"] = {**play.api.body["spec"], "suspend": True, "suspendPolicy": "Delete"}
    await play.look()
    assert set(graph.held) == {HELD}
