"""What a test must not leave behind: exceptions of tasks that nobody has taken note of."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def no_loose_ends() -> Iterator[None]:
    """Fail where the event loop is told of an exception within the block, also of that of a task that is forgotten in it."""
    loop, told = asyncio.get_running_loop(), list[Any]()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: told.append(context))
    try:
        yield
        gc.collect()
    finally:
        loop.set_exception_handler(before)
    assert not told, told
