"""What looks like a secret is taken out of text; what people need to find a cause stays."""

import json
import string
from datetime import UTC, datetime
from types import SimpleNamespace

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmail.observability.redaction import redact, redact_value

JWT = "eyJ0eXAiOiJKV1QifQ.eyJ0aWQiOiJhYmMifQ.c2lnbmF0dXJl"
SECRET = "s3cret~Value.With-Signs"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"token {JWT} refused", "token *** refused"),
        (f"unsigned {JWT.rsplit('.', 1)[0]}.", "unsigned ***"),
        (f"Authorization: Bearer {SECRET}", "Authorization: Bearer ***"),
        (f"refresh_token={SECRET}&scope=Mail.Read", "refresh_token=***&scope=Mail.Read"),
        (f"grant_type=refresh_token&client_secret={SECRET}", "grant_type=refresh_token&client_secret=***"),
        (f'{{"access_token": "{SECRET}", "expires_in": 3599}}', '{"access_token": ***, "expires_in": 3599}'),
        (f"{{'refresh_token': '{SECRET}', 'a': 1}}", "{'refresh_token': ***, 'a': 1}"),
        (f'{{"clientState":"{SECRET}","id":"1"}}', '{"clientState":***,"id":"1"}'),
        (f"client_assertion={SECRET}", "client_assertion=***"),
        (f"webhook_verification_token: {SECRET}", "webhook_verification_token: ***"),
        (f"postgresql://alga:{SECRET}@db:5432/server", "postgresql://alga:***@db:5432/server"),
        ("postgres://alga:p@ss/w:rd@db/server", "postgres://alga:***@db/server"),
        (f"http://proxy:{SECRET}@10.0.0.1:3128", "http://proxy:***@10.0.0.1:3128"),
        (f"host=db password={SECRET} user=alga", "host=db password=*** user=alga"),
        (f"PGPASSWORD={SECRET}", "PGPASSWORD=***"),
        (f"host=db password='{SECRET} and more' user=alga", "host=db password=*** user=alga"),
    ],
)
def test_a_secret_is_masked_and_what_stands_around_it_stays(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "InvalidAuthenticationToken: Lifetime validation failed, the token is expired.",
        "AADSTS700082: The refresh token has expired due to inactivity.",
        "https://localhost:8443/v1.0/users/anna@contoso.com/mailFolders('inbox')/messages",
        "https://app.example.com/hook?gms=ab12.p-7.inbox",
        "PATCH subscriptions/{id} 200, request-id 6f1b3b4e-1111-2222-3333-444455556666",
        "client_secret_ref=mail/acme names no file",
        "access_token_expires_at=2026-11-24",
        "postgresql://db:5432/server",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert redact(text) == text


FORMS = st.sampled_from(
    [
        "refresh_token={}",
        "client_secret={}&x=1",
        '"access_token": "{}"',
        "'clientState': '{}'",
        "password={}",
        "Bearer {}",
        "postgresql://alga:{}@db/server",
    ]
)


@hypothesis.settings(deadline=None)
@given(
    form=FORMS,
    secret=st.text(string.ascii_letters + string.digits + "~._-", min_size=8),
    around=st.text(string.ascii_letters + " ", max_size=20),
)
def test_no_secret_survives_in_any_of_its_forms(form: str, secret: str, around: str) -> None:
    marked = f"Q7{secret}Z9"
    assert marked not in redact(f"{around} {form.format(marked)} {around}")


def test_a_name_counts_whatever_the_value_looks_like() -> None:
    for name in ("client_secret", "refreshToken", "access_token", "clientState", "password", "database_url"):
        assert redact_value(name, "plain") == "***"
        assert redact_value(name, {"nested": "plain"}) == "***"
    assert redact_value("client_secret_ref", "acme/mail") == "acme/mail"
    assert redact_value("token", 12) == 12


def test_plain_data_stays_plain_data() -> None:
    value = {"a": [1, 2.5, True, None, "x"], "client_secret": "plain", "deep": {"text": f"password={SECRET}"}}
    assert redact_value("body", value) == {
        "a": [1, 2.5, True, None, "x"],
        "client_secret": "***",
        "deep": {"text": "password=***"},
    }
    assert redact_value("when", datetime(2026, 11, 24, tzinfo=UTC)) == "2026-11-24 00:00:00+00:00"


def test_what_is_no_plain_data_becomes_its_representation_without_secrets() -> None:
    assert redact_value("thing", SimpleNamespace(refresh_token=SECRET)) == "namespace(refresh_token=***)"
    assert redact_value("error", ValueError(f"client_secret={SECRET}")) == "ValueError('client_secret=***')"


def test_data_that_holds_itself_ends() -> None:
    loop: dict[str, object] = {}
    loop["self"] = loop
    assert "self" in json.dumps(redact_value("loop", loop))
