"""A reconciler at work on one mailbox, which ends with its test."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest

from graphmail.graph import Limits
from graphmail.observability.metrics import Metrics
from support.reconciling import Begin, Microsoft, Play

AT_ONCE = Limits(hold=0.01)
"""Turns are waited for in real time; here the pauses between attempts are of interest, which are not."""


@pytest.fixture
async def begin() -> AsyncIterator[Begin]:
    async with AsyncExitStack() as stack:

        def made(microsoft: Microsoft, status: Mapping[str, Any], **given: Any) -> Play:
            play = Play(microsoft, status, metrics=Metrics(list, "0"), limits=AT_ONCE, **given)
            stack.push_async_callback(play.http.aclose)
            return play

        yield made
