"""A watch breaks off, tells of an error, or is refused for long: renewals go on, and a restart is cheap and harmless (design, rule 5)."""

import asyncio
from collections.abc import Callable

import pytest

from support.apiproxy import ApiProxy, error_event
from support.command import start
from support.due import BY_TICKS, renewed_again
from support.stage import Stage
from support.waiting import eventually

BROKEN = {
    "an error that is not an expiry": error_event(500),
    "half a line": b'{"type": "MODIFIED", "object": {"metad',
}

TRIES = 20
"""More than any list of pauses that ends would have."""


@pytest.mark.parametrize("breaks", [ApiProxy.cut, ApiProxy.expire], ids=["it breaks off", "it has expired"])
async def test_after_a_watch_has_ended_renewals_go_on_and_news_is_seen(
    stage: Stage, proxy: ApiProxy, breaks: Callable[[ApiProxy], None]
) -> None:
    row = stage.add_app_only()
    async with stage.operator(**BY_TICKS):
        subscription = await stage.covered_once(row)
        for value in ("one", "two", "three"):
            watches = proxy.calls["watch"]
            breaks(proxy)
            await eventually(lambda watches=watches: proxy.calls["watch"] > watches, "it watches again")
            await renewed_again(stage, row)
            stage.request_renewal(row, value)
            await stage.status_of(row, lambda status, value=value: status["lastHandledRenewal"] == value, value)
        assert await stage.covered_once(row) == subscription
    assert (stage.calls(row, "create"), stage.calls(row, "delete")) == (1, 0)


@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN.keys())
async def test_a_stream_that_makes_no_sense_ends_the_process_soon_and_the_next_one_goes_on(
    stage: Stage, proxy: ApiProxy, line: bytes
) -> None:
    row = stage.add_app_only()
    process = await start(stage, "run", **BY_TICKS)
    log = asyncio.create_task(process.communicate())
    try:
        subscription = await stage.covered_once(row)
        proxy.say(line)
        assert await asyncio.wait_for(process.wait(), 60) > 0
    finally:
        if process.returncode is None:
            process.kill()
        await log
    async with stage.operator(**BY_TICKS):
        await renewed_again(stage, row)
        assert await stage.covered_once(row) == subscription
    assert (stage.calls(row, "create"), stage.calls(row, "delete")) == (1, 0)


@pytest.mark.parametrize("status", [500, 503, 429, 403])
async def test_while_lists_and_watches_are_refused_for_long_renewals_go_on(
    stage: Stage, proxy: ApiProxy, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr("graphmail.handlers.FIRST_BACKOFFS", (0.01,))
    monkeypatch.setattr("graphmail.handlers.LONGEST_BACKOFF_SECONDS", 0.05)
    row = stage.add_app_only()
    async with stage.operator(**BY_TICKS):
        subscription = await stage.covered_once(row)
        refusals = [proxy.refuse(verb, status) for verb in ("list", "watch")]
        proxy.expire()
        await eventually(lambda: refusals[0].hits > TRIES, "it asks on and on for a list")
        await renewed_again(stage, row)
        proxy.relent()
        refusals = [proxy.refuse("watch", status)]
        await eventually(lambda: refusals[0].hits > TRIES, "it asks on and on for a watch")
        await renewed_again(stage, row)
        proxy.relent()
        stage.request_renewal(row, "now")
        await stage.status_of(row, lambda status: status["lastHandledRenewal"] == "now", "news is seen")
        assert await stage.covered_once(row) == subscription
    assert (stage.calls(row, "create"), stage.calls(row, "delete")) == (1, 0)
