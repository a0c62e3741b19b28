"""The name of a provider's resource."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmail.resource.names import resource_name

IDENTIFIERS = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,60}[A-Za-z0-9])?", fullmatch=True)
DNS_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
"""RFC 1123: what fits both an object's name and a label's value."""


@given(IDENTIFIERS, IDENTIFIERS, st.text(min_size=1, max_size=320))
def test_a_name_is_a_valid_name_and_label_whatever_the_mailbox(tenant: str, provider_id: str, mailbox: str) -> None:
    assert re.fullmatch(DNS_LABEL, resource_name(tenant, provider_id, mailbox))


def test_a_name_is_the_mailbox_and_a_hash_of_who_it_belongs_to_for_ever() -> None:
    """Another hash would make a second resource for every provider. `printf t1/p1 | sha256sum` begins so."""
    assert resource_name("t1", "p1", "Ann.Smith@Example.com") == "ann-smith-example-com-15e13750"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(("t1", "p1"), ("t2", "p1"), id="two tenants"),
        pytest.param(("t1", "p1"), ("t1", "p2"), id="two providers of one tenant"),
        pytest.param(("t1", "p2"), ("t2", "p1"), id="crosswise"),
        pytest.param(("a-b", "c"), ("a", "b-c"), id="the same letters, parted elsewhere"),
    ],
)
def test_providers_that_watch_the_same_mailbox_get_names_of_their_own(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert resource_name(*one, "ann@example.com") != resource_name(*other, "ann@example.com")


def test_long_mailboxes_that_begin_alike_stay_apart() -> None:
    first, second = (resource_name("t1", provider, "a" * 200 + "@example.com") for provider in ("p1", "p2"))
    assert first != second
    assert len(first) == len(second) == 63


@pytest.mark.parametrize(
    ("mailbox", "slug"),
    [
        ("jürgen.groß@müller.de", "j-rgen-gro-m-ller-de"),
        ("李雷@例子.中国", "mailbox"),
        ("--ann--", "ann"),
        ("O'Hara@example.com", "o-hara-example-com"),
    ],
)
def test_letters_that_a_name_cannot_have_become_dashes(mailbox: str, slug: str) -> None:
    assert resource_name("t1", "p1", mailbox).rpartition("-")[0] == slug


def test_a_cut_does_not_leave_a_dash_behind() -> None:
    name = resource_name("t1", "p1", "a" * 53 + "-" + "b" * 20)
    assert re.fullmatch("a{53}-[0-9a-f]{8}", name)
