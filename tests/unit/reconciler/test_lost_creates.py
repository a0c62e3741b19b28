"""A create whose answer is lost: what it made is found and kept, and nothing else is taken for it (design, rules 1 and 3)."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest

from graphmail.graph import Meaning, SignInError
from graphmail.observability.metrics import Metrics
from graphmail.reconciler import work
from graphmail.resource.moments import write_time
from support.reconciling import APP, HELD, HOOK, NOW, Microsoft, Play, Reply, holding

LOST = {
    "observedGeneration": 1,
    "observedCredential": "fp",
    "pendingCreateTime": write_time(NOW - timedelta(minutes=5)),
}
"""A create was begun minutes ago, and nobody knows what came of it."""
SUBSCRIPTIONS = "/v1.0/subscriptions"


def subscription(
    name: str = HELD, *, mailbox: str = "ann@example.com", app: str = APP, days: int = 5
) -> dict[str, Any]:
    """One with our marker, as Graph tells of it."""
    return {
        "id": name,
        "applicationId": app,
        "resource": f"/users/{mailbox}/mailFolders('inbox')/messages",
        "changeType": "created",
        "notificationUrl": f"{HOOK}?gms=here.p1.inbox",
        "expirationDateTime": write_time(NOW + timedelta(days=days)),
    }


Spoil = Callable[[httpx.Request], Reply | None]


@dataclass
class Graph(Microsoft):
    """Graph with its subscriptions in memory."""

    replies: list[Reply] = field(default_factory=list)
    held: dict[str, dict[str, Any]] = field(default_factory=dict)
    spoils: list[Spoil] = field(default_factory=list)
    """Each is asked first, and may answer in Graph's place."""
    most: int = 0
    """Subscriptions that there were at once."""
    sent: list[str] = field(default_factory=list)
    """What a create that got no answer has made, or will."""
    numbers: Any = field(default_factory=itertools.count)

    def answer(self, request: httpx.Request) -> httpx.Response:
        spoilt = [reply for spoil in self.spoils if (reply := spoil(request)) is not None]
        self.replies = spoilt[:1] or [self._reply(request)]
        self.most = max(self.most, len(self.held))
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


Playing = Callable[..., Play]


@pytest.fixture
async def playing(graph: Graph) -> AsyncIterator[Playing]:
    """A mailbox with that status before that Graph."""
    plays = []

    def begin(status: dict[str, Any], *, graph: Graph = graph, **how: Any) -> Play:
        plays.append(Play(graph, status, metrics=Metrics(list, "0"), **how))
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


# --- on its way ------------------------------------------------------------------------------------------------------


async def looks(play: Play, *, until: Callable[[], Any]) -> None:
    """Look again and again, each time when the last look said."""
    for _ in range(40):
        if until():
            return
        await play.look()
    raise AssertionError(f"never came true; asked: {[call.method for call in play.microsoft.asked]}")


NOTHING: dict[str, Any] = {"observedGeneration": 1, "observedCredential": "fp"}


def committed_later(graph: Graph, seconds: float, name: str = HELD) -> Spoil:
    """The create gets no answer, and Graph commits it so long afterwards."""
    arrives, waits = graph.now + timedelta(seconds=seconds), [name]

    def spoil(request: httpx.Request) -> Reply | None:
        first = request.method == "POST" and name not in graph.sent
        if first:
            graph.sent.append(name)
        if name in graph.sent and graph.now >= arrives and waits:
            graph.held[waits.pop()] = subscription(name)
        return Reply(None) if first else None

    return spoil


async def test_a_create_that_graph_commits_long_after_our_call_has_ended_gets_no_twin(
    graph: Graph, playing: Playing
) -> None:
    graph.spoils.append(committed_later(graph, 50))
    play = playing(NOTHING)
    await looks(play, until=lambda: known(play))
    assert known(play) == HELD
    assert graph.made(1)


async def test_a_create_that_never_arrived_is_waited_for_once(graph: Graph, playing: Playing) -> None:
    graph.spoils.append(committed_later(graph, 10**6))
    play = playing(NOTHING)
    await looks(play, until=lambda: known(play))
    assert graph.made(2)
    assert graph.asked[-1].at - NOW == timedelta(seconds=60)


async def test_a_look_that_fails_forgets_no_create(graph: Graph, playing: Playing) -> None:
    graph.spoils += [committed_later(graph, 0), unlisted(graph, times=3)]
    play = playing(NOTHING)
    await looks(play, until=lambda: known(play))
    assert known(play) == HELD
    assert graph.made(1)


async def test_a_sign_in_that_fails_forgets_no_create(graph: Graph, playing: Playing) -> None:
    graph.spoils.append(committed_later(graph, 0))
    graph.sign_ins = [None, SignInError(Meaning.TRANSIENT, "sign-in is away"), None]
    play = playing(NOTHING)
    await looks(play, until=lambda: known(play))
    assert known(play) == HELD
    assert graph.made(1)


async def test_what_a_lost_replacement_has_made_goes_before_another_one_is_made(graph: Graph, playing: Playing) -> None:
    outdated = holding(hours=100)
    outdated["subscriptions"][0] |= {"changeTypes": ["updated"]}
    graph.held = {HELD: subscription() | {"changeType": "updated"}}
    graph.spoils.append(committed_later(graph, 0, "bbbbbbbb-0000-4000-8000-000000000002"))
    play = playing(outdated)
    await looks(play, until=lambda: known(play) != HELD)
    assert list(graph.held) == [known(play)]
    assert graph.most == 2


class Silent(Graph):
    """The first create gets no answer at all."""

    async def answer(self, request: httpx.Request) -> httpx.Response:  # type: ignore[override]  # httpx awaits it
        if request.method == "POST" and not self.sent:
            self.sent.append(HELD)
            await asyncio.Event().wait()
        return super().answer(request)


async def test_a_create_in_place_of_a_lost_subscription_is_looked_for_when_its_time_is_over(
    playing: Playing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "GIVE_UP", timedelta(seconds=3))
    silent = Silent()
    play = playing(holding(hours=100), graph=silent, verified_hours_ago=2.0)
    await looks(play, until=lambda: silent.sent)
    made = subscription("bbbbbbbb-0000-4000-8000-000000000002")
    silent.held[made["id"]] = made
    await looks(play, until=lambda: known(play) not in {None, HELD})
    assert known(play) == made["id"]


def unlisted(graph: Graph, *, times: int) -> Spoil:
    """Graph fails to list, so often."""
    left = [Reply(503)] * times

    def spoil(request: httpx.Request) -> Reply | None:
        listed = (request.method, request.url.path) == ("GET", SUBSCRIPTIONS)
        return left.pop() if graph.sent and listed and left else None

    return spoil
