"""Secrets are found wherever they stand, and are not repeated when that is told."""

from graphsim.disclosure import Shown, search

JWT = "eyJhbGciOiJSUzI1NiJ9abcd.eyJzdWIiOiJhbm5hIn0-abcdef.c2lnbmF0dXJl"
REFRESH = f"1.a-grant.2.1795808355.nonce.{'0f' * 32}"


def test_a_secret_is_found_by_where_it_stands() -> None:
    assert search({"a log": "said a-long-secret aloud", "another": "nothing"}, ["a-long-secret"]) == [
        Shown("a log", len("a-long-secret"))
    ]


def test_tokens_are_found_that_nobody_names() -> None:
    texts = {"a": f'{{"token": "{JWT}"}}', "b": f"refreshed with {REFRESH}"}
    assert [one.where for one in search(texts, [])] == ["a", "b"]


def test_what_is_told_does_not_repeat_the_secret() -> None:
    [one] = search({"a log": "said a-long-secret aloud"}, ["a-long-secret"])
    assert str(one) == "secret of 13 characters in a log"


def test_ids_times_and_hashes_are_none() -> None:
    text = f"7f0c4a52-0000-4000-8000-000000000001 2026-11-24T05:14:33.264279Z 1.2.3.4 {'ab' * 32} eyJ"
    assert search({"a log": text}, ["short"]) == []
