"""Ten thousand answers that nobody foresaw, to the client, the tables, the verdicts and the backoff at once.

Whatever Microsoft says, nothing is raised, no id is lost, and nothing is asked for in a tight loop.
"""

import itertools
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphmail.decision import adoption_pending
from graphmail.graph import Meaning
from graphmail.graph.answers import Answer, refusal
from graphmail.graph.signin_table import SignInAnswer, sign_in_refusal
from graphmail.graph.table import Operation
from graphmail.observability.metrics import Metrics
from graphmail.resource import GraphMailSubscription
from graphmail.resource.conditions import ConditionType
from graphmail.resource.names import ANNOTATION_ADOPT
from support.reconciling import APP, CREDENTIAL, HELD, HOOK, NOW, Microsoft, Play, Reply, holding

Run = Callable[[Any], Any]
Played = Callable[..., Play]
OTHER = "bbbbbbbb-0000-4000-8000-000000000002"
LEAST_APART = 9.0
"""Seconds between two attempts: the least pause is ten, and moments in a status are whole seconds."""
MOST_CALLS = 12
"""In one look: a few steps, each with a second try for a new token or a lower ceiling."""

WORDS = (
    "ResourceNotFound", "ErrorAccessDenied", "ExtensionError", "ObjectIdentifierInUse", "SubscriptionCountReached",
    "InvalidAuthenticationToken", "ErrorInvalidParameter", "ValidationError", "TooManyRequests", "reached its limit of '1'",
    "MailboxNotEnabledForRESTAPI", "Subscription expiration can only be 4230 minutes in the future.", "MailboxConcurrency",
    "Subscription expiration can only be 999999999 minutes in the future.", "[Status Code: Forbidden; Reason: x]",
    "[Status Code: ServiceUnavailable; Reason: x]", "Subscription validation request timed out.",
    f"Subscription Id {OTHER} already exists for the requested combination",
    f"Subscription Id {HELD} already exists for the requested combination",
)  # fmt: skip
texts = st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=3).map(" ".join)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
moments = st.sampled_from(
    ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-11-20T11:00:00Z", "2026-11-20T12:00:00Z",
     "2026-11-20T12:00:20Z", "2026-11-20T12:45:00Z", "2026-11-21T12:00:00.0000000Z", "2026-11-27T10:00:00+14:00", "9999-12-31T23:59:59Z",
     "9999-12-31T23:59:59-14:00", "soon", "", "2026-13-45T99:00:00Z"]
) | scalars  # fmt: skip
ids = st.sampled_from([HELD, OTHER, "", "..", "a/b", "x" * 300, "ü"]) | scalars
urls = st.sampled_from([HOOK, f"{HOOK}?gms=here.p1.inbox", f"{HOOK}?gms=here.p2.inbox", "https://["]) | scalars
resources = st.sampled_from(["/users/ann@example.com/mailFolders('inbox')/messages", "/me/events", "'"]) | scalars
subscriptions = st.fixed_dictionaries(
    {},
    optional={
        "id": ids, "expirationDateTime": moments, "notificationUrl": urls, "resource": resources,
        "applicationId": st.just(APP) | scalars, "changeType": scalars,
    },
)  # fmt: skip
errors = st.fixed_dictionaries({}, optional=dict.fromkeys(("code", "message", "innerError"), texts | scalars))
pages = st.fixed_dictionaries(
    {},
    optional={
        "value": st.lists(subscriptions | scalars, max_size=3) | scalars,
        "@odata.nextLink": st.sampled_from(["https://evil.example.com/", "/v1.0/subscriptions?$skiptoken=1", 7, ""]),
    },
)
contents = (
    subscriptions | pages | scalars | st.fixed_dictionaries({"error": errors | scalars}) | st.lists(scalars, max_size=2)
)
bodies = contents.map(lambda content: json.dumps(content).encode()) | st.binary(max_size=40)
cut = st.tuples(bodies, st.integers(0, 30)).map(lambda pair: pair[0][: len(pair[0]) - pair[1]])
waits = st.sampled_from(
    [
        b"0",
        b"-5",
        b"10",
        b"1e400",
        b"nan",
        b"Fri, 31 Dec 9999 23:59:59 GMT",
        b"Mon, 01 Jan 0001 00:00:00 +1400",
        b"soon",
    ]
) | st.binary(max_size=12)
headers = st.lists(
    st.tuples(
        st.sampled_from([b"retry-after", b"date", b"request-id", b"content-encoding", b"location", b"content-type"]),
        waits | st.sampled_from([b"gzip", b"text/html", b"br"]),
    ),
    max_size=3,
)
statuses = st.sampled_from([200, 201, 204, 400, 401, 403, 404, 404, 409, 410, 429, 500, 502, 503, 504]) | st.integers(
    100, 999
)
grants = st.fixed_dictionaries({"id": st.sampled_from([HELD, HELD, OTHER]), "expirationDateTime": moments})
granting = st.builds(Reply, st.sampled_from([200, 201]), body=grants.map(lambda content: json.dumps(content).encode()))
replies = granting | st.builds(Reply, statuses, headers, bodies | cut) | st.just(Reply(None))
refused_sign_ins = st.builds(
    lambda status, content: sign_in_refusal(SignInAnswer(status, {}, json.dumps(content).encode(), NOW, CREDENTIAL)),
    st.integers(200, 999),
    st.fixed_dictionaries(
        {},
        optional={"error": st.sampled_from(["invalid_grant", "invalid_client", "x"]) | scalars, "error_codes": scalars},
    ),
)
sign_ins = st.lists(st.none() | refused_sign_ins, min_size=1, max_size=2)

NOTHING: dict[str, Any] = {"observedGeneration": 1, "observedCredential": "fp"}
DUE = holding(hours=5)
COVERED = holding(hours=100)
EXPIRED = holding(hours=-1)
UNSETTLED = NOTHING | {"pendingCreateTime": "2026-11-20T11:59:00Z"}


def operation(method: str, path: str) -> Operation:
    if path.endswith("/subscriptions"):
        return Operation.CREATE if method == "POST" else Operation.LIST
    return {"GET": Operation.GET, "PATCH": Operation.RENEW, "DELETE": Operation.DELETE}[method]


def meanings(microsoft: Microsoft, subscription_id: str) -> set[Meaning]:
    """What Graph's refusals said of that subscription."""
    found = set()
    for asked in microsoft.asked:
        reply = asked.answered
        if reply is not None and not reply.is_success and asked.path.endswith(subscription_id):
            kind = operation(asked.method, asked.path)
            found.add(refusal(Answer(kind, reply.status_code, reply.headers, reply.content, NOW)).meaning)
    return found


def perhaps_made(answer: httpx.Response | None) -> bool:
    """Whether Graph may have made a subscription, by what it answered, if it did: a gateway gives up on what goes on behind it."""
    return answer is None or answer.is_success or answer.status_code in {502, 504}


def check_pace(attempts: list[tuple[datetime, int]]) -> None:
    for (earlier, calls), (later, more) in itertools.pairwise(attempts):
        assert calls <= MOST_CALLS
        if calls and more:
            assert (later - earlier).total_seconds() >= LEAST_APART


async def look_on(play: Play, looks: int) -> list[tuple[datetime, int]]:
    """When Microsoft was asked, and how often, in so many looks one after the other."""
    attempts = []
    for _ in range(looks):
        at, before = play.now(), play.microsoft.calls
        await play.look()
        attempts.append((at, play.microsoft.calls - before))
    return attempts


@pytest.fixture
def played(run: Run) -> Played:
    """Plays a few looks at a mailbox in virtual time; what holds for each of them is checked."""
    metrics = Metrics(list, "0")

    def play_out(
        microsoft: Microsoft,
        status: dict[str, Any],
        annotations: dict[str, str] | None = None,
        looks: int = 3,
        **how: float,
    ) -> Play:
        async def scenario() -> Play:
            play = Play(microsoft, status, annotations, metrics=metrics, **how)
            async with play.http:
                check_pace(await look_on(play, looks))
            return play

        with structlog.testing.capture_logs():
            play: Play = run(scenario())
        check_told(play)
        return play

    return play_out


def check_told(play: Play) -> None:
    """What the API server has is what is known here, and a condition tells what no table knows."""
    resource = play.entry.resource
    assert GraphMailSubscription.parse(play.api.body).status == resource.status
    ready = resource.status.condition(ConditionType.READY)
    answered = [asked.answered.status_code for asked in play.microsoft.asked if asked.answered is not None]
    if ready is not None and ready.reason == "UnexpectedAnswer" and not play.microsoft.refused:
        assert "does not end" in ready.message or any(str(status) in ready.message for status in answered)


examples = settings(
    max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
answers = st.lists(replies, min_size=1, max_size=3)


@pytest.mark.parametrize("status", [DUE, EXPIRED], ids=["due", "expired"])
@examples
@given(answers=answers, sign_ins=sign_ins)
def test_any_answer_to_a_renewal_is_survived(
    played: Played, status: dict[str, Any], answers: list[Reply], sign_ins: Any
) -> None:
    play = played(Microsoft(answers, sign_ins), status)

    kept = play.entry.resource.status.subscription_id == HELD
    assert kept or meanings(play.microsoft, HELD) & {Meaning.GONE, Meaning.INVALID}


@examples
@given(answers=answers, sign_ins=sign_ins)
def test_any_answer_to_a_verification_is_survived(played: Played, answers: list[Reply], sign_ins: Any) -> None:
    play = played(Microsoft(answers, sign_ins), COVERED, verified_hours_ago=2)

    kept = play.entry.resource.status.subscription_id == HELD
    assert kept or Meaning.GONE in meanings(play.microsoft, HELD)


@pytest.mark.parametrize("status", [NOTHING, UNSETTLED], ids=["never", "unsettled"])
@examples
@given(answers=answers, sign_ins=sign_ins)
def test_any_answer_to_a_create_is_survived(
    played: Played, status: dict[str, Any], answers: list[Reply], sign_ins: Any
) -> None:
    """Whatever Graph may have made is held, or is looked for before another one is made."""
    play = played(Microsoft(answers, sign_ins), status)

    after = play.entry.resource.status
    held = after.subscription_id or after.pending_create_time
    creates = [asked.answered for asked in play.microsoft.asked if asked.method == "POST"]
    assert held or not (perhaps_made(creates[-1]) if creates else status is UNSETTLED)


@pytest.mark.parametrize("refusal", [Reply(503), Reply(429), Reply(401), Reply(None)], ids=str)
def test_a_look_up_that_fails_does_not_make_an_unanswered_create_forgotten(played: Played, refusal: Reply) -> None:
    microsoft = Microsoft([Reply(504), refusal])
    play = played(microsoft, NOTHING, looks=3)

    assert [asked.method for asked in microsoft.asked][:2] == ["POST", "GET"]
    assert sum(asked.method == "POST" for asked in microsoft.asked) == 1
    assert play.entry.resource.status.pending_create_time == NOW


@examples
@given(answers=answers, sign_ins=sign_ins)
def test_any_answer_to_an_adoption_is_survived(played: Played, answers: list[Reply], sign_ins: Any) -> None:
    """What Graph will not show us (403) counts as another app's: a mailbox without cover does not wait for it."""
    play = played(Microsoft(answers, sign_ins), NOTHING, {ANNOTATION_ADOPT: HELD})

    resource = play.entry.resource
    known = resource.status.subscription_id == HELD or adoption_pending(resource) == HELD
    told = meanings(play.microsoft, HELD)
    shown = any(asked.answered is not None and asked.answered.is_success for asked in play.microsoft.asked)
    assert known or shown or Meaning.GONE in told or any(meaning.slow for meaning in told)


@pytest.mark.parametrize("body", [b'{"id": "' + b"x" * 9_000_000 + b'"}', b"[" * 1_000_000], ids=["long", "deep"])
@pytest.mark.parametrize("status", [200, 400])
def test_a_huge_answer_costs_no_id(played: Played, status: int, body: bytes) -> None:
    play = played(Microsoft([Reply(status, body=body)]), DUE)

    assert play.entry.resource.status.subscription_id == HELD


def test_an_unknown_answer_is_asked_for_again_soon_and_after_five_times_slowly(played: Played) -> None:
    body = b'{"error": {"code": "Teapot", "message": "I am one", "innerError": {"request-id": "r-1"}}}'
    play = played(Microsoft([Reply(418, body=body)]), DUE, looks=8)

    ready = play.entry.resource.status.condition(ConditionType.READY)
    assert ready is not None
    assert all(words in ready.message for words in ("418", "Teapot", "I am one", "r-1"))
    pauses = [later.at - earlier.at for earlier, later in itertools.pairwise(play.microsoft.asked)]
    assert max(pauses[:5]) < timedelta(minutes=1)
    assert min(pauses[5:]) >= timedelta(minutes=14)
