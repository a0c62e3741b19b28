"""The table of sign-in: each error that Microsoft is known to give, what it means, and what a person is told to do."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from graphmail.graph import Meaning
from graphmail.graph.login_proof import Proof
from graphmail.graph.signin_table import TABLE, Row, SignInAnswer, sign_in_refusal
from graphmail.provider import Credential

APP = Credential("contoso/p1", "contoso", "app-1", "f", refresh_token="r-token-1", user="ann@contoso.example.com")
PROOF = Proof({}, "the certificate …3F9A (valid until 2027-03-01)")
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
        "an expired refresh token",
        Meaning.INTERACTION_REQUIRED,
        400,
        "invalid_grant",
        700082,
        "has expired. Sign in again as ann",
    ),
    Case(
        "another expired grant",
        Meaning.INTERACTION_REQUIRED,
        400,
        "invalid_grant",
        70008,
        "has expired. Sign in again as ann",
    ),
    Case("a changed password", Meaning.INTERACTION_REQUIRED, 400, "invalid_grant", 50173, "password was changed"),
    Case(
        "a revoked consent",
        Meaning.INTERACTION_REQUIRED,
        400,
        "invalid_grant",
        65001,
        "administrator of the user's directory",
    ),
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
    Case(
        "a wrong certificate",
        Meaning.CREDENTIAL_INVALID,
        401,
        "invalid_client",
        700027,
        "does not take the certificate",
    ),
    Case("a wrong federation", Meaning.CREDENTIAL_INVALID, 401, "invalid_client", 700213, "add a federated credential"),
    Case(
        "a wrong federation, as it was once called",
        Meaning.CREDENTIAL_INVALID,
        400,
        "invalid_request",
        70021,
        "federated credential",
    ),
    Case("nothing to prove itself with", Meaning.CREDENTIAL_INVALID, 401, "invalid_client", 7000218, "is confidential"),
    Case("a proof of a public app", Meaning.CREDENTIAL_INVALID, 401, "invalid_client", 700025, "is public"),
    Case("a wrong clock", Meaning.TRANSIENT, 401, "invalid_client", 700024, "clock"),
    Case(
        "an unknown trouble of the credential",
        Meaning.CREDENTIAL_INVALID,
        401,
        "invalid_client",
        1,
        "refuses the certificate",
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
    return SignInAnswer(case.status, headers or {}, content, NOW, APP, proof=PROOF)


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


def case(number: int) -> Case:
    return next(case for case in CASES if case.number == number)


def test_a_person_is_told_who_must_sign_in_again_and_where() -> None:
    in_product = sign_in_refusal(answer(case(50173)))
    assert in_product.remedy == (
        "The password was changed or the sign-in was revoked. Sign in again as ann@contoso.example.com in the product, and "
        "consent to app app-1."
    )

    by_hand = replace(APP, consent_place="Secret ann, key refresh-token")
    told = sign_in_refusal(replace(answer(case(50173)), credential=by_hand)).remedy or ""
    assert told.endswith("consent to app app-1, and store the new refresh token in Secret ann, key refresh-token.")


def test_a_person_is_told_which_credential_is_refused_and_where_it_stands() -> None:
    placed = replace(answer(case(700027)), credential=replace(APP, place="file contoso of GRAPHMAIL_CREDENTIALS_DIR"))
    told = sign_in_refusal(placed).remedy or ""

    assert "the certificate …3F9A (valid until 2027-03-01)" in told
    assert "file contoso of GRAPHMAIL_CREDENTIALS_DIR" in told
    assert "{" not in told


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.case)
def test_a_remedy_is_whole_sentences_without_gaps(row: Row) -> None:
    numbers = list(row.numbers or [])[:1]
    content = json.dumps({"error": next(iter(row.errors or [""])), "error_codes": numbers}).encode()
    status = next(iter(row.statuses or [400]))
    told = sign_in_refusal(SignInAnswer(status, {}, content, NOW, APP, proof=PROOF)).remedy
    assert told is None or (told.endswith((".", "graphmail renew")) and not set("{}") & set(told))


def test_braces_in_a_name_are_no_placeholders() -> None:
    odd = replace(answer(case(7000222)), credential=replace(APP, client_id="{place}"))
    assert "app {place} has expired" in (sign_in_refusal(odd).remedy or "")
