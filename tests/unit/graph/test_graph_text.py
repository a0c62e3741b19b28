"""What is taken from headers and texts: waits within bounds, and nothing secret."""

from datetime import UTC, datetime

import pytest

from graphmail.graph.text import http_date, publishable, retry_after, short_id

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("10", 10.0),
        ("2.5", 2.5),
        ("0", 1.0),
        ("-30", 1.0),
        ("86400", 3600.0),
        ("1e400", 3600.0),
        ("Fri, 20 Nov 2026 12:00:42 GMT", 42.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 1.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("1" * 100, None),
    ],
)
def test_a_wait_is_read_as_seconds_or_as_a_date_within_bounds(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, now=NOW) == seconds


@pytest.mark.parametrize("header", [None, "", "yesterday", "Fri, 99 Nov 2026 12:00:00 GMT", "x" * 100])
def test_what_is_no_date_is_none(header: str | None) -> None:
    assert http_date(header) is None


def test_a_date_without_a_zone_is_utc() -> None:
    assert http_date("Fri, 20 Nov 2026 12:00:00 -0000") == NOW


@pytest.mark.parametrize(
    "secret",
    [
        "eyJ0eXAiOiJKV1QiLCJub25jZSI6Ik.eyJhdWQiOiJodHRwczovL2dyYXBo.c2lnbmF0dXJl",
        "Bearer opaque-token",
        "0.AXoA-_x" + "aB3_" * 40,
    ],
)
def test_what_looks_like_a_token_is_blotted_out(secret: str) -> None:
    assert publishable(f"the token {secret} is bad") == "the token [secret] is bad"


def test_a_long_url_is_no_secret() -> None:
    url = "https://mail.example.com/api/email/webhooks/microsoft?gms=production.2f9c0a54-2a6e-4a53-a3f5-f1f0d4a1a001.inbox"

    assert publishable(f"cannot reach {url}") == f"cannot reach {url}"


def test_a_known_secret_is_blotted_out_wherever_it_stands() -> None:
    text = publishable("word " * 99 + "hunter2", ("hunter2", ""))

    assert text.startswith("word word")
    assert "hunt" not in text


@pytest.mark.parametrize("value", [None, 7, ["x"], {"x": 1}, ""])
def test_what_is_no_text_is_nothing(value: object) -> None:
    assert publishable(value) == ""
    assert short_id(value) is None
