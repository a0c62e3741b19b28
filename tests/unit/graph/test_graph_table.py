"""The table of answers: each row of what Graph is known to say, and what it means for a mailbox."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from graphmail.graph import GraphRefused, Meaning
from graphmail.graph.answers import Answer, refusal
from graphmail.graph.table import TABLE, Facts, Operation, row_for

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CREATE, GET, RENEW, DELETE = Operation.CREATE, Operation.GET, Operation.RENEW, Operation.DELETE
GUID = "1bf1e19a-5da0-4b4f-9d6e-6b1b0a8d5b6c"
NO_REST = "REST API is not yet supported for this mailbox."
NOT_FOUND = "The object was not found."


@dataclass(frozen=True)
class Case:
    says: str
    operation: Operation
    status: int
    meaning: Meaning
    code: str = ""
    message: str = ""
    expect: dict[str, Any] = field(default_factory=dict)


def answer(operation: Operation, status: int, code: str = "", message: str = "", **more: Any) -> Answer:
    body = {"error": {"code": code, "message": message, "innerError": {"request-id": "r-1"}}}
    return Answer(operation, status, more.pop("headers", {}), json.dumps(body).encode(), NOW, **more)


CASES = [
    Case("a lost subscription is gone for a renewal", RENEW, 404, Meaning.GONE, "ResourceNotFound", NOT_FOUND),
    Case("a lost subscription is gone for a look", GET, 404, Meaning.GONE, "ResourceNotFound", NOT_FOUND),
    Case("a lost subscription is gone for a delete", DELETE, 404, Meaning.GONE, "ResourceNotFound", NOT_FOUND),
    Case("410 is as 404", RENEW, 410, Meaning.GONE, "Gone", "The resource is gone."),
    Case("a mailbox or folder that is not there is no lost subscription", CREATE, 404, Meaning.TARGET_MISSING,
         "ResourceNotFound", NOT_FOUND),
    Case("a missing folder may hide inside", CREATE, 400, Meaning.TARGET_MISSING,
         "ExtensionError", "Operation: Create; Exception: [Status Code: NotFound; Reason: Not Found]"),
    Case("a mailbox outside of Exchange Online, by code", CREATE, 404, Meaning.MAILBOX_TERMINAL,
         "MailboxNotEnabledForRESTAPI", NO_REST),
    Case("a mailbox outside of Exchange Online, by text", RENEW, 404, Meaning.MAILBOX_TERMINAL,
         "ExtensionError", f"Operation: Update; {NO_REST}"),
    Case("the endpoint did not answer 200", CREATE, 400, Meaning.ENDPOINT,
         "ValidationError",
         "Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request."),
    Case("the endpoint was too slow", CREATE, 400, Meaning.ENDPOINT,
         "InvalidRequest", "Subscription validation request timed out."),
    Case("the endpoint has no address", RENEW, 400, Meaning.ENDPOINT,
         "InvalidRequest", "Failed to resolve domain mail.example.com"),
    Case("the lifetime is too long", CREATE, 400, Meaning.CEILING,
         "ExtensionError", "Subscription expiration can only be 10070 minutes in the future.", {"ceiling": 10070}),
    Case("the lifetime is too long, as it was for years", RENEW, 400, Meaning.CEILING,
         "ExtensionError", "Subscription expiration can only be 4230 minutes in the future.", {"ceiling": 4230}),
    Case("a ceiling of nothing is no number to use", RENEW, 400, Meaning.UNKNOWN,
         "ExtensionError", "Subscription expiration can only be 0 minutes in the future.", {"ceiling": None}),
    Case("a subscription that cannot be renewed is replaced", RENEW, 400, Meaning.INVALID,
         "ErrorInvalidParameter", "The parameter is invalid."),
    Case("an invalid parameter of a create is not a matter of replacing", CREATE, 400, Meaning.UNKNOWN,
         "ErrorInvalidParameter", "The parameter is invalid."),
    Case("an expired token", RENEW, 401, Meaning.UNAUTHORIZED,
         "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."),
    Case("an access policy is missing", CREATE, 403, Meaning.PERMISSION,
         "ErrorAccessDenied", "Access is denied. Check credentials and try again."),
    Case("a permission is missing, told from inside", CREATE, 403, Meaning.PERMISSION,
         "ExtensionError", "Operation: Create; Exception: [Status Code: Forbidden; Reason: Access denied]"),
    Case("a bad request that is a permission inside", CREATE, 400, Meaning.PERMISSION,
         "ExtensionError", "Operation: Create; Exception: [Status Code: Unauthorized; Reason: no]"),
    Case("a refusal that is a fault inside", CREATE, 403, Meaning.TRANSIENT,
         "ExtensionError", "Operation: Create; Exception: [Status Code: ServiceUnavailable; Reason: Busy]"),
    Case("a refusal that speaks of a fault", CREATE, 403, Meaning.TRANSIENT,
         "ExtensionError", "ServiceUnavailable, try later"),
    Case("a twin is refused and its sibling named", CREATE, 409, Meaning.ALREADY_EXISTS,
         "ObjectIdentifierInUse",
         f"Subscription Id {GUID.upper()} already exists for the requested combination", {"subscription_id": GUID}),
    Case("a twin is refused without a name", CREATE, 409, Meaning.ALREADY_EXISTS,
         "ObjectIdentifierInUse", "Already there", {"subscription_id": None}),
    Case("another conflict passes", RENEW, 409, Meaning.TRANSIENT, "Conflict", "Concurrent update"),
    Case("too many calls", RENEW, 429, Meaning.THROTTLED, "TooManyRequests", "Too many requests"),
    Case("too many calls for one mailbox", RENEW, 429, Meaning.THROTTLED,
         "ApplicationThrottled", "Application is over its MailboxConcurrency limit."),
    Case("a full mailbox is no matter of waiting", CREATE, 429, Meaning.QUOTA_FULL,
         "TooManyRequests", "SubscriptionCountReached has reached limit of '1000'. Please retry after '12/31/9999 11:59:59 PM'"),
    Case("a full mailbox may be told with 403", CREATE, 403, Meaning.QUOTA_FULL,
         "SubscriptionCountReached", "Limit reached"),
    Case("replicas that disagree are waited for", CREATE, 403, Meaning.TRANSIENT,
         "Forbidden", "The app has reached its limit of '1' subscriptions"),
    Case("a fault of Graph", RENEW, 500, Meaning.TRANSIENT, "InternalServerError", "Something went wrong"),
    Case("a busy Graph", CREATE, 503, Meaning.TRANSIENT, "serviceNotAvailable", "Busy"),
    Case("a gateway that gave up on a renewal", RENEW, 504, Meaning.TRANSIENT, "UnknownError", ""),
    Case("a gateway that gave up on a create", CREATE, 504, Meaning.OUTCOME_UNKNOWN, "UnknownError", ""),
    Case("a bad gateway in front of a create", CREATE, 502, Meaning.OUTCOME_UNKNOWN, "UnknownError", ""),
    Case("what nobody has seen before", RENEW, 418, Meaning.UNKNOWN, "Teapot", "I'm a teapot"),
    Case("a bad request of an unknown kind", CREATE, 400, Meaning.UNKNOWN, "BadRequest", "No"),
    Case("a redirect", RENEW, 302, Meaning.UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_an_answer_has_its_meaning(case: Case) -> None:
    error = refusal(answer(case.operation, case.status, case.code, case.message))

    assert error.meaning is case.meaning
    assert error.status == case.status
    assert error.code == (case.code or None)
    for name, value in case.expect.items():
        assert getattr(error, name) == value


def test_every_row_of_the_table_is_reached_by_a_case() -> None:
    reached = {(row.case if (row := row_for(_facts(case))) else None) for case in [*CASES, FOREIGN, *BY_TEXT_ALONE]}

    assert {row.case for row in TABLE} <= reached


FOREIGN = Case("a proxy's 404", RENEW, 404, Meaning.UNKNOWN)
BY_TEXT_ALONE = [
    Case(
        "an unnamed twin", CREATE, 400, Meaning.ALREADY_EXISTS, "Bad", "it already exists for the requested combination"
    ),
    Case("a throttle inside", RENEW, 403, Meaning.THROTTLED, "Bad", "[Status Code: TooManyRequests; Reason: slow]"),
]


@pytest.mark.parametrize("case", BY_TEXT_ALONE, ids=lambda case: case.says)
def test_a_text_alone_tells(case: Case) -> None:
    assert refusal(answer(case.operation, case.status, case.code, case.message)).meaning is case.meaning


def test_a_404_that_graph_did_not_give_loses_no_subscription() -> None:
    page = Answer(RENEW, 404, {}, b"<html>404 Not Found</html>", NOW)

    error = refusal(page)

    assert error.meaning is Meaning.UNKNOWN
    assert "proxy" in error.message


@pytest.mark.parametrize("body", [b"", b"{}", b'{"error": {}}', b'{"error": null}'])
def test_a_bare_404_is_gone(body: bytes) -> None:
    assert refusal(Answer(RENEW, 404, {}, body, NOW)).meaning is Meaning.GONE


def test_what_only_a_person_can_mend_says_what_to_do() -> None:
    meanings = (
        Meaning.MAILBOX_TERMINAL,
        Meaning.QUOTA_FULL,
        Meaning.ENDPOINT,
        Meaning.PERMISSION,
        Meaning.TARGET_MISSING,
        Meaning.ALREADY_EXISTS,
    )
    rows = [row for row in TABLE if row.meaning in meanings]

    assert rows
    assert all(row.remedy and row.remedy.endswith(".") for row in rows)
    assert all(row.remedy is None for row in TABLE if row.meaning not in meanings)


def test_the_ids_of_a_request_are_kept() -> None:
    by_header = answer(GET, 500, headers={"request-id": "from-the-header"}, client_request_id="ours")

    assert refusal(by_header).request_id == "from-the-header"
    assert refusal(by_header).client_request_id == "ours"
    assert refusal(answer(GET, 500)).request_id == "r-1"


def test_the_lower_case_spelling_of_the_inner_error_is_read() -> None:
    body = json.dumps({"error": {"code": "x", "innererror": {"request-id": "r-2"}}}).encode()

    assert refusal(Answer(GET, 500, {}, body, NOW)).request_id == "r-2"


def test_an_error_tells_status_code_text_and_request() -> None:
    error = refusal(answer(RENEW, 403, "ErrorAccessDenied", "Access is denied."))

    assert str(error) == "403 ErrorAccessDenied: Access is denied. (request-id r-1)"
    assert isinstance(error, GraphRefused)


def test_a_token_that_the_answer_repeats_is_not_repeated_by_us() -> None:
    told = "Bearer eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln and the state s3cret-state"

    message = refusal(answer(RENEW, 401, "x", told, secrets=("s3cret-state",))).message

    assert message == "[secret] and the state [secret]"


def test_a_text_is_bounded_and_on_one_line() -> None:
    message = refusal(answer(RENEW, 400, "x", "one\r\ntwo\x00" + " word" * 1000)).message

    assert message.startswith("one two word")
    assert len(message) == 500


def _facts(case: Case) -> Facts:
    if case is FOREIGN:
        return Facts(case.operation, case.status, foreign=True)
    inner = case.message.partition("Status Code: ")[2].partition(";")[0]
    return Facts(case.operation, case.status, case.code, case.message, inner)
