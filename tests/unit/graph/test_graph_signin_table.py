"""The table of sign-in: each error that Microsoft is known to give, what it means, and what a person is told to do."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from graphmail.graph import Meaning
from graphmail.graph.signin_table import TABLE, SignInAnswer, sign_in_refusal

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    says: str
    meaning: Meaning
    status: int = 400
    error: str = ""
    number: int | None = None
    remedy: str | None = None


CASES = [
    Case(
        "an expired refresh token", Meaning.INTERACTION_REQUIRED, 400, "invalid_grant", 700082, "has expired. Sign in"
    ),
    Case("another expired grant", Meaning.INTERACTION_REQUIRED, 400, "invalid_grant", 70008, "has expired. Sign in"),
    Case("a changed password", Meaning.INTERACTION_REQUIRED, 400, "invalid_grant", 50173, "password was changed"),
    Case("a revoked consent", Meaning.INTERACTION_REQUIRED, 400, "invalid_grant", 65001, "Consent to app app-1"),
    Case("an unknown reason to sign in", Meaning.INTERACTION_REQUIRED, 400, "invalid_grant", 50034, "Sign in again"),
    Case("a second factor", Meaning.INTERACTION_REQUIRED, 400, "interaction_required", 50076, "Sign in again"),
    Case("a wrong secret", Meaning.CREDENTIAL_INVALID, 401, "invalid_client", 7000215, "secret of app app-1 is wrong"),
    Case(
        "an expired secret",
        Meaning.CREDENTIAL_INVALID,
        401,
        "invalid_client",
        7000222,
        "secret of app app-1 has expired",
    ),
    Case("a wrong certificate", Meaning.CREDENTIAL_INVALID, 401, "invalid_client", 700027, "certificate or federated"),
    Case("a wrong federation", Meaning.CREDENTIAL_INVALID, 401, "invalid_client", 700213, "certificate or federated"),
    Case(
        "an unknown trouble of the credential",
        Meaning.CREDENTIAL_INVALID,
        401,
        "invalid_client",
        1,
        "refuses the credential",
    ),
    Case(
        "a disabled app called a bad client", Meaning.APP_DISABLED, 401, "invalid_client", 7000112, "gone or disabled"
    ),
    Case("an unknown app", Meaning.APP_DISABLED, 400, "unauthorized_client", 700016, "in directory contoso"),
    Case("a disabled app", Meaning.APP_DISABLED, 400, "unauthorized_client", 7000112, "gone, disabled or not allowed"),
    Case("an app without Graph", Meaning.APP_DISABLED, 400, "invalid_resource", 500011, "grant it Mail.Read"),
    Case("an unknown directory", Meaning.CREDENTIAL_INVALID, 400, "invalid_request", 90002, "no directory contoso"),
    Case(
        "an unknown directory, by name", Meaning.CREDENTIAL_INVALID, 400, "invalid_tenant", None, "no directory contoso"
    ),
    Case("a passing trouble", Meaning.TRANSIENT, 400, "temporarily_unavailable", 90033),
    Case("a passing trouble that looks like a bad request", Meaning.TRANSIENT, 400, "invalid_request", 90024),
    Case("a passing trouble that looks like a bad grant", Meaning.TRANSIENT, 400, "invalid_grant", 90055),
    Case("a fault", Meaning.TRANSIENT, 503),
    Case("too many requests", Meaning.THROTTLED, 429),
    Case("too many requests, politely", Meaning.THROTTLED, 400, "slow_down"),
    Case("a client in a loop", Meaning.THROTTLED, 400, "invalid_grant", 50196),
    Case("something else", Meaning.UNKNOWN, 400, "invalid_request", 900144),
    Case("nothing at all", Meaning.UNKNOWN, 403),
]


def answer(case: Case, *, listed: bool = True, headers: dict[str, str] | None = None) -> SignInAnswer:
    number = [] if case.number is None else [case.number]
    body = {
        "error": case.error,
        "error_description": f"AADSTS{case.number}: A reason.\r\nTrace ID: t-1\r\nCorrelation ID: c-1\r\nTimestamp: now",
        "error_codes": number if listed else None,
        "correlation_id": "c-1",
    }
    content = json.dumps(body if case.error else {}).encode()
    return SignInAnswer(case.status, headers or {}, content, NOW, "app-1", "contoso")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_an_answer_has_its_meaning_and_says_what_to_do(case: Case) -> None:
    error = sign_in_refusal(answer(case))

    assert error.meaning is case.meaning
    assert error.aadsts == (case.number if case.error else None)
    assert (case.remedy or "") in (error.remedy or "")
    assert (error.remedy is None) == (case.remedy is None)


def test_every_row_of_the_table_is_reached_by_a_case() -> None:
    reached = set()
    for case in CASES:
        numbers = [case.number] if case.number else []
        reached |= {next((row.case for row in TABLE if row.fits(case.error, numbers, case.status)), "")}

    assert {row.case for row in TABLE} <= reached


def test_a_number_is_found_in_the_text_where_no_list_has_it() -> None:
    assert sign_in_refusal(answer(CASES[0], listed=False)).aadsts == 700082


def test_the_text_is_microsoft_s_without_its_trailer() -> None:
    error = sign_in_refusal(answer(CASES[0]))

    assert error.message == "AADSTS700082: A reason."
    assert error.correlation_id == "c-1"
    assert str(error) == "400 invalid_grant: AADSTS700082: A reason. (correlation-id c-1)"


def test_a_wait_that_sign_in_asks_for_is_kept() -> None:
    assert sign_in_refusal(answer(CASES[-4], headers={"retry-after": "42"})).retry_after == 42
