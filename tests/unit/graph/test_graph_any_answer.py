"""Whatever Graph or sign-in answers, it has a meaning, its text is fit to print, and it does not make us call at once again."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphmail.graph import GraphRefused, Meaning, MicrosoftError
from graphmail.graph.answers import Answer, refusal
from graphmail.graph.login_proof import Proof
from graphmail.graph.signin_table import TABLE as SIGN_IN_TABLE
from graphmail.graph.signin_table import SignInAnswer, sign_in_refusal
from graphmail.graph.table import Operation
from graphmail.provider import Credential

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SECRET = "Zm9vYmFyLXNlY3JldA"

APP = Credential("contoso/p1", "directory", "app", "f", refresh_token=SECRET)
PROOF = Proof({}, "the certificate …3F9A (valid until 2027-03-01)", secrets=(SECRET,))

WORDS = (
    "ResourceNotFound", "ErrorAccessDenied", "ExtensionError", "ObjectIdentifierInUse", "SubscriptionCountReached", SECRET,
    "Subscription expiration can only be 10070 minutes in the future.", "[Status Code: Forbidden; Reason: x]",
    "Subscription expiration can only be 99999999999999999999 minutes in the future.", "MailboxConcurrency", "[Status Code: ",
    "Subscription Id 1bf1e19a-5da0-4b4f-9d6e-6b1b0a8d5b6c already exists for the requested combination", "ServiceUnavailable",
    "reached its limit of '1'", "AADSTS7000222: expired", "invalid_grant", "invalid_client", "temporarily_unavailable",
)  # fmt: skip
texts = st.lists(st.sampled_from(WORDS) | st.text(max_size=12), max_size=4).map(" ".join)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = scalars | texts | st.lists(scalars, max_size=2) | st.dictionaries(texts, scalars, max_size=2)
errors = st.fixed_dictionaries(
    {}, optional={"code": values, "message": values, "innerError": values, "innererror": values}
)
names = ("error", "error_description", "error_codes", "correlation_id", "message")
bodies = (
    st.binary(max_size=60)
    | st.fixed_dictionaries({}, optional=dict.fromkeys(names, errors | values)).map(
        lambda body: json.dumps(body).encode()
    )
    | values.map(lambda body: json.dumps(body).encode())
)
cut_bodies = st.tuples(bodies, st.integers(0, 80)).map(lambda pair: pair[0][: -pair[1]] if pair[1] else pair[0])
waits = st.sampled_from(
    [
        "0",
        "-5",
        "10",
        "1e400",
        "nan",
        "inf",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Mon, 01 Jan 0001 00:00:00 +1400",
        "soon",
        " 7 ",
    ]
) | st.text(max_size=20)
headers = st.fixed_dictionaries({}, optional={"retry-after": waits, "date": waits, "request-id": texts})


def check(error: MicrosoftError) -> None:
    assert isinstance(error.meaning, Meaning)
    assert error.message
    assert len(error.message) <= 500
    assert error.message.isprintable()
    assert SECRET not in str(error)
    assert SECRET not in repr(error)
    assert error.retry_after is None or 1 <= error.retry_after <= 3600


def check_facts(error: GraphRefused) -> None:
    assert (error.ceiling is not None) == (error.meaning is Meaning.CEILING)
    assert error.ceiling is None or 0 < error.ceiling < 600_000
    assert error.subscription_id is None or error.meaning is Meaning.ALREADY_EXISTS


@settings(max_examples=2000)
@given(operation=st.sampled_from(Operation), status=st.integers(100, 999), head=headers, body=cut_bodies)
def test_any_answer_of_graph_has_a_meaning(
    operation: Operation, status: int, head: dict[str, str], body: bytes
) -> None:
    error = refusal(Answer(operation, status, head, body, NOW, secrets=(SECRET,)))

    check(error)
    check_facts(error)
    if operation is not Operation.CREATE:
        assert error.meaning is not Meaning.OUTCOME_UNKNOWN
    if operation in {Operation.CREATE, Operation.LIST}:
        assert error.meaning is not Meaning.GONE


@settings(max_examples=2000)
@given(status=st.integers(100, 999), head=headers, body=cut_bodies)
def test_any_answer_of_sign_in_has_a_meaning(status: int, head: dict[str, str], body: bytes) -> None:
    error = sign_in_refusal(SignInAnswer(status, head, body, NOW, APP, proof=PROOF))

    check(error)
    assert error.meaning in {row.meaning for row in SIGN_IN_TABLE} | {Meaning.UNKNOWN}
    if error.meaning.terminal:
        assert error.remedy
    assert "{" not in (error.remedy or "")


@given(value=values)
def test_an_error_of_any_type_is_read(value: Any) -> None:
    body = json.dumps({"error": value}).encode()

    check(refusal(Answer(Operation.RENEW, 500, {}, body, NOW, secrets=(SECRET,))))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 1_000_000, id="deeply nested"),
        pytest.param(b'{"error":{"code":"x","message":"' + b"y z" * 1_000_000, id="cut off"),
        pytest.param(b'{"error":{"code":"x","message":"' + b"y z" * 1_000_000 + b'"}}', id="long"),
        pytest.param(
            b'{"error":{"code":"x","message":"a","innerError":{"request-id":' + b"9" * 5000 + b"}}}", id="a vast number"
        ),
    ],
)
def test_a_huge_answer_is_read_in_time(body: bytes) -> None:
    check(refusal(Answer(Operation.CREATE, 400, {}, body, NOW)))
    check(sign_in_refusal(SignInAnswer(400, {}, body, NOW, APP)))
