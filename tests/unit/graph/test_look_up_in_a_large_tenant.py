"""A create whose answer was lost is looked up in a list that may be long: an app's subscriptions in one tenant, a hundred a page."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx
import structlog

from graphmail.observability.metrics import Metrics
from support.reconciling import HELD, HOOK, Microsoft, Play, Reply

Run = Callable[[Any], Any]
PAGES = 100
"""Of 10,000 subscriptions. Graph allows 25 pages in 20 seconds, so that reading them takes 80."""
LOST = {
    "id": HELD,
    "resource": "/users/ann@example.com/mailFolders('inbox')/messages",
    "expirationDateTime": "2026-11-27T10:00:00Z",
    "notificationUrl": f"{HOOK}?gms=here.p1.inbox",
}


class LargeTenant(Microsoft):
    """The list is long, and what the lost create made stands on its last page."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert (request.method, request.url.path) == ("GET", "/v1.0/subscriptions")
        page = int(parse_qs(request.url.query.decode()).get("$skiptoken", ["1"])[0])
        more = {"@odata.nextLink": f"https://graph.example.com/v1.0/subscriptions?$skiptoken={page + 1}"}
        body = {"value": [LOST]} if page == PAGES else {"value": []} | more
        return httpx.Response(200, json=body, request=request)


def test_a_lost_create_is_found_however_long_the_list_is(run: Run) -> None:
    status = {"observedGeneration": 1, "observedCredential": "fp", "pendingCreateTime": "2026-11-20T11:59:00Z"}

    async def scenario() -> Play:
        play = Play(LargeTenant([Reply(None)]), status, metrics=Metrics(list, "0"))
        looks = 0
        while play.entry.resource.status.subscription_id is None and looks < 10:
            await play.look()
            looks += 1
        return play

    with structlog.testing.capture_logs():
        play = run(scenario())
    assert play.entry.resource.status.subscription_id == HELD
