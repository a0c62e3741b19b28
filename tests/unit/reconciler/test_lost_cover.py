"""A mailbox that loses its subscription and gets no new one: the metrics go on telling of it, so that no page ends with its cover."""

import json
from dataclasses import dataclass
from datetime import timedelta

import httpx
from prometheus_client.parser import text_string_to_metric_families

from graphmail.observability.metrics import Metrics
from graphmail.resource.moments import write_time
from support.reconciling import NOW, Asked, Microsoft, Play, holding

HOURS = 2
EXPIRES = NOW + timedelta(hours=HOURS)
EXPIRATION = "graphmail_subscription_expiration_timestamp_seconds"
UNCOVERED = "graphmail_subscription_uncovered_timestamp_seconds"


@dataclass
class Graph(Microsoft):
    """A Graph that lets the app no longer at this mailbox, and forgets the subscription when it expires."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(Asked(self.now, request.method, request.url.path))
        gone = self.now >= EXPIRES and request.method != "POST"
        code = "ResourceNotFound" if gone else "ErrorAccessDenied"
        body = json.dumps({"error": {"code": code, "message": "no"}})
        return httpx.Response(404 if gone else 403, content=body, request=request)


def told(played: Play) -> dict[str, tuple[str | None, float]]:
    """Of these two metrics, what is served: reason and value."""
    text = Metrics(lambda: [played.entry.resource], "0").render().decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {one.name: (one.labels.get("reason"), one.value) for one in samples if one.name in {EXPIRATION, UNCOVERED}}


async def test_from_the_loss_on_the_metrics_say_that_it_is_without_cover_and_why() -> None:
    status = {**holding(hours=HOURS), "lastRenewalTime": write_time(NOW - timedelta(hours=70))}
    played = Play(Graph([]), status, metrics=Metrics(list, "0"))
    await played.look()
    assert told(played) == {EXPIRATION: (None, EXPIRES.timestamp())}
    while played.entry.resource.status.subscription_id is not None:
        looked_at = played.now()
        await played.look()
    await played.http.aclose()
    assert looked_at >= EXPIRES
    assert told(played) == {UNCOVERED: ("PermissionMissing", int(looked_at.timestamp()))}
