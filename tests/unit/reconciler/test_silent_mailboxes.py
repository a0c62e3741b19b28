"""A mailbox in which nothing arrives: it is looked into, replaced where it is dead, and told of; no sockets, no stores."""

import itertools
import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from graphmail.observability.events import EventReason
from graphmail.observability.metrics import Metrics
from graphmail.resource.moments import write_time
from graphmail.resource.names import ANNOTATION_LAST_NOTIFICATION
from support.reconciling import CREDENTIAL, HELD, HOOK, NOW, Asked, Microsoft, Play, holding

MADE = "bbbbbbbb-0000-4000-8000-{:012}"
MESSAGES = "/v1.0/users/ann@example.com/mailFolders('inbox')/messages"
HOUR = timedelta(hours=1)
DENIED = (403, {"error": {"code": "ErrorAccessDenied", "message": "Access is denied."}})
AWAY = (503, {"error": {"code": "serviceUnavailable", "message": "later"}})


@dataclass
class Graph(Microsoft):
    """A Graph in which the subscription lives, whatever it delivers."""

    newest: datetime | None = None
    """When the newest message was received; None: the folder is empty."""
    refuses: tuple[int, dict[str, Any]] | None = None
    """What it answers to whoever asks for messages."""
    made: int = 0
    urls: list[httpx.URL] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        asked = Asked(self.now, request.method, request.url.path)
        self.asked.append(asked)
        self.urls.append(request.url)
        status, body = self._truth(request)
        asked.answered = httpx.Response(status, json=body, request=request)
        return asked.answered

    def _truth(self, request: httpx.Request) -> tuple[int, Any]:
        if request.url.path == MESSAGES:
            received = [] if self.newest is None else [{"receivedDateTime": write_time(self.newest)}]
            return self.refuses or (200, {"value": received})
        if request.method == "DELETE":
            return 204, None
        sent = json.loads(request.content) if request.content else {}
        named = request.url.path.rpartition("/")[2]
        if request.method == "POST":
            self.made += 1
            named = MADE.format(self.made)
        return 201 if request.method == "POST" else 200, {
            "id": named,
            "expirationDateTime": sent.get("expirationDateTime") or write_time(NOW + 100 * HOUR),
            "notificationUrl": sent.get("notificationUrl", f"{HOOK}?gms=here.p1.inbox"),
        }

    def times(self, method: str, path: str = MESSAGES) -> list[datetime]:
        """When it was asked for that."""
        return [asked.at for asked in self.asked if asked.method == method and asked.path == path]


def play(
    graph: Graph, *, last: datetime, metrics: Metrics | None = None, row: dict[str, Any] | None = None, **status: Any
) -> Play:
    """Resources with a Secret: the annotation tells of notifications, and twelve hours, and one for the annotation, are long."""
    since = {"sinceTime": write_time(NOW - 100 * HOUR)}
    held = holding(hours=100)
    held["subscriptions"] = [{**held["subscriptions"][0], **since, **(row or {})}]
    told = {ANNOTATION_LAST_NOTIFICATION: last.isoformat()}
    conditions = [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Subscribed",
            "message": "",
            "lastTransitionTime": write_time(NOW - 100 * HOUR),
        }
    ]
    shown = {**held, "lastNotificationTime": write_time(last), "conditions": conditions, **status}
    return Play(graph, shown, told, metrics=metrics or Metrics(list, "0"))


async def until(played: Play, end: datetime) -> None:
    while played.now() < end:
        await played.look()


def delivering(played: Play) -> tuple[str, str]:
    condition = played.entry.resource.status.condition("Delivering")
    assert condition is not None
    return condition.status, condition.reason


def message(played: Play) -> str:
    condition = played.entry.resource.status.condition("Delivering")
    assert condition is not None
    return condition.message


def found(reason: str, at: datetime) -> dict[str, Any]:
    """The status of a mailbox of which that was found."""
    shown = {"status": "False", "reason": reason, "message": "it was found", "lastTransitionTime": write_time(at)}
    missed = {"lifecycle": {"missed": write_time(at)}} if reason == "NotificationsMissed" else {}
    return {"conditions": [{"type": "Delivering", **shown}], "row": missed}


def checks(metrics: Metrics) -> dict[str, float]:
    families = text_string_to_metric_families(metrics.render().decode())
    found = (sample for family in families for sample in family.samples)
    return {
        one.labels["outcome"]: one.value for one in found if one.name == "graphmail_delivery_checks_total" and one.value
    }


async def test_a_quiet_mailbox_is_asked_about_in_one_call_and_left_alone() -> None:
    metrics = Metrics(list, "0")

    async def scenario() -> tuple[Graph, Play]:
        graph = Graph([], newest=NOW - 14 * HOUR)
        played = play(graph, last=NOW - 13.9 * HOUR, metrics=metrics)
        await until(played, NOW + 3 * HOUR)
        await played.http.aclose()
        return graph, played

    graph, played = await scenario()
    assert graph.times("GET") == [NOW]
    [url] = [url for url in graph.urls if url.path == MESSAGES]
    assert dict(url.params) == {"$top": "1", "$select": "receivedDateTime", "$orderby": "receivedDateTime desc"}
    status = played.entry.resource.status
    assert (status.last_delivery_check_time, status.subscription_id) == (NOW, HELD)
    assert delivering(played) == ("True", "NotificationArrived")
    assert (checks(metrics), played.told) == ({"quiet": 1}, [])


async def test_an_empty_folder_is_quiet() -> None:
    async def scenario() -> Play:
        played = play(Graph([]), last=NOW - 14 * HOUR)
        await until(played, NOW + 3 * HOUR)
        await played.http.aclose()
        return played

    status = (await scenario()).entry.resource.status
    assert (status.last_delivery_check_time, status.newest_message_time) == (NOW, None)


async def test_a_dead_subscription_is_replaced_and_told_of_until_a_notification_arrives() -> None:
    metrics = Metrics(list, "0")
    received = NOW - 4.5 * HOUR

    async def scenario() -> tuple[Graph, Play, list[tuple[str, str]]]:
        graph = Graph([], newest=received)
        played = play(graph, last=NOW - 14 * HOUR, metrics=metrics)
        await played.look()
        seen = [delivering(played)]
        await until(played, NOW + timedelta(hours=1, minutes=20))
        seen.append(delivering(played))
        await until(played, NOW + 3 * HOUR)
        seen.append(delivering(played))
        played.arrives(played.now() - timedelta(minutes=1))
        await played.look()
        seen.append(delivering(played))
        await played.http.aclose()
        return graph, played, seen

    graph, played, seen = await scenario()
    silent = ("False", "SilentSubscription")
    assert seen == [("True", "NotificationArrived"), silent, silent, ("True", "NotificationArrived")]
    [made] = graph.times("POST", "/v1.0/subscriptions")
    proven = NOW + timedelta(
        hours=1, minutes=15
    )  # the allowance and the annotation, since the check; four hours of tries are over
    assert proven <= made <= proven + timedelta(minutes=5)
    [gone] = graph.times("DELETE", f"/v1.0/subscriptions/{HELD}")
    assert gone >= made
    assert graph.times("GET") == [NOW]
    assert played.entry.resource.status.subscription_id == MADE.format(1)
    assert checks(metrics) == {"unheard": 1}
    reasons = [reason for reason, _ in played.told]
    assert reasons == [EventReason.SILENT_SUBSCRIPTION, EventReason.REPLACED, EventReason.DELIVERING]
    [evidence] = [message for reason, message in played.told if reason is EventReason.SILENT_SUBSCRIPTION]
    assert write_time(received) in evidence
    assert write_time(NOW - 14 * HOUR) in evidence


async def test_a_notification_that_is_late_acquits_the_subscription() -> None:
    async def scenario() -> tuple[Graph, Play]:
        graph = Graph([], newest=NOW - timedelta(minutes=5))
        played = play(graph, last=NOW - 14 * HOUR)
        await played.look()
        played.arrives(NOW + timedelta(minutes=20))
        await until(played, NOW + 6 * HOUR)
        await played.http.aclose()
        return graph, played

    graph, played = await scenario()
    assert graph.times("POST", "/v1.0/subscriptions") == []
    assert delivering(played) == ("True", "NotificationArrived")


async def test_one_that_stays_silent_is_replaced_more_and_more_seldom_and_its_condition_names_the_url() -> None:
    days = 10

    async def scenario() -> tuple[Graph, Play]:
        graph = Graph([], newest=NOW - HOUR)
        played = play(graph, last=NOW - 14 * HOUR)
        while played.now() < NOW + timedelta(days=days):
            await played.look()
            graph.newest = played.now() - 2 * HOUR
        await played.http.aclose()
        return graph, played

    graph, played = await scenario()
    made = graph.times("POST", "/v1.0/subscriptions")
    apart = [later - earlier for earlier, later in itertools.pairwise(made)]
    assert apart == sorted(apart)
    assert apart[0] >= 6 * HOUR
    assert timedelta(days=4) <= apart[-1] <= timedelta(days=5)
    assert len(graph.times("GET")) <= 2 * len(made)
    assert delivering(played) == ("False", "StillSilent")
    condition = played.entry.resource.status.condition("Delivering")
    assert condition is not None
    assert HOOK in condition.message
    assert "kubectl graphmail probe ann" in condition.message


async def test_a_credential_that_may_not_read_mail_is_tried_once_and_told_of() -> None:
    metrics = Metrics(list, "0")

    async def scenario() -> tuple[Graph, Play]:
        graph = Graph([], refuses=DENIED)
        played = play(graph, last=NOW - 14 * HOUR, metrics=metrics)
        await until(played, NOW + 60 * HOUR)
        await played.http.aclose()
        return graph, played

    graph, played = await scenario()
    assert graph.times("GET") == [NOW]
    assert delivering(played) == ("Unknown", "CannotCheck")
    assert checks(metrics) == {"refused": 1}
    status = played.entry.resource.status
    assert status.says("Ready", "True")
    assert status.consecutive_failures == 0


@pytest.mark.parametrize("reason", ["StillSilent", "NothingArrives", "NotificationsMissed"])
async def test_what_was_found_stands_until_a_notification_arrives_also_where_nobody_may_look_again(reason: str) -> None:
    async def scenario() -> tuple[Play, list[tuple[str, str]], list[str], list[int]]:
        graph = Graph([], newest=NOW - 40 * HOUR, refuses=DENIED)
        played = play(graph, last=NOW - 24 * HOUR, **found(reason, NOW - 20 * HOUR))
        seen, messages, asked = [], [], []
        for _ in range(2):
            await until(played, played.now() + 30 * HOUR)
            seen.append(delivering(played))
            messages.append(message(played))
            asked.append(len(graph.times("GET")))
            graph.refuses = None
            played.desk.credential = replace(CREDENTIAL, fingerprint="fp-2")
        played.arrives(played.now() - timedelta(minutes=1))
        await played.look()
        seen.append(delivering(played))
        await played.http.aclose()
        return played, seen, messages, asked

    played, seen, [refused, looked], asked = await scenario()
    assert seen == [("False", reason), ("False", reason), ("True", "NotificationArrived")]
    assert 1 == asked[0] < asked[1]
    assert ("may not read mail" in refused) is (reason != "NotificationsMissed")
    assert "may not read mail" not in looked
    assert played.announced == [EventReason.DELIVERING]


@pytest.mark.parametrize("refuses", [AWAY, (404, {"error": {"code": "ErrorItemNotFound", "message": "?"}}), (200, {})])
async def test_a_check_that_fails_is_no_failure_of_the_mailbox_and_comes_again_after_six_hours(
    refuses: tuple[int, dict[str, Any]],
) -> None:
    metrics = Metrics(list, "0")

    async def scenario() -> tuple[Graph, Play]:
        graph = Graph([], refuses=refuses)
        played = play(graph, last=NOW - 14 * HOUR, metrics=metrics)
        await until(played, NOW + 30 * HOUR)
        await played.http.aclose()
        return graph, played

    graph, played = await scenario()
    asked = graph.times("GET")
    assert len(asked) == 3
    assert all(later - earlier >= 6 * HOUR for earlier, later in itertools.pairwise(asked))
    assert checks(metrics) == {"failed": 3}
    status = played.entry.resource.status
    assert (status.consecutive_failures, status.next_attempt_time) == (0, None)
    assert status.says("Ready", "True")
    assert [asked.method for asked in graph.asked if asked.method != "GET"] == []


async def test_a_process_that_is_restarted_all_the_time_asks_four_times_a_day_at_most() -> None:
    async def scenario() -> Graph:
        graph = Graph([], newest=NOW - 20 * HOUR)
        played = play(graph, last=NOW - 14 * HOUR)
        while played.now() < NOW + 48 * HOUR:
            await played.look()
            await played.http.aclose()
            body = played.api.body
            played = Play(graph, body["status"], body["metadata"]["annotations"], metrics=Metrics(list, "0"))
        await played.http.aclose()
        return graph

    asked = (await scenario()).times("GET")
    assert 2 <= len(asked) <= 8


async def test_without_the_annotation_nothing_is_suspected() -> None:
    async def scenario() -> Graph:
        graph = Graph([], newest=NOW - HOUR)
        played = Play(graph, holding(hours=100), {}, metrics=Metrics(list, "0"))
        await until(played, NOW + 30 * HOUR)
        await played.http.aclose()
        return graph

    assert (await scenario()).times("GET") == []
