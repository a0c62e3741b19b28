"""The ownership marker: what is written into a URL is read from it, and nothing else of the URL changes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmail.graph import Marker, add_marker, read_marker, without_marker

MARKER = Marker("prod", "2f9c0a54-2a6e-4a53-a3f5-f1f0d4a1a001", "inbox")

markers = st.builds(Marker, st.text(max_size=20), st.text(max_size=40), st.text(max_size=60))
parameters = st.from_regex(r"[a-z%=+.~-]{1,12}", fullmatch=True)
urls = st.builds(
    lambda path, query, fragment: (
        f"https://mail.example.com/{path}{'?' if query else ''}{'&'.join(query)}{'#' if fragment else ''}{fragment}"
    ),
    st.from_regex(r"[a-z/%.]{0,20}", fullmatch=True),
    st.lists(parameters.filter(lambda parameter: not parameter.startswith("gms")), max_size=4),
    st.from_regex(r"[a-z?&=]{0,10}", fullmatch=True),
)


def test_a_marker_stands_at_the_end_of_the_query_in_plain_characters() -> None:
    url = add_marker("https://mail.example.com/api/email/webhooks/microsoft", MARKER)

    expected = (
        "https://mail.example.com/api/email/webhooks/microsoft?gms=prod.2f9c0a54-2a6e-4a53-a3f5-f1f0d4a1a001.inbox"
    )
    assert url == expected


def test_other_parameters_keep_their_order_and_spelling() -> None:
    url = add_marker("https://mail.example.com/hook?b=%2F&a&b=2#top", MARKER)

    assert url.startswith("https://mail.example.com/hook?b=%2F&a&b=2&gms=prod.")
    assert url.endswith(".inbox#top")


def test_a_new_marker_takes_the_place_of_an_old_one() -> None:
    moved = Marker("prod", MARKER.provider, "archive")

    url = add_marker(add_marker("https://mail.example.com/hook?x=1", MARKER), moved)

    assert url.count("gms=") == 1
    assert read_marker(url) == moved


def test_a_dot_in_a_part_is_not_taken_for_the_separator() -> None:
    marker = Marker("eu.prod", "support.de-1", "Posteingang/Ünerledigt.alt")

    assert read_marker(add_marker("https://mail.example.com/hook", marker)) == marker


@pytest.mark.parametrize(
    "url",
    [
        "https://mail.example.com/hook",
        "https://mail.example.com/hook?gms=",
        "https://mail.example.com/hook?gms=prod.inbox",
        "https://mail.example.com/hook?gms=a.b.c.d",
        "https://mail.example.com/hook?gms=a.b%2Ec.d",
        "https://mail.example.com/hook?gms=a.b.~FF",
        "https://mail.example.com/hook?xgms=a.b.c",
        "https://mail.example.com/hook#?gms=a.b.c",
        "no URL at all",
        "",
    ],
)
def test_a_url_without_a_whole_marker_is_nobody_s(url: str) -> None:
    assert read_marker(url) is None
    assert without_marker(url) == url


@given(url=urls, marker=markers)
def test_what_is_added_is_read_and_can_be_taken_away(url: str, marker: Marker) -> None:
    marked = add_marker(url, marker)

    assert read_marker(marked) == marker
    assert without_marker(marked) == url


@given(url=urls, first=markers, second=markers)
def test_marking_twice_is_marking_once(url: str, first: Marker, second: Marker) -> None:
    assert add_marker(add_marker(url, first), second) == add_marker(url, second)


@given(marker=markers)
def test_a_marker_holds_only_what_no_proxy_rewrites(marker: Marker) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_~-]*(\.[A-Za-z0-9_~-]*){2}", str(marker))


@given(url=st.text(max_size=200))
def test_any_text_can_be_asked_for_its_marker(url: str) -> None:
    if read_marker(url) is None:
        assert without_marker(url) == url
