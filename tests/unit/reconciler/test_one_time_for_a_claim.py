"""All that is done under one claim has one time, and a credential that changes again and again is tried once more, and no oftener."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from graphmail.database import Claim
from graphmail.fleet import Access
from graphmail.graph import Meaning, SignInError
from graphmail.observability.metrics import Metrics
from graphmail.reconciler import work
from graphmail.resource import GraphMailSubscription
from graphmail.resource.conditions import ConditionType
from support.reconciling import CREDENTIAL, HELD, Desk, Microsoft, Play, Reply, holding

SIGN_IN_AGAIN = SignInError(Meaning.INTERACTION_REQUIRED, "the consent was revoked")
TWIN_REFUSED = Reply(
    409,
    body=b'{"error": {"code": "ExtensionError", "message": "Subscription Id '
    + HELD.encode()
    + b' already exists for the requested combination"}}',
)
MADE = Reply(201, body=b'{"id": "bbbbbbbb-0000-4000-8000-000000000002", "expirationDateTime": "2026-11-27T12:00:00Z"}')


class ChangingDesk(Desk):
    """Another refresh token each time the credential is read."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count()

    async def of(self, _resource: GraphMailSubscription, _claim: Claim | None = None) -> Access:
        return Access(replace(CREDENTIAL, refresh_token=f"refresh-{next(self._numbers)}"), "state", None)


@pytest.fixture
async def refused() -> AsyncIterator[Play]:
    """A mailbox that is due, and whose consent Microsoft refuses."""
    desk = ChangingDesk()
    play = Play(Microsoft([Reply(500)], [SIGN_IN_AGAIN]), holding(hours=1), metrics=Metrics(list, "0"), desk=desk)
    yield play
    await play.http.aclose()


async def test_a_token_that_changes_at_every_look_is_tried_once_more(refused: Play) -> None:
    await refused.look()
    assert refused.microsoft.refused == 2
    assert refused.entry.resource.status.says(ConditionType.STALLED, "True")


class SlowToRefuse(Microsoft):
    """Graph refuses the twin of the subscription that is to be replaced, after a while."""

    async def answer(self, request: httpx.Request) -> httpx.Response:  # type: ignore[override]  # httpx awaits it
        await asyncio.sleep(0.6)
        return super().answer(request)


@pytest.mark.parametrize(("seconds", "methods"), [(60.0, ["POST", "DELETE", "POST"]), (1.0, ["POST"])])
async def test_nothing_is_deleted_first_where_too_little_time_is_left_to_create(
    monkeypatch: pytest.MonkeyPatch, seconds: float, methods: list[str]
) -> None:
    monkeypatch.setattr(work, "GIVE_UP", timedelta(seconds=seconds))
    status = holding(hours=100)
    status["subscriptions"][0] |= {"changeTypes": ["updated"]}
    graph = SlowToRefuse([TWIN_REFUSED, Reply(204), MADE])
    play = Play(graph, status, metrics=Metrics(list, "0"))
    await play.look()
    assert [call.method for call in graph.asked] == methods
    await play.http.aclose()
