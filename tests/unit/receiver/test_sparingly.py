"""What anybody can cause is logged a few times a minute."""

from graphmail.receiver.sparingly import Sparingly


def test_after_some_lines_the_rest_is_left_out_and_counted_in_the_next() -> None:
    now = 0.0
    sparingly = Sparingly(2, 60.0, lambda: now)
    assert [sparingly.may() for _ in range(5)] == [0, 0, None, None, None]
    now = 61.0
    assert [sparingly.may() for _ in range(3)] == [3, 0, None]
