"""The demo shows a table again only where it tells something new."""

from __future__ import annotations

from demo.story import same_but_for_age

FIRST = """\
NAME   READY   MAILBOX           AGE
ann    True    ann@example.com   0s
bert   False   bert@example.com  0s
"""


def test_a_table_that_has_only_grown_older_tells_nothing_new() -> None:
    assert same_but_for_age(FIRST, FIRST.replace("0s", "12s"))


def test_another_condition_or_another_row_is_new() -> None:
    assert not same_but_for_age(FIRST, FIRST.replace("False", "True "))
    assert not same_but_for_age(FIRST, FIRST.rpartition("bert ")[0])
